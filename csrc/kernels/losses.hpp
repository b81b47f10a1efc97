// Losses, a row at a time: y_hat = O(z), the loss in double, delta = dL/dz.
//
// A pair is stable because no probability is ever divided out again: log y_hat and log(1 - y_hat) come
// from z, and where the loss divides by y_hat the product y_hat * dL/dy_hat is written down directly.
// Rows of z and delta are padded to whole packs; targets and predictions are the user's and are not.
#pragma once

#include "kernels.hpp"
#include "mathematics.hpp"
#include "outputs.hpp"

namespace deltarule::DELTARULE_ISA {

// Targets of one row: at(j, n) the first n lanes from column j, wide(j, n) the same as doubles, and y[j].
template <class T>
struct DenseTargets {
  const T* y;
  pack<T> at(int64_t j, int64_t n) const { return load_first(y + j, n); }
  pack<double> wide(int64_t j, int64_t n) const { return load_double(y + j, n); }
  T operator[](int64_t j) const { return y[j]; }
};
template <class T>
struct OneHot {
  int64_t c;
  pack<T> at(int64_t j, int64_t) const { return unit<T>(c - j); }
  pack<double> wide(int64_t j, int64_t) const { return unit<double>(c - j); }
  T operator[](int64_t j) const { return T(j == c); }
};

// The largest z of a row (the first of equals) and the highest of the others, which hold the scale of
// 1 - y_hat there: 1 - y_hat_arg = sum_{j != arg} e^(z_j - next) * e^(next - highest) / sum.
template <class T>
struct Largest {
  int64_t arg;
  T next;
};

template <class T>
static inline Largest<T> two_largest(int64_t n, const T* z) {
  Largest<T> m{0, T(-INFINITY)};
  for (int64_t j = 1; j < n; ++j)
    if (z[j] > z[m.arg]) m.arg = j;
  for (int64_t j = 0; j < n; ++j)
    if (j != m.arg && z[j] > m.next) m.next = z[j];
  return m;
}

// -sum_j (y_j log p_j + (1 - y_j) log(1 - p_j)) for the softmax.
template <class T, class Y>
static inline double softmax_binary_cross_entropy_value(int64_t n, const T* z, const T* p, const SoftmaxRow<T>& s,
                                                        double log_sum, Y y) {
  const Largest<T> m = two_largest(n, z);
  const double rest = lane_sum<double>(n, [=](int64_t j, int64_t count) {
    const pack<double> e = exponential(load_double(z + j, count) - pack<double>(double(m.next)));
    return select(unit<double>(m.arg - j) < pack<double>(0.5), e, pack<double>(0.0));  // e may be infinite
  });
  const double log_rest = logarithm(rest) + (double(m.next) - double(s.highest)) - log_sum;
  double value = 0.0;
  for (int64_t j = 0; j < n; ++j) {
    const double t = double(y[j]), log_p = (double(z[j]) - double(s.highest)) - log_sum;
    const double log_complement = j == m.arg ? log_rest : logarithm(double(T(1) - p[j]));
    value -= t * log_p + (t < 1.0 ? (1.0 - t) * log_complement : 0.0);
  }
  return value;
}

// Losses of the residual e = y_hat - y, n outputs, d the Huber loss's: L = total(sum_j term(e_j, d), n) in double, and
// gradient(e_j, n, d) = dL/dy_hat_j beside curvature(e_j, n, d) = d2L/dy_hat_j2. V is a pack.
struct SumSquaredError {
  template <class V> DELTARULE_INLINE static V term(V e, V) { return e * e; }
  template <class R> static R total(R sum, R) { return sum; }
  template <class V> DELTARULE_INLINE static V gradient(V e, V, V) { return V(2) * e; }
  template <class V> DELTARULE_INLINE static V curvature(V, V, V) { return V(2); }
};
struct SquaredError : SumSquaredError {
  template <class R> static R total(R sum, R) { return R(0.5) * sum; }
  template <class V> DELTARULE_INLINE static V gradient(V e, V, V) { return e; }
  template <class V> DELTARULE_INLINE static V curvature(V, V, V) { return V(1); }
};
struct MeanSquaredError : SumSquaredError {
  template <class R> static R total(R sum, R n) { return sum / n; }
  template <class V> DELTARULE_INLINE static V gradient(V e, V n, V) { return V(2) * e / n; }
  template <class V> DELTARULE_INLINE static V curvature(V, V n, V) { return V(2) / n; }
};
struct AbsoluteError {
  template <class V> DELTARULE_INLINE static V term(V e, V) { return absolute(e); }
  template <class R> static R total(R sum, R) { return sum; }
  template <class V> DELTARULE_INLINE static V gradient(V e, V, V) {
    const V zero(0);
    return select(zero < e, V(1), select(e < zero, V(-1), e - e));  // 0 at 0, NaN at NaN
  }
  template <class V> DELTARULE_INLINE static V curvature(V, V, V) { return V(0); }
};
struct Huber {
  template <class V> DELTARULE_INLINE static V term(V error, V d) {
    const V half(0.5), e = absolute(error);
    return select(d < e, d * (e - half * d), half * e * e);
  }
  template <class R> static R total(R sum, R) { return sum; }
  template <class V> DELTARULE_INLINE static V gradient(V e, V, V d) { return select(d < e, d, select(e < -d, -d, e)); }
  template <class V> DELTARULE_INLINE static V curvature(V e, V, V d) { return select(d < absolute(e), V(0), V(1)); }
};

// Calls f with the type of a loss of residuals; one with logarithms, which the callers treat by themselves, counts as
// the squared error.
template <class F>
DELTARULE_INLINE static inline auto with_residual_loss(Loss loss, F f) {
#define DELTARULE_CASE(name, type) \
  case Loss::name: return f(type{});
#define DELTARULE_NO_CASE(...)
  switch (loss) {
    DELTARULE_LOSSES(DELTARULE_CASE, DELTARULE_NO_CASE)
    default: return f(SquaredError{});
  }
#undef DELTARULE_CASE
#undef DELTARULE_NO_CASE
}

// The loss of one row of n outputs from z, y_hat and the targets; sum(term) adds up the terms, each given as
// term(first column, count): to a double, or to those of several rows.
template <class T, class Y, class Sum>
static inline auto row_loss(const OutputLoss<T>& f, int64_t n, const T* z, const T* y_hat, const SoftmaxRow<T>& s,
                            double log_sum, Y y, Sum sum) {
  using V = pack<double>;
  const V zero(0.0);
  const auto error = [=](int64_t j, int64_t count) { return load_double(y_hat + j, count) - y.wide(j, count); };
  const auto log_output = [=](int64_t j, int64_t count) {
    const V z_j = load_double(z + j, count);
    switch (f.layer.output) {
      case Output::softmax: return (z_j - V(double(s.highest))) - V(log_sum);
      case Output::sigmoid: return -softplus(-z_j);
      case Output::softplus: return select(z_j < V(-40.0), z_j, logarithm(softplus(z_j)));  // log e^z to rounding
      default: return z_j;                                                                  // exp
    }
  };
  using R = decltype(sum(error));
  switch (f.loss) {
    case Loss::binary_cross_entropy:
      if (f.layer.output == Output::softmax) return R(softmax_binary_cross_entropy_value(n, z, y_hat, s, log_sum, y));
      return sum([=](int64_t j, int64_t count) {
        const V z_j = load_double(z + j, count);
        return select(zero < z_j, z_j, zero) - z_j * y.wide(j, count) +
               logarithm_of_1_plus(exponential(-absolute(z_j)));
      });
    case Loss::cross_entropy:
      return sum([=](int64_t j, int64_t count) { return -y.wide(j, count) * log_output(j, count); });
    case Loss::poisson:
      return sum([=](int64_t j, int64_t count) {
        return load_double(y_hat + j, count) - y.wide(j, count) * log_output(j, count);
      });
    default:
      return with_residual_loss(f.loss, [=](auto of) {
        const V d(double(f.huber_delta));
        return of.total(sum([=](int64_t j, int64_t count) { return of.term(error(j, count), d); }), R(double(n)));
      });
  }
}

// Pairs whose delta is y_hat - y.
static inline bool is_canonical(Output output, Loss loss) {
  return (output == Output::softmax && loss == Loss::cross_entropy) ||
         (output == Output::sigmoid && loss == Loss::binary_cross_entropy) ||
         (output == Output::exp && loss == Loss::poisson);
}

// dL/dy_hat_j of the losses of a residual e = y_hat_j - y_j; n outputs, d the Huber loss's.
template <class T>
static inline pack<T> residual_gradient(Loss loss, pack<T> e, T n, T d) {
  return with_residual_loss(loss, [=](auto of) { return of.gradient(e, pack<T>(n), pack<T>(d)); });
}

// d2L/dy_hat_j2 of them.
template <class T>
static inline pack<T> residual_curvature(Loss loss, pack<T> e, T n, T d) {
  return with_residual_loss(loss, [=](auto of) { return of.curvature(e, pack<T>(n), pack<T>(d)); });
}

// delta = J^T g of the softmax, from u_j = y_hat_j dL/dy_hat_j: delta_i = u_i - y_hat_i sum_j u_j.
template <class T>
static inline void through_softmax(int64_t n, const T* u, T* y_hat_to_delta) {
  const pack<T> minus_sum(-lane_sum<T>(n, [=](int64_t j, int64_t) { return load_pack(u + j); }));
  each_pack<T>(n, [=](int64_t j, int64_t) {
    store(fused(load_pack(y_hat_to_delta + j), minus_sum, load_pack(u + j)), y_hat_to_delta + j);
  });
}

// The softmax with binary cross-entropy: y_hat_j dL/dy_hat_j = r_j = (p_j - y_j) / (1 - p_j), and
// delta_i = r_i - p_i sum_j r_j = (p_i - y_i) - p_i sum_{j != i} r_j. The largest p's own r may overflow;
// p_i r_arg = share_i p_arg (1 - y_arg) - p_i y_arg, share being the softmax over the others, does not.
template <class T, class Y>
static inline void softmax_binary_cross_entropy_delta(int64_t n, Y y, T* z, T* p) {
  const Largest<T> m = two_largest(n, z);
  map_row(n, z, z, [=](pack<T> v) { return exponential(v - pack<T>(m.next)); });
  z[m.arg] = T(0);
  const T rest = lane_sum<T>(n, [=](int64_t j, int64_t) { return load_pack(z + j); });
  const auto r = [=](int64_t j) { return j == m.arg ? T(0) : (p[j] - y[j]) / (T(1) - p[j]); };
  T others = T(0);
  for (int64_t j = 0; j < n; ++j) others += r(j);
  const T p_arg = p[m.arg], y_arg = y[m.arg];
  for (int64_t j = 0; j < n; ++j) {
    const T of_largest = z[j] / rest * (p_arg * (T(1) - y_arg)) - p[j] * y_arg;
    const T correction = j == m.arg ? p[j] * others : p[j] * (others - r(j)) + of_largest;
    p[j] = (p[j] - y[j]) - correction;
  }
}

// The softplus with poisson: a = log(1 + e^z), slope = da/dz = 1 - e^-a, and ratio = d(log a)/dz = slope / a, 1 where a
// rounds to 0.
template <class T>
struct LogSoftplus {
  pack<T> slope, ratio;
  explicit LogSoftplus(pack<T> a) : slope(-exponential_minus_1(-a)), ratio(T(1)) {
    ratio = select(pack<T>(T(0)) < a, slope / a, ratio);
  }
};

// dL/dz of the n columns of a row, or of several rows of `outputs` columns each where the output is no softmax,
// written over y_hat; z is scratch from here on.
template <class T, class Y>
static inline void row_delta(const OutputLoss<T>& f, int64_t n, int64_t outputs, T* z, T* y_hat, Y y) {
  using V = pack<T>;
  const V one(T(1));
  const Output output = f.layer.output;
  // delta_j = function(y_hat_j, y_j)
  const auto map = [=](T* to, auto function) {
    each_pack<T>(n, [=](int64_t j, int64_t count) { store(function(load_pack(y_hat + j), y.at(j, count)), to + j); });
  };
  const auto g = [=](V a, V t) { return residual_gradient<T>(f.loss, a - t, T(outputs), f.huber_delta); };
  if (is_canonical(output, f.loss)) return map(y_hat, [](V a, V t) { return a - t; });
  if (f.loss == Loss::cross_entropy) return map(y_hat, [=](V a, V t) { return t * (a - one); });  // sigmoid
  if (f.loss == Loss::binary_cross_entropy) return softmax_binary_cross_entropy_delta(n, y, z, y_hat);
  if (f.loss == Loss::poisson && output == Output::sigmoid)
    return map(y_hat, [=](V a, V t) { return (one - a) * (a - t); });
  if (f.loss == Loss::poisson && output == Output::softplus)
    return map(y_hat, [](V a, V t) {
      const LogSoftplus<T> g(a);
      return g.slope - t * g.ratio;
    });
  if (output == Output::softmax) {
    if (f.loss == Loss::poisson)
      map(z, [](V a, V t) { return a - t; });
    else
      map(z, [=](V a, V t) { return a * g(a, t); });
    return through_softmax(n, z, y_hat);
  }
  if (output == Output::identity) return map(y_hat, g);
  slopes(f.layer, n, z, y_hat, z);
  map(y_hat, g);
  each_pack<T>(n, [=](int64_t j, int64_t) { store(load_pack(y_hat + j) * load_pack(z + j), y_hat + j); });
}

template <class T, class Y>
static inline double finish_row(const OutputLoss<T>& f, int64_t n, T* z, T* delta, int64_t ld, Y y, T scale,
                                const SoftmaxRow<T>& s, double log_sum, bool want_delta) {
  const auto sum = [=](auto term) { return lane_sum<double>(n, term); };
  const double value = row_loss(f, n, z, delta, s, log_sum, y, sum);
  if (want_delta) {
    row_delta(f, n, n, z, delta, y);
    each_pack<T>(n, [=](int64_t j, int64_t count) {
      store(first_lanes(load_pack(delta + j) * pack<T>(scale), count, T(0)), delta + j);
    });
    for (int64_t j = (n + kLanes<T> - 1) / kLanes<T> * kLanes<T>; j < ld; ++j) delta[j] = T(0);
  }
  return value;
}

// A row of weight 0 has no effect, even if it overflows.
template <class T>
static inline void leave_out(int64_t ld, bool want_delta, T* delta, double* row_loss) {
  *row_loss = 0.0;
  for (int64_t j = 0; want_delta && j < ld; ++j) delta[j] = T(0);
}

// Up to eight rows of up to eight outputs that do not depend on one another: the rows are the lanes, column j of
// all of them is a line. The sum over the columns is the halving of the lanes that a row by itself would fill.
template <class T>
static void loss_of_few(const OutputLoss<T>& f, int64_t rows, int64_t n, const T* z, T* delta, int64_t ld,
                        const Targets<T>& y, int64_t first, const double* weight, double scale, bool want_delta,
                        double* row_loss) {
  using V = pack<double>;
  constexpr int64_t G = kLanes<double>;
  alignas(64) T z_lines[G * G] = {}, y_lines[G * G] = {}, y_hat_lines[G * G];
  T scales[G];
  for (int64_t g = 0; g < rows; ++g) {
    const int64_t i = y.index ? y.index[first + g] : first + g;
    scales[g] = T(weight ? weight[i] * scale : scale);
    for (int64_t j = 0; j < n; ++j) {
      z_lines[j * G + g] = z[g * ld + j];
      y_lines[j * G + g] = y.classes ? T(y.classes[i] == j) : y.values[i * y.stride + j];
    }
  }
  const DenseTargets<T> targets{y_lines};
  output_row(f.layer, n * G, z_lines, y_hat_lines);
  const auto sum = [=](auto term) {
    V t[G];
    for (int64_t j = 0; j < G; ++j) t[j] = j < n ? V(0.0) + term(j * G, G) : V(0.0);
    return ((t[0] + t[4]) + (t[2] + t[6])) + ((t[1] + t[5]) + (t[3] + t[7]));
  };
  alignas(64) double values[G];
  store(deltarule::DELTARULE_ISA::row_loss(f, n, z_lines, y_hat_lines, SoftmaxRow<T>{}, 0.0, targets, sum), values);
  if (want_delta) row_delta(f, n * G, n, z_lines, y_hat_lines, targets);
  for (int64_t g = 0; g < rows; ++g) {
    row_loss[g] = values[g];
    for (int64_t j = 0; want_delta && j < ld; ++j)
      delta[g * ld + j] = j < n ? y_hat_lines[j * G + g] * scales[g] : T(0);
    if (weight && weight[y.index ? y.index[first + g] : first + g] == 0.0)
      leave_out(ld, want_delta, delta + g * ld, row_loss + g);
  }
}

// Eight rows at a time, so that one logarithm is shared.
template <class T>
static void loss(const OutputLoss<T>& f, int64_t rows, int64_t n, T* z, T* delta, int64_t ld, Targets<T> y,
                 const double* weight, double scale, bool want_delta, double* row_loss) {
  constexpr int kGroup = kLanes<double>;
  for (int64_t first = 0; first < rows; first += kGroup) {
    const int64_t count = rows - first < kGroup ? rows - first : kGroup;
    if (is_elementwise(f.layer.output) && n <= kGroup) {
      loss_of_few(f, count, n, z + first * ld, delta + first * ld, ld, y, first, weight, scale, want_delta,
                  row_loss + first);
      continue;
    }
    SoftmaxRow<T> s[kGroup];
    double log_sum[kGroup] = {1, 1, 1, 1, 1, 1, 1, 1};
    for (int64_t g = 0; g < count; ++g) {
      s[g] = output_row(f.layer, n, z + (first + g) * ld, delta + (first + g) * ld);
      log_sum[g] = double(s[g].sum);
    }
    if (f.layer.output == Output::softmax) store(logarithm(load_pack(log_sum)), log_sum);
    for (int64_t g = 0; g < count; ++g) {
      const int64_t r = first + g, i = y.index ? y.index[r] : r;
      const T scale_r = T(weight ? weight[i] * scale : scale);
      const auto finish = [&](auto targets) {
        return finish_row(f, n, z + r * ld, delta + r * ld, ld, targets, scale_r, s[g], log_sum[g], want_delta);
      };
      row_loss[r] = y.classes ? finish(OneHot<T>{y.classes[i]}) : finish(DenseTargets<T>{y.values + i * y.stride});
      if (weight && weight[i] == 0.0) leave_out(ld, want_delta, delta + r * ld, row_loss + r);
    }
  }
}

}  // namespace deltarule::DELTARULE_ISA
