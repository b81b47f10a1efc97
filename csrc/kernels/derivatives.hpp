// Derivatives beyond delta, a row at a time: J_O u, dL/dy_hat, H u; and the outer product of a row.
#pragma once

#include "kernels.hpp"
#include "losses.hpp"

namespace deltarule::DELTARULE_ISA {

// v = (diag(p) - p p^T) v = p (v - sum_j p_j v_j): the Jacobian of the softmax, and a covariance.
template <class T>
static inline void times_covariance(int64_t n, const T* p, T* v) {
  const pack<T> mean(lane_sum<T>(n, [=](int64_t j, int64_t) { return load_pack(p + j) * load_pack(v + j); }));
  each_pack<T>(n, [=](int64_t j, int64_t) { store(load_pack(p + j) * (load_pack(v + j) - mean), v + j); });
}

// row = factor row, padded with zeros to ld.
template <class T>
static inline void scaled_row(int64_t n, T factor, T* row, int64_t ld) {
  for (int64_t j = 0; j < ld; ++j) row[j] = j < n ? row[j] * factor : T(0);
}

template <class T>
static void output_jacobian(const OutputLayer<T>& layer, int64_t rows, int64_t n, T* z, T* u, int64_t ld) {
  for (int64_t r = 0; r < rows; ++r) {
    T *z_r = z + r * ld, *u_r = u + r * ld;
    if (layer.output == Output::softmax) {
      softmax_row(n, z_r, z_r);
      times_covariance(n, z_r, u_r);
    } else {
      with_elementwise(layer.output, [=, slope = layer.slope](auto function) {
        each_pack<T>(n, [=](int64_t j, int64_t) {
          const pack<T> z_j = load_pack(z_r + j);
          store(load_pack(u_r + j) * function.derivative(z_j, function.value(z_j, slope), slope), u_r + j);
        });
      });
    }
    scaled_row(n, T(1), u_r, ld);
  }
}

// f(row, targets, its factor) for each row, whose targets are laid out in `line`.
template <class T, class F>
static inline void each_target(int64_t rows, int64_t n, const Targets<T>& y, const double* weight, double scale,
                               T* line, F f) {
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t i = y.index ? y.index[r] : r;
    for (int64_t j = 0; j < n; ++j) line[j] = y.classes ? T(y.classes[i] == j) : y.values[i * y.stride + j];
    f(r, DenseTargets<T>{line}, T(weight ? weight[i] * scale : scale));
  }
}

template <class T>
static void loss_gradient(const OutputLoss<T>& f, int64_t rows, int64_t n, const T* z, T* g, int64_t ld, Targets<T> y,
                          const double* weight, double scale, T* scratch) {
  using V = pack<T>;
  const V zero(T(0)), one(T(1));
  const auto over = [=](V t, V p) { return select(zero < t, t / p, zero); };  // t / p, 0 where t is
  each_target(rows, n, y, weight, scale, scratch, [&](int64_t r, DenseTargets<T> targets, T factor) {
    const T* z_r = z + r * ld;
    T* g_r = g + r * ld;
    output_row(f.layer, n, z_r, g_r);
    each_pack<T>(n, [&](int64_t j, int64_t count) {
      const V p = load_pack(g_r + j), t = targets.at(j, count);
      V gradient = residual_gradient<T>(f.loss, p - t, T(n), f.huber_delta);
      if (f.loss == Loss::cross_entropy) gradient = -over(t, p);
      if (f.loss == Loss::poisson) gradient = one - over(t, p);
      if (f.loss == Loss::binary_cross_entropy)
        gradient =
            over(one - t, f.layer.output == Output::sigmoid ? logistic(-load_pack(z_r + j)) : one - p) - over(t, p);
      store(gradient, g_r + j);
    });
    scaled_row(n, factor, g_r, ld);
    if (weight && factor == T(0)) scaled_row(0, factor, g_r, ld);
  });
}

