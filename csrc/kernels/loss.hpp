// Output functions and losses, a row at a time: y_hat = O(z), the loss in double, delta = dL/dz.
//
// A pair is stable because no probability is ever divided out again: log y_hat and log(1 - y_hat) come
// from z, and where the loss divides by y_hat the product y_hat * dL/dy_hat is written down directly.
#pragma once

#include "dense.hpp"
#include "kernels.hpp"
#include "mathematics.hpp"

namespace deltarule::DELTARULE_ISA {

// What the softmax of a row leaves behind: y_hat_j = e^(z_j - highest) / sum.
template <class T>
struct SoftmaxRow {
  T highest, sum;
};

template <class T>
static inline SoftmaxRow<T> softmax_row(int64_t n, const T* z, T* y_hat) {
  SoftmaxRow<T> s{z[0], 0};
  for (int64_t j = 1; j < n; ++j) s.highest = z[j] > s.highest ? z[j] : s.highest;
  for (int64_t j = 0; j < n; ++j) y_hat[j] = exponential(z[j] - s.highest);
  s.sum = lane_sum<T>(n, [=](int64_t j) { return y_hat[j]; });
  for (int64_t j = 0; j < n; ++j) y_hat[j] = y_hat[j] / s.sum;
  return s;
}

template <class T>
static inline SoftmaxRow<T> output_row(Output output, int64_t n, const T* z, T* y_hat) {
  switch (output) {
    case Output::softmax: return softmax_row(n, z, y_hat);
    case Output::identity:
      for (int64_t j = 0; j < n; ++j) y_hat[j] = z[j];
      break;
    case Output::sigmoid:
      for (int64_t j = 0; j < n; ++j) y_hat[j] = logistic(z[j]);
      break;
    case Output::tanh:
      for (int64_t j = 0; j < n; ++j) y_hat[j] = hyperbolic_tangent(z[j]);
      break;
    case Output::exp:
      for (int64_t j = 0; j < n; ++j) y_hat[j] = exponential(z[j]);
      break;
  }
  return {};
}

// The largest z of a row (the first of equals) and the highest of the others, which hold the scale of
// 1 - y_hat there: 1 - y_hat_arg = sum_{j != arg} e^(z_j - next) * e^(next - highest) / sum.
template <class T>
struct Largest {
  int64_t arg;
  T next;
};

template <class T>
static inline Largest<T> largest(int64_t n, const T* z) {
  Largest<T> m{0, T(-INFINITY)};
  for (int64_t j = 1; j < n; ++j)
    if (z[j] > z[m.arg]) m.arg = j;
  for (int64_t j = 0; j < n; ++j)
    if (j != m.arg && z[j] > m.next) m.next = z[j];
  return m;
}

// log y_hat_j from z.
template <class T>
static inline double log_output(Output output, const SoftmaxRow<T>& s, double log_sum, double z) {
  switch (output) {
    case Output::softmax: return (z - double(s.highest)) - log_sum;
    case Output::sigmoid: return -softplus(-z);
    default: return z;  // exp
  }
}

// -sum_j (y_j log p_j + (1 - y_j) log(1 - p_j)) for the softmax.
template <class T, class Y>
static inline double softmax_binary_cross_entropy_value(int64_t n, const T* z, const T* p,
                                                        const SoftmaxRow<T>& s, double log_sum, Y y) {
  const Largest<T> m = largest(n, z);
  const double rest = lane_sum<double>(n, [=](int64_t j) {
    return j == m.arg ? 0.0 : exponential(double(z[j]) - double(m.next));
  });
  const double log_rest = logarithm(rest) + (double(m.next) - double(s.highest)) - log_sum;
  return lane_sum<double>(n, [=](int64_t j) {
    const double t = double(y(j));
    const double log_complement = j == m.arg ? log_rest : logarithm(double(T(1) - p[j]));
    return -(t * log_output(Output::softmax, s, log_sum, double(z[j])) +
             (t < 1.0 ? (1.0 - t) * log_complement : 0.0));
  });
}

// The loss of one row from z, y_hat and the targets y(j), summed over the outputs in 8 lanes.
template <class T, class Y>
static inline double row_loss(const OutputLoss<T>& f, int64_t n, const T* z, const T* y_hat,
                              const SoftmaxRow<T>& s, Y y) {
  const double log_sum = f.output == Output::softmax ? logarithm(double(s.sum)) : 0.0;
  const auto error = [=](int64_t j) { return double(y_hat[j]) - double(y(j)); };
  const auto squares = [=] {
    return lane_sum<double>(n, [=](int64_t j) { return error(j) * error(j); });
  };
  switch (f.loss) {
    case Loss::squared_error: return 0.5 * squares();
    case Loss::sum_squared_error: return squares();
    case Loss::mean_squared_error: return squares() / double(n);
    case Loss::absolute_error:
      return lane_sum<double>(n, [=](int64_t j) { return absolute(error(j)); });
    case Loss::huber:
      return lane_sum<double>(n, [=](int64_t j) {
        const double e = absolute(error(j)), d = double(f.huber_delta);
        return e <= d ? 0.5 * e * e : d * (e - 0.5 * d);
      });
    case Loss::binary_cross_entropy:
      if (f.output == Output::sigmoid)
        return lane_sum<double>(n, [=](int64_t j) {
          const double t = double(y(j)), u = double(z[j]);
          return (u > 0.0 ? u : 0.0) - u * t + logarithm_of_1_plus(exponential(-absolute(u)));
        });
      return softmax_binary_cross_entropy_value(n, z, y_hat, s, log_sum, y);
    case Loss::cross_entropy:
      return lane_sum<double>(n, [=](int64_t j) {
        return -double(y(j)) * log_output(f.output, s, log_sum, double(z[j]));
      });
    case Loss::poisson:
      return lane_sum<double>(n, [=](int64_t j) {
        return double(y_hat[j]) - double(y(j)) * log_output(f.output, s, log_sum, double(z[j]));
      });
  }
  return 0.0;
}

// Pairs whose delta is y_hat - y.
static inline bool is_canonical(Output output, Loss loss) {
  return (output == Output::softmax && loss == Loss::cross_entropy) ||
         (output == Output::sigmoid && loss == Loss::binary_cross_entropy) ||
         (output == Output::exp && loss == Loss::poisson);
}

// dL/dy_hat_j of the losses of a residual e = y_hat_j - y_j.
template <class T>
static inline T residual_gradient(Loss loss, T e, T n, T d) {
  switch (loss) {
    case Loss::sum_squared_error: return T(2) * e;
    case Loss::mean_squared_error: return T(2) * e / n;
    case Loss::absolute_error: return e > T(0) ? T(1) : (e < T(0) ? T(-1) : T(0)) + (e - e);
    case Loss::huber: return e > d ? d : (e < -d ? -d : e);
    default: return e;  // squared_error
  }
}

// delta = J^T g of the softmax, from u_j = y_hat_j dL/dy_hat_j: delta_i = u_i - y_hat_i sum_j u_j.
template <class T>
static inline void through_softmax(int64_t n, const T* u, T* y_hat_to_delta) {
  const T sum = lane_sum<T>(n, [=](int64_t j) { return u[j]; });
  for (int64_t j = 0; j < n; ++j) y_hat_to_delta[j] = fused(-y_hat_to_delta[j], sum, u[j]);
}

// The softmax with binary cross-entropy: y_hat_j dL/dy_hat_j = r_j = (p_j - y_j) / (1 - p_j), and
// delta_i = r_i - p_i sum_j r_j = (p_i - y_i) - p_i sum_{j != i} r_j. The largest p's own r may overflow;
// p_i r_arg = share_i p_arg (1 - y_arg) - p_i y_arg, share being the softmax over the others, does not.
template <class T, class Y>
static inline void softmax_binary_cross_entropy_delta(int64_t n, Y y, T* z, T* p) {
  const Largest<T> m = largest(n, z);
  for (int64_t j = 0; j < n; ++j) z[j] = j == m.arg ? T(0) : exponential(z[j] - m.next);
  const T rest = lane_sum<T>(n, [=](int64_t j) { return z[j]; });
  const auto r = [=](int64_t j) { return j == m.arg ? T(0) : (p[j] - y(j)) / (T(1) - p[j]); };
  const T others = lane_sum<T>(n, r);
  const T p_arg = p[m.arg], y_arg = y(m.arg);
  for (int64_t j = 0; j < n; ++j) {
    const T of_largest = z[j] / rest * (p_arg * (T(1) - y_arg)) - p[j] * y_arg;
    const T correction = j == m.arg ? p[j] * others : fused(p[j], others - r(j), of_largest);
    p[j] = (p[j] - y(j)) - correction;
  }
}

// dL/dz of one row, written over y_hat; z is scratch from here on.
template <class T, class Y>
static inline void row_delta(const OutputLoss<T>& f, int64_t n, T* z, T* y_hat, Y y) {
  const T width = T(n), d = f.huber_delta;
  if (is_canonical(f.output, f.loss)) {
    for (int64_t j = 0; j < n; ++j) y_hat[j] = y_hat[j] - y(j);
  } else if (f.loss == Loss::cross_entropy) {  // sigmoid
    for (int64_t j = 0; j < n; ++j) y_hat[j] = y(j) * (y_hat[j] - T(1));
  } else if (f.loss == Loss::binary_cross_entropy) {
    softmax_binary_cross_entropy_delta(n, y, z, y_hat);
  } else if (f.loss == Loss::poisson && f.output == Output::sigmoid) {
    for (int64_t j = 0; j < n; ++j) y_hat[j] = (T(1) - y_hat[j]) * (y_hat[j] - y(j));
  } else if (f.loss == Loss::poisson) {
    for (int64_t j = 0; j < n; ++j) z[j] = y_hat[j] - y(j);
    through_softmax(n, z, y_hat);
  } else {
    const auto g = [=](int64_t j) { return residual_gradient(f.loss, y_hat[j] - y(j), width, d); };
    switch (f.output) {
      case Output::identity:
        for (int64_t j = 0; j < n; ++j) y_hat[j] = g(j);
        break;
      case Output::sigmoid:
        for (int64_t j = 0; j < n; ++j) y_hat[j] = g(j) * (y_hat[j] * (T(1) - y_hat[j]));
        break;
      case Output::tanh:
        for (int64_t j = 0; j < n; ++j) y_hat[j] = g(j) * fused(-y_hat[j], y_hat[j], T(1));
        break;
      case Output::exp:
        for (int64_t j = 0; j < n; ++j) y_hat[j] = g(j) * y_hat[j];
        break;
      case Output::softmax:
        for (int64_t j = 0; j < n; ++j) z[j] = y_hat[j] * g(j);
        through_softmax(n, z, y_hat);
        break;
    }
  }
}

template <class T, class Y>
static inline double loss_of_row(const OutputLoss<T>& f, int64_t n, T* z, T* delta, Y y, T scale,
                                 bool want_delta) {
  const SoftmaxRow<T> s = output_row(f.output, n, z, delta);
  const double value = row_loss(f, n, z, delta, s, y);
  if (want_delta) {
    row_delta(f, n, z, delta, y);
    for (int64_t j = 0; j < n; ++j) delta[j] = delta[j] * scale;
  }
  return value;
}

template <class T>
static void loss(const OutputLoss<T>& f, int64_t rows, int64_t n, T* z, T* delta, int64_t ld,
                 Targets<T> y, const double* weight, double scale, bool want_delta,
                 double* row_loss) {
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t i = y.index ? y.index[r] : r;
    const T scale_r = T(weight ? weight[i] * scale : scale);
    T* z_r = z + r * ld;
    T* delta_r = delta + r * ld;
    if (y.classes) {
      const int64_t c = y.classes[i];
      const auto one_hot = [=](int64_t j) { return T(j == c); };
      row_loss[r] = loss_of_row(f, n, z_r, delta_r, one_hot, scale_r, want_delta);
    } else {
      const T* t = y.values + i * y.stride;
      const auto value = [=](int64_t j) { return t[j]; };
      row_loss[r] = loss_of_row(f, n, z_r, delta_r, value, scale_r, want_delta);
    }
    if (want_delta)
      for (int64_t j = n; j < ld; ++j) delta_r[j] = T(0);
  }
}

template <class T>
static void output(Output function, int64_t rows, int64_t n, const T* z, int64_t ldz, T* y_hat,
                   int64_t ldy) {
  for (int64_t r = 0; r < rows; ++r) output_row(function, n, z + r * ldz, y_hat + r * ldy);
}

}  // namespace deltarule::DELTARULE_ISA
