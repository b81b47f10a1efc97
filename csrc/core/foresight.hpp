// Whether a step can overflow what it updates, known before it updates anything, in place.
//
// An entry of the gradient of a layer is sum_r delta[l][r] a[l-1][r], at most sum |delta| sum |a| over all layers and
// rows, and that is at most G = (sum |delta| + sum |a|)^2 / 4. From G and a bound of the parameters and the optimizer
// state before the step, each rule gives their bound after it. A step whose bound is too large is taken with a copy to
// fall back on.
#pragma once

#include <algorithm>
#include <cmath>

#include "optimizer.hpp"

namespace deltarule {

// Bounds below kAmple leave 27 (123) powers of two to the largest number; gradients below kAmpleRoot have a square
// below kAmple, so that Adam's v stays finite.
template <class T>
constexpr double kAmple = sizeof(T) == 4 ? 0x1p100 : 0x1p900;
template <class T>
constexpr double kAmpleRoot = sizeof(T) == 4 ? 0x1p50 : 0x1p450;

// Adam's m is at most this times sqrt(v) + epsilon.
constexpr double kSteepest = 0x1p20;

// Whether that holds after a step where it held before it, by the inequality of Cauchy and Schwarz:
// beta1 sqrt(v) k + alpha1 |g| <= k sqrt(beta2 v + alpha2 g^2).
template <class T>
bool keeps_steepness(const DescentStep<T>& s) {
  const double beta1 = s.beta1, beta2 = s.beta2, alpha1 = s.alpha1, alpha2 = s.alpha2;
  if (!(beta2 > 0.0 && alpha2 > 0.0)) return false;
  return beta1 * beta1 / beta2 + alpha1 * alpha1 / (kSteepest * kSteepest * alpha2) < 0.9999;
}

// A bound of the parameters and of the memory after a step along a gradient of entries up to G, from one before it;
// infinite where there is none.
template <class T>
double reach_after(const Update<T>& update, double reach, double G) {
  const DescentStep<T>& s = update.weights;
  const double g = G + s.decay * reach + s.l1, step = s.rate * g;
  switch (s.rule) {
    case Rule::plain: return reach + step;
    case Rule::momentum:
    case Rule::nesterov: return 2.0 * (reach + step);  // |m| <= reach + step, |w| <= reach + |m| + step
    case Rule::adam:
      if (!(g < kAmpleRoot<T>) || !keeps_steepness(s)) return INFINITY;
      return std::max(std::abs(s.keep) * reach + s.rate * kSteepest, g * g);
  }
  return INFINITY;
}

// The least epsilon beside sqrt(v) of any Adam: see Optimizer::fits.
template <class T>
const double kLeastEpsilon = std::sqrt(static_cast<double>(std::numeric_limits<T>::min()));

template <class T>
double epsilon_of(const Update<T>& update) {
  return update.weights.rule == Rule::adam ? static_cast<double>(update.weights.epsilon) : kLeastEpsilon<T>;
}

// The largest magnitude of n parameters and of what is remembered of them; infinite where Adam's m is steeper than
// kSteepest with that epsilon.
template <class T>
double reach_now(int64_t n, const T* w, const Memory<T>& memory, double epsilon) {
  double largest = 0.0;
  for (int64_t i = 0; i < n; ++i) {
    const double m = memory.m ? std::abs(static_cast<double>(memory.m[i])) : 0.0;
    const double v = memory.v ? static_cast<double>(memory.v[i]) : 0.0;
    if (memory.v && m > kSteepest * (std::sqrt(v) + epsilon)) return INFINITY;
    largest = std::max({largest, std::abs(static_cast<double>(w[i])), m, v});
  }
  return largest;
}

}  // namespace deltarule
