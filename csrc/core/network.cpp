#include "network.hpp"

#include <utility>

namespace deltarule {

template <class T>
Network<T>::Network(Architecture architecture_of)
    : architecture(std::move(architecture_of)),
      theta(architecture),
      plan(make_plan<T>(architecture, theta.storage())) {}

template <class T>
void Network<T>::get_theta(T* to) const {
  const Reading use(lock);
  theta.to_theta(theta.values(), to);
}

template <class T>
void Network<T>::set_theta(const T* from) {
  const Writing use(lock);
  reach = INFINITY;
  theta.from_theta(from, theta.values());
  theta.refresh_copies();
}

template <class T>
auto Network<T>::get_optimizer_state(T* m, T* v) const -> StateSummary {
  const Reading use(lock);
  const OptimizerState<T>& state = optimizer_state;
  if (state.m) theta.to_theta(state.m.get(), m);
  if (state.v) theta.to_theta(state.v.get(), v);
  return {state.kind, state.m != nullptr, state.v != nullptr, state.steps};
}

template <class T>
void Network<T>::set_optimizer_state(Optimizer::Kind kind, const T* m, const T* v, int64_t steps) {
  const Writing use(lock);
  reach = INFINITY;
  const auto in_layout = [&](const T* from) {
    Buffer<T> values;
    if (!from) return values;
    values = make_buffer<T>(theta.storage());
    theta.from_theta(from, values.get());
    return values;
  };
  OptimizerState<T> state{kind, in_layout(m), in_layout(v), steps};
  optimizer_state = std::move(state);
}

template <class T>
void Network<T>::reserve_update(const Optimizer& optimizer) {
  optimizer_state.prepare(optimizer, theta.storage());
  if (optimizer.max_norm > 0.0) workspace.reserve_gradient(theta);
  workspace.tile_sums.resize(2 * plan.tiles.size());
}

template struct Network<float>;
template struct Network<double>;

}  // namespace deltarule
