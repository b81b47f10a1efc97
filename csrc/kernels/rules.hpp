// The rules of the update: one row each, then the numbers of one step, the step in lanes, and a bound of its result.
// C headers only: the ISA files include this.
#pragma once

#include <float.h>
#include <math.h>
#include <stdint.h>

// For functions of packs or of tiles of them, which would be in memory if not inlined into their caller.
#define DELTARULE_INLINE __attribute__((always_inline))

namespace deltarule {

// Name, struct below; the arrays of its state beside the parameters: m, and v.
// clang-format off
#define DELTARULE_RULES(ROW)                              \
  ROW(plain, Plain, false, false)                         \
  ROW(momentum, Momentum, true, false)                    \
  ROW(nesterov, Nesterov, true, false)                    \
  ROW(adam, Adam, true, true)
// clang-format on

// The optimizers, as Python names them.
#define DELTARULE_OPTIMIZERS(ROW) ROW(sgd) ROW(adam)

#define DELTARULE_ENUMERATOR(name, ...) name,
enum class Rule : int32_t { DELTARULE_RULES(DELTARULE_ENUMERATOR) };

struct RuleRow {
  bool has_m, has_v;
};
#define DELTARULE_RULE_ROW(name, type, ...) {__VA_ARGS__},
constexpr RuleRow kRuleRows[] = {DELTARULE_RULES(DELTARULE_RULE_ROW)};
constexpr int kRules = sizeof(kRuleRows) / sizeof(kRuleRows[0]);

// The numbers of one step, by the names of the rules: g <- g + decay w + l1 sign(w), then
//   plain:     w <- w - rate g
//   momentum:  m <- beta1 m - rate g;  w <- w + m
//   nesterov:  m <- beta1 m - rate g;  w <- w + (beta1 m - rate g)
//   adam:      m <- beta1 m + alpha1 g;  v <- beta2 v + alpha2 g^2;  w <- keep w - rate m / (sqrt(v) + epsilon)
template <class T>
struct DescentStep {
  Rule rule;
  T rate, decay, l1;
  T beta1, alpha1, beta2, alpha2, epsilon, keep;
};

// The step in lanes: each returns w after its step along g, and updates the state m and v that it has. V is a pack of
// the instruction set that includes this.
struct Plain {
  template <class T, class V>
  DELTARULE_INLINE static V step(const DescentStep<T>& s, const V& g, const V& w, V&, V&) {
    return fused(V(-s.rate), g, w);
  }
};
struct Momentum {
  template <class T, class V>
  DELTARULE_INLINE static V step(const DescentStep<T>& s, const V& g, const V& w, V& m, V&) {
    m = velocity(s, V(-s.rate) * g, m);
    return w + m;
  }
  template <class T, class V>
  DELTARULE_INLINE static V velocity(const DescentStep<T>& s, const V& descent, const V& m) {
    return fused(V(s.beta1), m, descent);
  }
};
struct Nesterov {
  template <class T, class V>
  DELTARULE_INLINE static V step(const DescentStep<T>& s, const V& g, const V& w, V& m, V&) {
    const V descent = V(-s.rate) * g;
    m = Momentum::velocity(s, descent, m);
    return w + fused(V(s.beta1), m, descent);
  }
};
struct Adam {
  template <class T, class V>
  DELTARULE_INLINE static V step(const DescentStep<T>& s, const V& g, const V& w, V& m, V& v) {
    m = fused(V(s.beta1), m, V(s.alpha1) * g);
    v = fused(V(s.beta2), v, V(s.alpha2) * g * g);
    return fused(V(-s.rate), m / (square_root(v) + V(s.epsilon)), V(s.keep) * w);
  }
};

// The settings of an optimizer.
struct Optimizer {
  enum class Kind { DELTARULE_OPTIMIZERS(DELTARULE_ENUMERATOR) };
  Kind kind = Kind::sgd;
  double lr = 0.01;
  double momentum = 0.0;  // of sgd, as is nesterov
  bool nesterov = false;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  // of adam
  bool epsilon_hat = false;                           // epsilon beside the uncorrected second moment
  double weight_decay = 0.0;                          // of the weights, not the biases, as is l1
  bool decoupled = false;                             // the decay shrinks the weights, and is no part of the gradient
  double l1 = 0.0;
  double max_norm = 0.0;  // of the gradient of all parameters, which is scaled down to it; 0: any
  // The decay is of the sum of a batch's losses, not of their mean, and losses are reported with its penalty
  // weight_decay / 2 |W|^2.
  bool penalizes_sum = false;

  Rule rule() const {
    switch (kind) {
      case Kind::sgd: return momentum == 0.0 ? Rule::plain : nesterov ? Rule::nesterov : Rule::momentum;
      case Kind::adam: return Rule::adam;
    }
    return Rule::plain;
  }
  bool has_m() const { return kRuleRows[static_cast<int>(rule())].has_m; }
  bool has_v() const { return kRuleRows[static_cast<int>(rule())].has_v; }

  // Whether the settings are numbers of T that the rules can use.
  template <class T>
  bool fits() const {
    constexpr double limit = sizeof(T) == 4 ? FLT_MAX : DBL_MAX, least = sizeof(T) == 4 ? FLT_MIN : DBL_MIN;
    const double beside_0 = sqrt(least / (1.0 - beta2));  // of a gradient that large, v is 0
    const auto is_there = [=](double setting) { return setting >= least && setting <= limit; };  // in T, and not 0
    return is_there(lr) && (weight_decay == 0.0 || is_there(weight_decay)) && (l1 == 0.0 || is_there(l1)) &&
           (!has_v() || (epsilon >= beside_0 && epsilon <= limit));
  }

  // The numbers of step t = 1, 2, ... without decay and l1.
  template <class T>
  DescentStep<T> numbers(int64_t t) const {
    DescentStep<T> s{};
    s.rule = rule();
    s.keep = T(1);
    s.rate = static_cast<T>(lr);
    switch (kind) {
      case Kind::sgd: s.beta1 = static_cast<T>(momentum); break;
      case Kind::adam: {
        const double mean = 1.0 - pow(beta1, static_cast<double>(t));
        const double root = sqrt(1.0 - pow(beta2, static_cast<double>(t)));
        s.rate = static_cast<T>(lr * root / mean);
        s.epsilon = static_cast<T>(epsilon_hat ? epsilon : epsilon * root);
        s.beta1 = static_cast<T>(beta1);
        s.alpha1 = static_cast<T>(1.0 - beta1);
        s.beta2 = static_cast<T>(beta2);
        s.alpha2 = static_cast<T>(1.0 - beta2);
        break;
      }
    }
    return s;
  }
};

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

// A bound of the parameters and of the optimizer state after a step along a gradient of entries up to G, from a bound
// before it; infinite where there is none.
template <class T>
double bound_after(const DescentStep<T>& s, double before, double G) {
  const double g = G + s.decay * before + s.l1, step = s.rate * g;
  switch (s.rule) {
    case Rule::plain: return before + step;
    case Rule::momentum:
    case Rule::nesterov: return 2.0 * (before + step);  // |m| <= before + step, |w| <= before + |m| + step
    case Rule::adam: {
      if (!(g < kAmpleRoot<T>) || !keeps_steepness(s)) return INFINITY;
      const double w = fabs(s.keep) * before + s.rate * kSteepest, v = g * g;
      return w < v ? v : w;
    }
  }
  return INFINITY;
}

}  // namespace deltarule
