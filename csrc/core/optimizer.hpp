// The state of an optimizer between steps, and the step that works on it.
#pragma once

#include <cstdint>

#include "kernels/rules.hpp"
#include "runtime/memory.hpp"

namespace deltarule {

// The state of an optimizer; m and v are laid out as theta's values, and null until they are needed.
template <class T>
struct OptimizerState {
  Optimizer::Kind kind = Optimizer::Kind::sgd;  // the optimizer that it is of
  Buffer<T> m, v;
  int64_t steps = 0;  // of Adam

  // Room for the steps of an optimizer; the state of another kind is dropped.
  void prepare(const Optimizer& optimizer, int64_t elements) {
    if (!optimizer.has_m() && !optimizer.has_v()) return;
    if (kind != optimizer.kind) *this = OptimizerState{optimizer.kind, nullptr, nullptr, 0};
    if (optimizer.has_m() && !m) m = make_buffer<T>(elements);
    if (optimizer.has_v() && !v) v = make_buffer<T>(elements);
  }
};

// One step: the rule's numbers for the weights and for the biases, and the optimizer state that it updates.
template <class T>
struct Update {
  DescentStep<T> weights, biases;
  T *m, *v;

  // The step of a batch of that weight, after `steps` steps of Adam.
  Update(const Optimizer& o, double batch_weight, const OptimizerState<T>& state)
      : m(o.has_m() ? state.m.get() : nullptr), v(o.has_v() ? state.v.get() : nullptr) {
    weights = o.numbers<T>(state.steps + 1);
    biases = weights;
    const double decay = !o.penalizes_sum ? o.weight_decay : batch_weight > 0.0 ? o.weight_decay / batch_weight : 0.0;
    weights.decay = static_cast<T>(o.decoupled ? 0.0 : decay);
    weights.keep = static_cast<T>(o.decoupled ? 1.0 - o.lr * decay : 1.0);
    weights.l1 = static_cast<T>(o.l1);
  }
};

}  // namespace deltarule
