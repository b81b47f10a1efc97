// The parameters' phase of a chunk: its gradient, and with the batch's last chunk the loss and the update.
#pragma once

#include <optional>

#include "step.hpp"
#include "update.hpp"

namespace deltarule {

// Adds |W|^2 of a tile before its update to the loss, where the optimizer does.
template <class T>
void add_penalty(Network<T>& network, int64_t tile, const StepState<T>& state);

// The update along the whole gradient, clipped where the optimizer does. Returns whether the gradient has a finite
// norm: the same for every thread.
template <class T>
bool descend_tiles(Network<T>& network, const TeamThread& team, double max_norm, const Update<T>& update,
                   StepState<T>& state);

// One thread's parameter phase: between the two calls it adds the chunk's gradient to the one so far.
template <class T>
class ParameterPhase {
 public:
  ParameterPhase(Network<T>& network, const TeamThread& team, const Batch<T>& batch, bool is_last,
                 const Optimizer* optimizer, StepState<T>& state);

  // To be applied tile by tile along with the gradient; null where there is none, or it comes after.
  const Update<T>* update() const { return update_ && !comes_after_ ? &*update_ : nullptr; }

  // Returns `complete` where the step continues. After its last barrier another thread may be in the next step's rows
  // and set `diverged`: each thread returns what it has found itself.
  StepEnd finish();

 private:
  Network<T>& network_;
  const TeamThread& team_;
  const Batch<T>& batch_;
  const bool is_last_;
  const Optimizer* optimizer_;
  StepState<T>& state_;
  std::optional<Update<T>> update_;
  bool comes_after_ = false;  // the update, after the whole gradient
};

}  // namespace deltarule
