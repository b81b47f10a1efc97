// Derivatives of single rows: all quantities of the passes, reverse mode, forward mode. Arrays are the caller's, row by
// row without gaps.
#pragma once

#include <cstdint>
#include <vector>

#include "batch.hpp"
#include "network.hpp"
#include "pass_end.hpp"
#include "runtime/interrupt.hpp"

namespace deltarule {

// Every quantity of the derivation, (n, n_l) of layer l at l - 1; empty or null where not wanted. Without targets,
// only z and a.
template <class T>
struct Quantities {
  std::vector<T*> z, a, delta, da;  // a's last is y_hat, da has none
  double* losses;                   // of each row, unweighted
  T* dy_hat;
};

// Reverse mode, row by row: delta[L] from the loss; as J_O^T u from given rows u, in the place of targets; or from each
// of `count` outputs from `first` on. Its gradient by the row's x or by theta.
template <class T>
struct PullBack {
  enum class From { loss, given, outputs };
  From from;
  Batch<T> batch;
  bool reduced;  // the loss is that of the batch, not of each row
  int64_t first, count;
  T* dx;      // (n, count, n_0), or null
  T* dtheta;  // (n, count, D), or null

  int64_t seeds() const { return from == From::outputs ? count : 1; }
};

// Forward mode: how y_hat of each row changes along a direction of x (n, n_0) or of theta (D); one of them is null.
template <class T>
struct PushForward {
  Batch<T> batch;
  const T *x_dot, *theta_dot;
  T* y_dot;  // (n, n_L)
};

// All may throw NetworkBusy. Results of passes that do not complete are invalid.
template <class T>
PassEnd propagate(const Network<T>& network, const Batch<T>& batch, const Quantities<T>& quantities, int threads,
                  const Interrupt& interrupt);
template <class T>
PassEnd pull_back(const Network<T>& network, const PullBack<T>& call, int threads, const Interrupt& interrupt);
template <class T>
PassEnd push_forward(const Network<T>& network, const PushForward<T>& call, int threads, const Interrupt& interrupt);

}  // namespace deltarule
