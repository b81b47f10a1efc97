// The optimizers: their settings, what they remember between steps, and the numbers of one step.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "runtime/memory.hpp"

namespace deltarule {

struct Optimizer {
  enum class Kind { sgd, adam };
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

  bool remembers() const { return kind == Kind::adam || momentum != 0.0; }

  // Whether the settings are numbers of T that the rules can use.
  template <class T>
  bool fits() const {
    constexpr double limit = std::numeric_limits<T>::max(), least = std::numeric_limits<T>::min();
    const double beside_0 = std::sqrt(least / (1.0 - beta2));  // of a gradient that large, v is 0
    const auto is_there = [=](double setting) { return setting >= least && setting <= limit; };  // in T, and not 0
    return is_there(lr) && (weight_decay == 0.0 || is_there(weight_decay)) && (l1 == 0.0 || is_there(l1)) &&
           (kind == Kind::sgd || (epsilon >= beside_0 && epsilon <= limit));
  }
};

// What an optimizer remembers; m and v are laid out as theta's values, and null until they are needed.
template <class T>
struct Memory {
  Optimizer::Kind kind = Optimizer::Kind::sgd;  // whose it is
  Buffer<T> m, v;
  int64_t steps = 0;  // of Adam

  // Room for the steps of an optimizer; what another kind remembers is forgotten.
  void prepare(const Optimizer& optimizer, int64_t elements) {
    if (!optimizer.remembers()) return;
    if (kind != optimizer.kind) *this = Memory{optimizer.kind, nullptr, nullptr, 0};
    if (!m) m = make_buffer<T>(elements);
    if (kind == Optimizer::Kind::adam && !v) v = make_buffer<T>(elements);
  }
};

// One step: the rule's numbers for the weights and for the biases, and the memory it works on.
template <class T>
struct Update {
  DescentStep<T> weights, biases;
  T *m, *v;

  // The step of a batch of that weight, after `steps` steps of Adam.
  Update(const Optimizer& o, double batch_weight, const Memory<T>& memory)
      : m(o.remembers() ? memory.m.get() : nullptr), v(o.kind == Optimizer::Kind::adam ? memory.v.get() : nullptr) {
    weights = numbers(o, memory.steps + 1);
    biases = weights;
    const double decay = !o.penalizes_sum ? o.weight_decay : batch_weight > 0.0 ? o.weight_decay / batch_weight : 0.0;
    weights.decay = static_cast<T>(o.decoupled ? 0.0 : decay);
    weights.keep = static_cast<T>(o.decoupled ? 1.0 - o.lr * decay : 1.0);
    weights.l1 = static_cast<T>(o.l1);
  }

 private:
  static DescentStep<T> numbers(const Optimizer& o, int64_t t) {
    DescentStep<T> s{};
    s.keep = T(1);
    s.rate = static_cast<T>(o.lr);
    if (o.kind == Optimizer::Kind::sgd) {
      s.rule = o.momentum == 0.0 ? Rule::plain : o.nesterov ? Rule::nesterov : Rule::momentum;
      s.beta1 = static_cast<T>(o.momentum);
      return s;
    }
    const double mean = 1.0 - std::pow(o.beta1, static_cast<double>(t));
    const double root = std::sqrt(1.0 - std::pow(o.beta2, static_cast<double>(t)));
    s.rule = Rule::adam;
    s.rate = static_cast<T>(o.lr * root / mean);
    s.epsilon = static_cast<T>(o.epsilon_hat ? o.epsilon : o.epsilon * root);
    s.beta1 = static_cast<T>(o.beta1);
    s.alpha1 = static_cast<T>(1.0 - o.beta1);
    s.beta2 = static_cast<T>(o.beta2);
    s.alpha2 = static_cast<T>(1.0 - o.beta2);
    return s;
  }
};

}  // namespace deltarule
