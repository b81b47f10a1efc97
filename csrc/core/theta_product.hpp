// Products with theta's derivatives, summed over the rows: J^T u, H v, and the Gauss-Newton part of H v.
#pragma once

#include "batch.hpp"
#include "network.hpp"
#include "pass_end.hpp"
#include "runtime/interrupt.hpp"

namespace deltarule {

// J^T u, J being y_hat by theta, for rows u in the place of targets; or H v or its Gauss-Newton part, H being the
// second derivative of the loss. Arrays are laid out as theta.
template <class T>
struct ThetaProduct {
  enum class Of { output, hessian, gauss_newton };
  Of of;
  Batch<T> batch;
  const T* v;  // (D), null for the output
  T* product;  // (D)
};

// May throw NetworkBusy. A product that does not complete is invalid.
template <class T>
PassEnd theta_product(Network<T>& network, const ThetaProduct<T>& call, int threads, const Interrupt& interrupt);

}  // namespace deltarule