// The softmax with a loss of residuals. With g = dL/dp and p_dot = C(p) u, delta = C(p) g changes by
// p_dot (g - g.p) - p g.p_dot + C(p) (d2L/dp2 p_dot), of which Gauss-Newton keeps the last term.
template <class T>
static inline void softmax_residual_curvature(const OutputLoss<T>& f, int64_t n, const T* p, T* u, DenseTargets<T> y,
                                              bool gauss_newton, T* w) {
  using V = pack<T>;
  const auto at = [=](const T* row, int64_t j) { return load_pack(row + j); };
  const auto g = [=](int64_t j, int64_t count) {
    return residual_gradient<T>(f.loss, at(p, j) - y.at(j, count), T(n), f.huber_delta);
  };
  times_covariance(n, p, u);
  each_pack<T>(n, [=](int64_t j, int64_t count) {
    const V e = at(p, j) - y.at(j, count);
    store(residual_curvature<T>(f.loss, e, T(n), f.huber_delta) * at(u, j), w + j);
  });
  times_covariance(n, p, w);
  const V g_p(lane_sum<T>(n, [=](int64_t j, int64_t count) { return g(j, count) * at(p, j); }));
  const V g_p_dot(lane_sum<T>(n, [=](int64_t j, int64_t count) { return g(j, count) * at(u, j); }));
  each_pack<T>(n, [=](int64_t j, int64_t count) {
    const V second_order = at(u, j) * (g(j, count) - g_p) - at(p, j) * g_p_dot;
    store(gauss_newton ? at(w, j) : second_order + at(w, j), u + j);
  });
}

// The softmax of a row over all classes but one, j: p_i / (1 - p_j) for i != j, and its mean of u. For
// the largest p they come from the other exponentials, since 1 - p_j may round to 0.
template <class T>
struct Others {
  Largest<T> largest;
  T rest, largest_mean, mean;

  // e = e^(z - next), 0 at the largest.
  Others(int64_t n, const T* z, const T* p, const T* u, T* e) : largest(two_largest(n, z)) {
    map_row(n, z, e, [=, this](pack<T> v) { return exponential(v - pack<T>(largest.next)); });
    e[largest.arg] = T(0);
    rest = lane_sum<T>(n, [=](int64_t j, int64_t) { return load_pack(e + j); });
    const T sum = lane_sum<T>(n, [=](int64_t j, int64_t) { return load_pack(e + j) * load_pack(u + j); });
    largest_mean = n > 1 ? sum / rest : T(0);
    mean = lane_sum<T>(n, [=](int64_t j, int64_t) { return load_pack(p + j) * load_pack(u + j); });
  }
  T share_beside_largest(const T* e, int64_t i) const { return rest > T(0) ? e[i] / rest : T(0); }
  T mean_beside(const T* p, const T* u, int64_t j) const {
    return j == largest.arg ? largest_mean : (mean - p[j] * u[j]) / (T(1) - p[j]);
  }
};

// The softmax with binary cross-entropy: H u = n C(p) u - sum_j (1 - y_j) C(pi_j) u, pi_j being the softmax over the
// classes other than j; row i of the sum is sum_{j != i} (1 - y_j) pi_ji (u_i - pi_j.u).
template <class T>
static inline void softmax_binary_curvature(int64_t n, const T* z, const T* p, T* u, DenseTargets<T> y, T* e) {
  const Others<T> others(n, z, p, u, e);
  const int64_t arg = others.largest.arg;
  const auto factor = [=](int64_t j) { return j == arg ? T(0) : (T(1) - y[j]) / (T(1) - p[j]); };
  T factors = T(0), means = T(0);
  for (int64_t j = 0; j < n; ++j) {
    factors += factor(j);
    means += factor(j) * others.mean_beside(p, u, j);
  }
  for (int64_t i = 0; i < n; ++i) {
    const T beside = (factors - factor(i)) * u[i] - (means - factor(i) * others.mean_beside(p, u, i));
    const T largest = (T(1) - y[arg]) * others.share_beside_largest(e, i) * (u[i] - others.largest_mean);
    e[i] = T(n) * p[i] * (u[i] - others.mean) - p[i] * beside - largest;
  }
  for (int64_t i = 0; i < n; ++i) u[i] = e[i];
}

