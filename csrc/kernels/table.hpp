// The table of one ISA. Its source file names the namespace and includes registers and products first.
#pragma once

#include "activations.hpp"
#include "derivatives.hpp"
#include "dropout_mask.hpp"
#include "kernels.hpp"
#include "losses.hpp"
#include "peak.hpp"
#include "update_rules.hpp"

namespace deltarule::DELTARULE_ISA {

template <class T>
constexpr Kernels<T> table() {
  return {&affine<T>,
          &affine_narrow<T>,
          &activate<T>,
          &activate_backward<T>,
          &activate_curvature<T>,
          &output<T>,
          &loss<T>,
          &output_jacobian<T>,
          &loss_gradient<T>,
          &loss_curvature<T>,
          &outer<T>,
          &weight_gradient<T>,
          &weight_descent<T>,
          &descend<T>,
          &drop<T>,
          &transpose<T>,
          &all_finite<T>,
          &magnitude<T>,
          &first_outside<T>,
          &peak<T>};
}

extern const Kernels<float> kernels_f32;
extern const Kernels<double> kernels_f64;
constexpr Kernels<float> kernels_f32 = table<float>();
constexpr Kernels<double> kernels_f64 = table<double>();

}  // namespace deltarule::DELTARULE_ISA
