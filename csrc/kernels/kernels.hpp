// The kernel boundary: one table of functions per dtype and ISA. A kernel knows lanes and one thread,
// never the network, the team or where memory comes from. Every table gives the same bits; the numeric
// contract is written beside each entry. C headers only: the ISA files include this.
#pragma once

#include <stdint.h>

#include "functions.hpp"
#include "rules.hpp"

namespace deltarule {

// Terms of one chain. A longer fan-in is cut into blocks of this many terms, summed in order.
constexpr int64_t kFanInBlock = 256;
// Rows of one chain of a weight gradient, and chains that are summed before the next super-block.
constexpr int64_t kRowBlock = 64;
constexpr int64_t kSuperBlock = 1024;

// Lanes of a strided sum (one cache line), the same on every ISA.
template <class T>
constexpr int64_t kLanes = 64 / sizeof(T);

// Rows to read: row r starts at data + (index ? index[r] : r) * stride.
template <class T>
struct InputRows {
  const T* data;
  int64_t stride;
  const int64_t* index;
};

// Targets of the rows: class indices, or one row of n_out values per sample; gathered as InputRows.
template <class T>
struct Targets {
  const T* values;
  const int64_t* classes;
  int64_t stride;
  const int64_t* index;
};

// The function of the last layer; slope is leaky_relu's.
template <class T>
struct OutputLayer {
  Output output;
  T slope;
};

template <class T>
struct OutputLoss {
  OutputLayer<T> layer;
  Loss loss;
  T huber_delta;
};

// The parameters a step moves, and the rule's state of each, null where it has none; with row stride ld.
template <class T>
struct Descent {
  DescentStep<T> step;
  T *w, *m, *v;
  int64_t ld;

  Descent from(int64_t k) const { return {step, w + k, m ? m + k : nullptr, v ? v + k : nullptr, ld}; }
  Descent row(int64_t i) const { return from(i * ld); }
};

template <class T>
struct Kernels {
  // z[r][j] = b[j] + sum_k a[r][k] W[k][j], for j < n_out, a multiple of kLanes<T>; W is [n_in][ldw].
  // Contract: acc = b[j] (0 where b is null), acc = fma(a, w, acc) over the first kFanInBlock terms; each
  // further block is such a chain from 0, added to the sum of the blocks before it. Where `add`, b is null and
  // what z holds is the sum of the blocks before the first.
  void (*affine)(int64_t rows, int64_t n_in, int64_t n_out, InputRows<T> a, const T* W, int64_t ldw, const T* b,
                 bool add, T* z, int64_t ldz);

  // z[r][j] = sum_k a[r][k] W[j][k] + b[j], for a few j; W is [n_out][ldw].
  // Contract: lane i of kLanes<T> is the fma chain from 0 over k = i, i + lanes, ..., as if a row were
  // padded with zeros to a multiple of the lanes; the lanes are summed by halving; then b[j] is added (0 where b is
  // null), or, where `add`, what z holds.
  void (*affine_narrow)(int64_t rows, int64_t n_in, int64_t n_out, InputRows<T> a, const T* W, int64_t ldw, const T* b,
                        bool add, T* z, int64_t ldz);

  // a = g(z); a may be z. Arrays are [rows][ld].
  void (*activate)(Activation g, T slope, int64_t rows, int64_t n, const T* z, T* a, int64_t ld);

  // delta = delta * g'(z), from z and a = g(z).
  void (*activate_backward)(Activation g, T slope, int64_t rows, int64_t n, const T* z, const T* a, T* delta,
                            int64_t ld);

  // delta_dot = delta_dot + da * g''(z) * z_dot, from z, a = g(z) and da = dL/da: the change of delta
  // by that of g'(z).
  void (*activate_curvature)(Activation g, int64_t rows, int64_t n, const T* z, const T* a, const T* z_dot, const T* da,
                             T* delta_dot, int64_t ld);

  // y_hat = O(z), unpadded; z, padded, is written over.
  void (*output)(const OutputLayer<T>& layer, int64_t rows, int64_t n, T* z, int64_t ldz, T* y_hat, int64_t ldy);

