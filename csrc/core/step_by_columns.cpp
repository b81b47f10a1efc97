// The rows of a step where they are few: every thread works on each of them.
#include <cmath>

#include "backward.hpp"
#include "forward.hpp"
#include "loss.hpp"
#include "magnitudes.hpp"
#include "step.hpp"

namespace deltarule {

template <class T>
double propagate_by_columns(Network<T>& network, const TeamThread& team, const Batch<T>& chunk, double scale,
                            StepState<T>& state, double* row_loss) {
  const Architecture& architecture = network.architecture;
  LayerValues<T>& values = *network.workspace.values;
  const int64_t L = architecture.layers();
  const auto columns = [&](int64_t l) { return team.share(padded<T>(architecture.sizes[l]), kColumns<T>); };
  InputRows<T> below = chunk.x;
  for (int64_t l = 1; l <= L; ++l) {
    const auto [left, right] = columns(l);
    T *a = values.a(l, 0), *next = values.next_input(l, 0);
    forward_layer(architecture, network.theta, l, chunk.rows, below, left, right, values.z(l, 0), a, values.ld(l));
    if (chunk.dropout && l < L) chunk.dropout.apply(l, 0, chunk.rows, left, right, a, next, values.ld(l));
    team.wait();
    below = {next, values.ld(l), nullptr};
  }
  const auto [first, last] = team.share(chunk.rows, 1);
  double largest = loss_and_delta(architecture, chunk, first, last, scale, values, row_loss);
  if (state.check_finite && !is_finite(chunk, first, last)) largest = INFINITY;
  for (int64_t l = L - 1; l >= 1; --l) {
    team.wait();
    const auto [left, right] = columns(l);
    backward_layer(architecture, network.theta, l, chunk, 0, chunk.rows, left, right, values);
  }
  if (state.guarded_update) {
    team.wait();
    if (team.rank() == 0) state.magnitudes.fetch_add(magnitudes(architecture, chunk, 0, chunk.rows, values));
  }
  return largest;
}

template double propagate_by_columns(Network<float>&, const TeamThread&, const Batch<float>&, double, StepState<float>&,
                                     double*);
template double propagate_by_columns(Network<double>&, const TeamThread&, const Batch<double>&, double,
                                     StepState<double>&, double*);

}  // namespace deltarule
