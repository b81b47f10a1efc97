// The functions of a network by name.
#include "names.hpp"
#include "kernels/functions.hpp"

namespace deltarule {

void register_functions(py::module_& module) {
  bind_names<Activation>(module, "Activation",
                         {{"identity", Activation::identity},
                          {"sigmoid", Activation::sigmoid},
                          {"tanh", Activation::tanh},
                          {"relu", Activation::relu},
                          {"leaky_relu", Activation::leaky_relu},
                          {"elu", Activation::elu},
                          {"softplus", Activation::softplus},
                          {"gelu", Activation::gelu},
                          {"silu", Activation::silu}});
  bind_names<Output>(module, "Output",
                     {{"identity", Output::identity},
                      {"sigmoid", Output::sigmoid},
                      {"tanh", Output::tanh},
                      {"relu", Output::relu},
                      {"leaky_relu", Output::leaky_relu},
                      {"elu", Output::elu},
                      {"softplus", Output::softplus},
                      {"gelu", Output::gelu},
                      {"silu", Output::silu},
                      {"softmax", Output::softmax},
                      {"exp", Output::exp}});
  bind_names<Loss>(module, "Loss",
                   {{"squared_error", Loss::squared_error},
                    {"sum_squared_error", Loss::sum_squared_error},
                    {"mean_squared_error", Loss::mean_squared_error},
                    {"binary_cross_entropy", Loss::binary_cross_entropy},
                    {"cross_entropy", Loss::cross_entropy},
                    {"absolute_error", Loss::absolute_error},
                    {"huber", Loss::huber},
                    {"poisson", Loss::poisson}});
}

}  // namespace deltarule
