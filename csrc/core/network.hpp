// A network: its parameters and optimizer state, who may use them, and the memory of its passes. The passes are
// functions over it: predict.hpp, train_step.hpp, epochs.hpp, row_derivatives.hpp, theta_product.hpp.
#pragma once

#include <cmath>
#include <cstdint>

#include "access_lock.hpp"
#include "architecture.hpp"
#include "optimizer.hpp"
#include "parameters.hpp"
#include "plan.hpp"
#include "workspace.hpp"
#include "runtime/team_choice.hpp"

namespace deltarule {

template <class T>
struct Network {
  const Architecture architecture;
  Parameters<T> theta;
  OptimizerState<T> optimizer_state;
  const Plan plan;

  // A bound of the parameters and of the optimizer state; infinite: unknown. With Adam it holds for steps of at least
  // that epsilon.
  double reach = INFINITY;
  double reach_epsilon = 0.0;

  // For reading, for writing, and for training over several calls. Every pass holds it.
  mutable AccessLock lock;
  // Readers that need the workspace take turns.
  AccessLock workspace_lock;
  Workspace<T> workspace;

  // Measured times of calls, which decide between one thread and a team.
  mutable TeamChoices predictions, evaluations, pull_backs, push_forwards, theta_products;
  TeamChoices train_steps, gradients, steps_of_train;

  explicit Network(Architecture architecture);

  // All that follows may throw NetworkBusy; the setters NetworkRead. theta: see Parameters::to_theta.
  void get_theta(T* theta) const;
  void set_theta(const T* theta);
  // m and v, laid out as theta, are filled where the state has them.
  struct StateSummary {
    Optimizer::Kind kind;
    bool m, v;
    int64_t steps;
  };
  StateSummary get_optimizer_state(T* m, T* v) const;
  // Null for an array that the state does not have.
  void set_optimizer_state(Optimizer::Kind kind, const T* m, const T* v, int64_t steps);

  // Memory for the update of a step, reserved before it.
  void reserve_update(const Optimizer& optimizer);
};

// The result of f, which changes the network; where it meets readers, it is repeated when they are done. The caller
// must hold nothing that they may need.
template <class T, class F>
auto after_readers(Network<T>& network, F f) {
  try {
    return f();
  } catch (const NetworkRead&) {  // repeated below
  }
  network.lock.begin_training(true);
  struct End {
    AccessLock& lock;
    ~End() { lock.end_training(); }
  } end{network.lock};
  return f();
}

}  // namespace deltarule
