// The functions a network is made of: one row each. C headers only: the ISA files include this.
#pragma once

#include <stdint.h>

namespace deltarule {

// A row drives the enumeration, its names in Python and the kernels' dispatch. The formulas stand in activations.hpp
// and losses.hpp, as the struct that the row names.
#define DELTARULE_NAME(name, ...) name,
#define DELTARULE_COUNT(...) +1

// Name, struct; whether g''(z) is other than 0 anywhere; whether g'(z) needs z, else it follows from a = g(z); whether
// g passes a positive half-line on, so that "auto" initializes its weights by he_normal.
// clang-format off
#define DELTARULE_ACTIVATIONS(ROW)                        \
  ROW(identity, Identity, false, false, false)            \
  ROW(sigmoid, Sigmoid, true, false, false)               \
  ROW(tanh, Tanh, true, false, false)                     \
  ROW(relu, Relu, false, false, true)                     \
  ROW(leaky_relu, LeakyRelu, false, false, true)          \
  ROW(elu, Elu, true, false, true)                        \
  ROW(softplus, Softplus, true, false, true)              \
  ROW(gelu, Gelu, true, true, true)                       \
  ROW(silu, Silu, true, true, true)
// clang-format on

enum class Activation : int32_t { DELTARULE_ACTIVATIONS(DELTARULE_NAME) };
constexpr int kActivations = DELTARULE_ACTIVATIONS(DELTARULE_COUNT);

struct ActivationRow {
  const char* name;
  bool is_curved, needs_z, passes_half_line;
};
#define DELTARULE_ACTIVATION_ROW(name, type, ...) {#name, __VA_ARGS__},
constexpr ActivationRow kActivationRows[] = {DELTARULE_ACTIVATIONS(DELTARULE_ACTIVATION_ROW)};

constexpr bool is_curved(Activation g) { return kActivationRows[static_cast<int>(g)].is_curved; }
constexpr bool derivative_needs_z(Activation g) { return kActivationRows[static_cast<int>(g)].needs_z; }

// Of the last layer: every activation, by its number, and more.
#define DELTARULE_OUTPUTS(ROW) DELTARULE_ACTIVATIONS(ROW) ROW(softmax) ROW(exp)

enum class Output : int32_t { DELTARULE_OUTPUTS(DELTARULE_NAME) };
constexpr int kOutputs = DELTARULE_OUTPUTS(DELTARULE_COUNT);

// Whether y_hat_j depends on z_j alone.
constexpr bool is_elementwise(Output output) { return output != Output::softmax; }

// A loss of the residual e = y_hat - y: name, struct. One that takes logarithms: name, range of its targets.
enum class TargetRange { any, nonnegative, unit };  // all numbers, from 0 on, [0, 1]
// clang-format off
#define DELTARULE_LOSSES(RESIDUAL, LOGARITHMIC)           \
  RESIDUAL(squared_error, SquaredError)                   \
  RESIDUAL(sum_squared_error, SumSquaredError)            \
  RESIDUAL(mean_squared_error, MeanSquaredError)          \
  LOGARITHMIC(binary_cross_entropy, unit)                 \
  LOGARITHMIC(cross_entropy, unit)                        \
  RESIDUAL(absolute_error, AbsoluteError)                 \
  RESIDUAL(huber, Huber)                                  \
  LOGARITHMIC(poisson, nonnegative)
// clang-format on

enum class Loss : int32_t { DELTARULE_LOSSES(DELTARULE_NAME, DELTARULE_NAME) };
constexpr int kLosses = DELTARULE_LOSSES(DELTARULE_COUNT, DELTARULE_COUNT);

#define DELTARULE_ANY_TARGET(name, type) TargetRange::any,
#define DELTARULE_TARGETS(name, range) TargetRange::range,
constexpr TargetRange kTargetRanges[] = {DELTARULE_LOSSES(DELTARULE_ANY_TARGET, DELTARULE_TARGETS)};
constexpr TargetRange target_range(Loss loss) { return kTargetRanges[static_cast<int>(loss)]; }

}  // namespace deltarule
