// What derivatives beyond the gradient are asked for. Arrays are the caller's, row by row without gaps.
#pragma once

#include <cstdint>
#include <vector>

#include "batch.hpp"

namespace deltarule {

// How a pass over rows ended.
enum class PassEnd { complete, interrupted, diverged };

// Every quantity of the derivation, (n, n_l) of layer l at l - 1; empty or null where not wanted. Without targets,
// only z and a.
template <class T>
struct Quantities {
  std::vector<T*> z, a, delta, da;  // a's last is y_hat, da has none
  double* losses;                   // of each row, unweighted
  T* dy_hat;
};

// Reverse mode, row by row: delta[L] from the loss, as J_O^T u from given rows u (in the place of targets), or from
// each of `count` outputs from `first` on; and what that is of the row's x or of theta.
template <class T>
struct PullBack {
  enum class From { loss, given, outputs };
  From from;
  Batch<T> batch;
  bool reduced;  // the loss of the batch, not of each row by itself
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

// A sum over the rows, laid out as theta: J^T u of y_hat by theta, for rows u in the place of targets; or H v or its
// Gauss-Newton part of the loss.
template <class T>
struct ThetaProduct {
  enum class Of { output, hessian, gauss_newton };
  Of of;
  Batch<T> batch;
  const T* v;  // (D), null for the output
  T* product;  // (D)
};

}  // namespace deltarule