// Its Gauss-Newton part: C(p) w with p_j w_j = t_j = (u_j - p.u) (y_j + (1 - y_j) (p_j / (1 - p_j))^2). Of the
// largest p, u_j - p.u is (1 - p_j) (u_j - pi_j.u), and p_i / (1 - p_j) is pi_ji.
template <class T>
static inline void softmax_binary_gauss_newton(int64_t n, const T* z, const T* p, T* u, DenseTargets<T> y, T* e) {
  const Others<T> others(n, z, p, u, e);
  const int64_t arg = others.largest.arg;
  const auto t = [&](int64_t j) {
    const T odds = p[j] / (T(1) - p[j]);
    return (u[j] - others.mean) * (y[j] + (T(1) - y[j]) * odds * odds);
  };
  T sum = T(0);
  for (int64_t j = 0; j < n; ++j) sum += j == arg ? T(0) : t(j);
  T rest = T(0);  // 1 - p_arg
  for (int64_t i = 0; i < n; ++i) rest += i == arg ? T(0) : p[i];
  // t_arg = of_y + of_rest / rest
  const T beside = u[arg] - others.largest_mean, of_y = y[arg] * rest * beside;
  const T of_rest = (T(1) - y[arg]) * p[arg] * p[arg] * beside;
  for (int64_t i = 0; i < n; ++i) {
    const T from_largest =
        i == arg ? of_y * rest + of_rest : -(p[i] * of_y) - others.share_beside_largest(e, i) * of_rest;
    e[i] = (i == arg ? T(0) : t(i)) - p[i] * sum + from_largest;
  }
  for (int64_t i = 0; i < n; ++i) u[i] = e[i];
}

// d(log a)/dz - e^-a = (1 - (1 + a) e^-a) / a, a = log(1 + e^z): by its series, sum_k (-1)^k (k - 1) / k! a^(k - 1)
// from k = 2, where the terms cancel.
template <class T>
static inline pack<T> log_softplus_bend(pack<T> a, const LogSoftplus<T>& g) {
  using V = pack<T>;
  static constexpr T series[] = {T(1.0 / 2),           T(-1.0 / 3),           T(1.0 / 8),        T(-1.0 / 30),
                                 T(1.0 / 144),         T(-1.0 / 840),         T(1.0 / 5760),     T(-1.0 / 45360),
                                 T(1.0 / 403200),      T(-1.0 / 3991680),     T(1.0 / 43545600), T(-1.0 / 518918400),
                                 T(1.0 / 6706022400.), T(-1.0 / 93405312000.)};
  return select(a < V(T(0.5)), a * horner(series, a), g.ratio - (V(T(1)) - g.slope));
}

