// The gradient of a tile of weights, G = P^T Q over the rows, stored or applied: register tiles whose sums
// go to memory, or are applied to the parameters at once.
#pragma once

#include "tiles.hpp"
#include "update_rules.hpp"

namespace deltarule::DELTARULE_ISA {

// Rows [first, last) of an operand, at most one chain of them: in storage order, or through an index.
template <class T>
struct StridedBlock {
  const T* top;
  int64_t stride, count;

  StridedBlock(const InputRows<T>& x, int64_t first, int64_t last)
      : top(x.data + first * x.stride), stride(x.stride), count(last - first) {}
  const T* row(int64_t r) const { return top + r * stride; }
};
template <class T>
struct GatheredBlock {
  const T* rows[kRowBlock];
  int64_t count;

  GatheredBlock(const InputRows<T>& x, int64_t first, int64_t last) : count(last - first) {
    for (int64_t r = 0; r < count; ++r) rows[r] = deltarule::DELTARULE_ISA::row(x, first + r);
  }
  const T* row(int64_t r) const { return rows[r]; }
};

// The chains of one block of rows for MI values of i and NP packs of j, of which the last may hold fewer columns
// (`tail` of them, 0: whole).
template <int MI, int NP, class T, class Block>
DELTARULE_INLINE static inline void gradient_chains(const Block& P, int64_t i, const Block& Q, int64_t j, int64_t tail,
                                                    pack<T> (&acc)[MI][NP]) {
  constexpr int L = kLanes<T>;
#pragma GCC unroll 16
  for (int m = 0; m < MI; ++m)
#pragma GCC unroll 8
    for (int c = 0; c < NP; ++c) acc[m][c] = pack<T>(T(0));
  for (int64_t r = 0; r < P.count; ++r) {
    const T* p = P.row(r) + i;
    const T* q_r = Q.row(r) + j;
    asm("" : "+r"(p), "+r"(q_r));  // or the compiler keeps one sum of i and j per column, and spills them
    vec<T> p_m[MI];
#pragma GCC unroll 16
    for (int m = 0; m < MI; ++m) p_m[m] = broadcast(p[m]);
#pragma GCC unroll 8
    for (int c = 0; c < NP; ++c) {
      const pack<T> last = NP == 1 && tail ? load_first(q_r, tail) : pack<T>(T(0));
#pragma GCC unroll 4
      for (int i = 0; i < pack<T>::registers; ++i) {
        const vec<T> q = NP == 1 && tail ? last.r[i] : load(q_r + c * L + i * vec<T>::width);
#pragma GCC unroll 16
        for (int m = 0; m < MI; ++m) acc[m][c].r[i] = fused(p_m[m], q, acc[m][c].r[i]);
      }
    }
  }
}

// Calls f(rows, packs, i, j, tail) for the register tiles of n_i by n_j, the first two compile-time constants.
template <class T, class F>
static inline void gradient_tiles(int64_t n_i, int64_t n_j, F f) {
  constexpr int L = kLanes<T>, NP = TileShape::packs_of_few;
  for (int64_t j = 0; j < n_j;) {
    const int64_t whole = smaller(NP, (n_j - j) / L), tail = whole == 0 ? n_j - j : 0;
    with_count<NP>(whole + (tail > 0), [&](auto packs) {
      row_tiles<TileShape::rows_of_few>(n_i, [&](auto rows, int64_t i) { f(rows, packs, i, j, tail); });
    });
    j += (whole + (tail > 0)) * L;
  }
}

// Calls f(m, c) for the packs of a register tile, unrolled, so that they stay in registers.
template <int MI, int NP, class F>
DELTARULE_INLINE static inline void each_in_tile(F f) {
#pragma GCC unroll 16
  for (int m = 0; m < MI; ++m)
#pragma GCC unroll 8
    for (int c = 0; c < NP; ++c) f(m, c);
}

// Brings n columns of rows [from, to) of a block nearer.
template <class T, class Block>
static inline void fetch_rows(const Block& block, int64_t from, int64_t to, int64_t n) {
  for (int64_t r = from; r < to; ++r)
    for (int64_t k = 0; k < n; k += kLanes<T>) __builtin_prefetch(block.row(r) + k, 0, 2);
}

// Blocks of rows in order: their chains are summed in S, and the last one's tiles go, as the sum of all, to
// finish(i, j, tail, sums), which meets them with the same tile of `target`: that is fetched meanwhile, as are,
// tile by tile, the rows of the next block: of wide layers these lie on pages of their own, which the processor
// does not prefetch.
template <class Block, class T, class F>
static inline void gradient_sums_of(int64_t rows, int64_t n_i, int64_t n_j, const InputRows<T>& P,
                                    const InputRows<T>& Q, T* S, const T* target, int64_t ld_target, F finish) {
  constexpr int L = kLanes<T>, MI = TileShape::rows_of_few, NP = TileShape::packs_of_few;
  const int64_t lds = (n_j + L - 1) / L * L;
  const int64_t tiles = (n_i + MI - 1) / MI * ((n_j + NP * L - 1) / (NP * L));
  for (int64_t first = 0; first < rows; first += kRowBlock) {
    const int64_t last = smaller(first + kRowBlock, rows);
    const Block p(P, first, last), q(Q, first, last);
    const Block next_p(P, last, smaller(last + kRowBlock, rows)), next_q(Q, last, smaller(last + kRowBlock, rows));
    int64_t tile = 0;
    gradient_tiles<T>(n_i, n_j, [&](auto mi, auto np, int64_t i, int64_t j, int64_t tail) {
      constexpr int M = decltype(mi)::value, N = decltype(np)::value;
      if (tiles >= kRowBlock / 2 && next_p.count > 0) {
        const int64_t from = next_p.count * tile / tiles, to = next_p.count * ++tile / tiles;
        fetch_rows<T>(next_p, from, to, n_i);
        fetch_rows<T>(next_q, from, to, n_j);
      }
      if (last == rows)
        each_in_tile<M, N>(
            [&](int m, int c) DELTARULE_INLINE { __builtin_prefetch(target + (i + m) * ld_target + j + c * L, 1, 3); });
      pack<T> sums[M][N];
      gradient_chains(p, i, q, j, tail, sums);
      T* S_tile = S + i * lds + j;
      if (first == 0)
        each_in_tile<M, N>([&](int m, int c) DELTARULE_INLINE { sums[m][c] = pack<T>(T(0)) + sums[m][c]; });
      else
        each_in_tile<M, N>([&](int m, int c)
                               DELTARULE_INLINE { sums[m][c] = load_pack(S_tile + m * lds + c * L) + sums[m][c]; });
      if (last == rows)
        finish(i, j, tail, sums);
      else
        each_in_tile<M, N>([&](int m, int c) DELTARULE_INLINE { store(sums[m][c], S_tile + m * lds + c * L); });
    });
  }
}

template <class T, class F>
static inline void gradient_sums(int64_t rows, int64_t n_i, int64_t n_j, const InputRows<T>& P, const InputRows<T>& Q,
                                 T* S, const T* target, int64_t ld_target, F finish) {
  if (P.index || Q.index)
    gradient_sums_of<GatheredBlock<T>>(rows, n_i, n_j, P, Q, S, target, ld_target, finish);
  else
    gradient_sums_of<StridedBlock<T>>(rows, n_i, n_j, P, Q, S, target, ld_target, finish);
}

template <class T>
static void weight_gradient(int64_t rows, int64_t n_i, int64_t n_j, InputRows<T> P, InputRows<T> Q, bool add, T* S,
                            T* G, int64_t ldg) {
  constexpr int L = kLanes<T>;
  gradient_sums(
      rows, n_i, n_j, P, Q, S, G, ldg,
      [=]<int M, int N>(int64_t i, int64_t j, int64_t, pack<T>(&sums)[M][N]) DELTARULE_INLINE {
        T* G_tile = G + i * ldg + j;
        if (add)
          each_in_tile<M, N>([&](int m, int c)
                                 DELTARULE_INLINE { sums[m][c] = load_pack(G_tile + m * ldg + c * L) + sums[m][c]; });
        each_in_tile<M, N>([&](int m, int c) DELTARULE_INLINE { store(sums[m][c], G_tile + m * ldg + c * L); });
      });
}

template <class T>
static bool weight_descent(int64_t rows, int64_t n_i, int64_t n_j, InputRows<T> P, InputRows<T> Q, T* S, const T* G,
                           int64_t ldg, const Descent<T>& descent) {
  constexpr int L = kLanes<T>;
  const bool is_plain = descent.step.rule == Rule::plain && descent.step.l1 == T(0);
  const pack<T> minus_rate(-descent.step.rate), decay(descent.step.decay);
  pack<T> seen(T(0));
  gradient_sums(rows, n_i, n_j, P, Q, S, descent.w, descent.ld,
                [&]<int M, int N>(int64_t i, int64_t j, int64_t tail, pack<T>(&sums)[M][N]) DELTARULE_INLINE {
                  if (G)
                    each_in_tile<M, N>([&](int m, int c) DELTARULE_INLINE {
                      sums[m][c] = load_pack(G + (i + m) * ldg + j + c * L) + sums[m][c];
                    });
                  if (!is_plain || (N == 1 && tail)) {
                    alignas(64) T lines[M][N * L];
                    each_in_tile<M, N>([&](int m, int c) DELTARULE_INLINE { store(sums[m][c], lines[m] + c * L); });
                    for (int m = 0; m < M; ++m)
                      seen = descend_row(tail ? tail : N * L, lines[m], descent.row(i + m).from(j), seen);
                    return;
                  }
                  // copies, or each pack's store would be followed by reading them again
                  const pack<T> minus_rate_here = minus_rate, decay_here = decay;
                  pack<T> seen_here = seen;
                  each_in_tile<M, N>([&](int m, int c) DELTARULE_INLINE {
                    T* w = descent.w + (i + m) * descent.ld + j + c * L;
                    const pack<T> new_w = plain_step(minus_rate_here, decay_here, sums[m][c], load_pack(w));
                    store(new_w, w);
                    seen_here = look_at(new_w, seen_here);
                  });
                  seen = seen_here;
                });
  return sum(seen) == T(0);
}

}  // namespace deltarule::DELTARULE_ISA
