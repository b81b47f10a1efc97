// Whether a step can overflow what it updates, known before it updates anything, in place.
//
// An entry of the gradient of a layer is sum_r delta[l][r] a[l-1][r], at most sum |delta| sum |a| over all layers and
// rows, and that is at most G = (sum |delta| + sum |a|)^2 / 4. From G and a bound of the parameters and the optimizer
// state before the step, each rule gives their bound after it. A step whose bound is too large keeps a copy of what
// it updates. The bound of each rule is bound_after, kernels/rules.hpp.
#pragma once

#include <algorithm>
#include <cmath>

#include "optimizer.hpp"

namespace deltarule {

// The least epsilon beside sqrt(v) of any Adam: see Optimizer::fits.
template <class T>
const double kLeastEpsilon = std::sqrt(sizeof(T) == 4 ? FLT_MIN : DBL_MIN);

template <class T>
double epsilon_of(const Update<T>& update) {
  return update.v ? static_cast<double>(update.weights.epsilon) : kLeastEpsilon<T>;
}

// The largest magnitude of n parameters and of the optimizer state of them; infinite where Adam's m is steeper than
// kSteepest with that epsilon.
template <class T>
double reach_now(int64_t n, const T* w, const OptimizerState<T>& state, double epsilon) {
  double largest = 0.0;
  for (int64_t i = 0; i < n; ++i) {
    const double m = state.m ? std::abs(static_cast<double>(state.m[i])) : 0.0;
    const double v = state.v ? static_cast<double>(state.v[i]) : 0.0;
    if (state.v && m > kSteepest * (std::sqrt(v) + epsilon)) return INFINITY;
    largest = std::max({largest, std::abs(static_cast<double>(w[i])), m, v});
  }
  return largest;
}

}  // namespace deltarule