// u = H u of a row; scratch holds 2 rows.
template <class T>
static inline void curvature_row(const OutputLoss<T>& f, int64_t n, const T* z, T* u, int64_t ld, DenseTargets<T> y,
                                 bool gauss_newton, T* scratch) {
  using V = pack<T>;
  const V one(T(1));
  T *y_hat = scratch, *other = scratch + ld;
  const Output output = f.layer.output;
  output_row(f.layer, n, z, y_hat);
  const auto map = [=](auto h) {
    each_pack<T>(
        n, [=](int64_t j, int64_t count) { store(load_pack(u + j) * h(load_pack(y_hat + j), y.at(j, count)), u + j); });
  };
  if (is_canonical(output, f.loss)) {  // H = J_O
    if (output == Output::softmax) return times_covariance(n, y_hat, u);
    return map([=](V a, V) { return output == Output::sigmoid ? a * (one - a) : a; });
  }
  if (output == Output::softmax) {
    if (f.loss == Loss::binary_cross_entropy)
      return gauss_newton ? softmax_binary_gauss_newton(n, z, y_hat, u, y, other)
                          : softmax_binary_curvature(n, z, y_hat, u, y, other);
    if (f.loss != Loss::poisson) return softmax_residual_curvature(f, n, y_hat, u, y, gauss_newton, other);
    if (!gauss_newton) {
      const V total(lane_sum<T>(n, [=](int64_t j, int64_t count) { return y.at(j, count); }));
      times_covariance(n, y_hat, u);
      return map([=](V, V) { return total; });
    }
    const V mean(lane_sum<T>(n, [=](int64_t j, int64_t) { return load_pack(y_hat + j) * load_pack(u + j); }));
    each_pack<T>(n, [=](int64_t j, int64_t count) { store(y.at(j, count) * (load_pack(u + j) - mean), other + j); });
    each_pack<T>(n, [=](int64_t j, int64_t) { store(load_pack(y_hat + j), u + j); });
    return through_softmax(n, other, u);
  }
  if (output == Output::softplus && f.loss == Loss::poisson) {
    return map([=](V a, V t) {
      const LogSoftplus<T> g(a);
      if (gauss_newton) return t * g.ratio * g.ratio;
      return fused(t * g.ratio, log_softplus_bend(a, g), g.slope * (one - g.slope));
    });
  }
  if (f.loss == Loss::cross_entropy || f.loss == Loss::poisson) {  // with the sigmoid
    if (gauss_newton) return map([=](V a, V t) { return t * (one - a) * (one - a); });
    if (f.loss == Loss::cross_entropy) return map([=](V a, V t) { return t * (a * (one - a)); });
    return map([=](V a, V t) { return a * (one - a) * (fused(V(T(-2)), a, one) + t); });
  }
  slopes(f.layer, n, z, y_hat, other);
  each_pack<T>(n, [=](int64_t j, int64_t count) {  // O' d2L/dy_hat2 O', and dL/dy_hat
    const V e = load_pack(y_hat + j) - y.at(j, count), slope = load_pack(other + j);
    store(slope * (residual_curvature<T>(f.loss, e, T(n), f.huber_delta) * slope), other + j);
    store(residual_gradient<T>(f.loss, e, T(n), f.huber_delta), y_hat + j);
  });
  if (!gauss_newton)
    with_elementwise(output, [=, slope = f.layer.slope](auto function) {
      each_pack<T>(n, [=](int64_t j, int64_t) {
        const V z_j = load_pack(z + j), second_derivative = function.curvature(z_j, function.value(z_j, slope));
        store(fused(load_pack(y_hat + j), second_derivative, load_pack(other + j)), other + j);
      });
    });
  each_pack<T>(n, [=](int64_t j, int64_t) { store(load_pack(u + j) * load_pack(other + j), u + j); });
}

template <class T>
static void loss_curvature(const OutputLoss<T>& f, int64_t rows, int64_t n, const T* z, T* u, int64_t ld, Targets<T> y,
                           const double* weight, double scale, bool gauss_newton, T* scratch) {
  each_target(rows, n, y, weight, scale, scratch, [&](int64_t r, DenseTargets<T> targets, T factor) {
    T* u_r = u + r * ld;
    curvature_row(f, n, z + r * ld, u_r, ld, targets, gauss_newton, scratch + ld);
    scaled_row(weight && factor == T(0) ? 0 : n, factor, u_r, ld);
  });
}

template <class T>
static void outer(int64_t n_out, int64_t n_in, const T* delta, const T* a, T* G) {
  for (int64_t j = 0; j < n_out; ++j) {
    const pack<T> delta_j(delta[j]);
    each_pack<T>(n_in, [=](int64_t k, int64_t count) {
      store_first(fused(delta_j, load_first(a + k, count), pack<T>(T(0))), G + j * n_in + k, count);
    });
  }
}

}  // namespace deltarule::DELTARULE_ISA