  // Per row: the loss (unweighted, in double) into row_loss[r], and dL/dz * scale_r into delta, whose
  // columns from n to ld are set to 0. scale_r = scale * weight of the row (weight may be null).
  // z is overwritten. With want_delta false, delta is scratch of the same shape.
  void (*loss)(const OutputLoss<T>& f, int64_t rows, int64_t n, T* z, T* delta, int64_t ld, Targets<T> y,
               const double* weight, double scale, bool want_delta, double* row_loss);

  // u = J_O(z) u, padded with zeros to ld; J_O is symmetric. z may be overwritten.
  void (*output_jacobian)(const OutputLayer<T>& layer, int64_t rows, int64_t n, T* z, T* u, int64_t ld);

  // dL/dy_hat * scale_r by the plain formula, into g, padded with zeros to ld; infinite where y_hat rounds to a pole.
  // scratch holds a row.
  void (*loss_gradient)(const OutputLoss<T>& f, int64_t rows, int64_t n, const T* z, T* g, int64_t ld, Targets<T> y,
                        const double* weight, double scale, T* scratch);

  // u = scale_r H u, padded with zeros to ld, where H = d2L/dz2; or, where `gauss_newton`, J_O (d2L/dy_hat2) J_O unless
  // the pair is canonical, whose H has no other part. scratch holds 3 rows.
  void (*loss_curvature)(const OutputLoss<T>& f, int64_t rows, int64_t n, const T* z, T* u, int64_t ld, Targets<T> y,
                         const double* weight, double scale, bool gauss_newton, T* scratch);

  // G[j][k] = delta[j] a[k], unpadded.
  void (*outer)(int64_t n_out, int64_t n_in, const T* delta, const T* a, T* G);

  // S[i][j] = sum_r P[r][i] Q[r][j] over at most kSuperBlock rows; then G = S, or G = G + S where `add`. S is
  // scratch of n_i times n_j padded to whole lanes, as rows of G are. dL/db is the case of one i with P = 1.
  // Contract: an fma chain from 0 over each kRowBlock rows, the chains added to 0 in order.
  void (*weight_gradient)(int64_t rows, int64_t n_i, int64_t n_j, InputRows<T> P, InputRows<T> Q, bool add, T* S, T* G,
                          int64_t ldg);

  // The same S, then one step of descent along G + S, or along S where G is null. Returns whether every new
  // parameter is finite, and Adam's state.
  // Contract: a product and the sum it is in are one fma, but for g^2, whose factor alpha2 g is rounded.
  bool (*weight_descent)(int64_t rows, int64_t n_i, int64_t n_j, InputRows<T> P, InputRows<T> Q, T* S, const T* G,
                         int64_t ldg, const Descent<T>& descent);

  // The step of descent alone, along G.
  bool (*descend)(int64_t rows, int64_t n, const T* G, int64_t ldg, const Descent<T>& descent);

  // out[r][j] = 0 where the number of row first_row + r and unit first_unit + j is below the threshold, else
  // a[r][j] * scale; out may be a. The number is scramble(low 32 bits of scramble(key + row) + unit * 0x9e3779b9).
  void (*drop)(int64_t rows, int64_t n, uint64_t key, int64_t first_row, int64_t first_unit, uint32_t threshold,
               T scale, const T* a, T* out, int64_t ld);

  // to[j][i] = from[i][j]
  void (*transpose)(int64_t rows, int64_t columns, const T* from, int64_t ld_from, T* to, int64_t ld_to);

  // Whether no value is infinite or NaN.
  bool (*all_finite)(int64_t n, const T* x);

  // The sum of the magnitudes of n values, strided over the lanes; infinite or NaN where one is.
  double (*magnitude)(int64_t n, const T* x);

  // The first i with x[i] outside [low, high], as NaN is, or -1.
  int64_t (*first_outside)(int64_t n, const T* x, T low, T high);

  // `rounds` fused multiply-adds of independent registers, and how many flop they were. Their sum goes to
  // `sink`, so that they cannot be left out.
  int64_t (*peak)(int64_t rounds, T* sink);
};

}  // namespace deltarule
