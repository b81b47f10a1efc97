// Parameters and optimizer state of a moment, to restore.
#pragma once

#include <algorithm>
#include <cstdint>

#include "network.hpp"
#include "runtime/memory.hpp"

namespace deltarule {

template <class T>
class Snapshot {
 public:
  explicit Snapshot(Network<T>& network)
      : theta_(network.theta),
        state_(network.optimizer_state),
        kept_(make_buffer<T>(theta_.storage() * (1 + (state_.m != nullptr) + (state_.v != nullptr)))) {
    take();
  }
  void take() {
    exchange([](T* from, T* kept, int64_t n) { std::copy_n(from, n, kept); });
    steps_ = state_.steps;
  }
  void restore() {
    exchange([](T* to, T* kept, int64_t n) { std::copy_n(kept, n, to); });
    state_.steps = steps_;
    theta_.refresh_copies();
  }

 private:
  template <class F>
  void exchange(F f) {
    T* kept = kept_.get();
    for (T* values : {theta_.values(), state_.m.get(), state_.v.get()}) {
      if (!values) continue;
      f(values, kept, theta_.storage());
      kept += theta_.storage();
    }
  }

  Parameters<T>& theta_;
  OptimizerState<T>& state_;
  Buffer<T> kept_;
  int64_t steps_ = 0;
};

}  // namespace deltarule
