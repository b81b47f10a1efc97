// z = W a + b of a narrow layer: dots over the inputs, lane by lane.
#pragma once

#include "tiles.hpp"

namespace deltarule::DELTARULE_ISA {

// Dots of MR rows with NO rows of W.
template <int MR, int NO, class T>
static inline void dot_tile(int64_t n_in, const T* const* a, const T* W, int64_t ldw, const T* b, bool add, T* z,
                            int64_t ldz) {
  constexpr int L = kLanes<T>;
  pack<T> acc[MR][NO];
#pragma GCC unroll 8
  for (int r = 0; r < MR; ++r)
#pragma GCC unroll 8
    for (int o = 0; o < NO; ++o) acc[r][o] = pack<T>(T(0));
  const auto step = [&](auto load_k) {
    pack<T> x[MR];
#pragma GCC unroll 8
    for (int r = 0; r < MR; ++r) x[r] = load_k(a[r]);
#pragma GCC unroll 8
    for (int o = 0; o < NO; ++o) {
      const pack<T> w = load_k(W + o * ldw);
#pragma GCC unroll 8
      for (int r = 0; r < MR; ++r) acc[r][o] = fused(x[r], w, acc[r][o]);
    }
  };
  int64_t k = 0;
  for (; k + L <= n_in; k += L) step([k](const T* p) { return load_pack(p + k); });
  if (k < n_in) step([k, n_in](const T* p) { return load_first(p + k, n_in - k); });
#pragma GCC unroll 8
  for (int r = 0; r < MR; ++r)
#pragma GCC unroll 8
    for (int o = 0; o < NO; ++o) {
      T& total = z[r * ldz + o];
      total = sum(acc[r][o]) + (add ? total : b ? b[o] : T(0));
    }
}

template <class T>
static void affine_narrow(int64_t rows, int64_t n_in, int64_t n_out, InputRows<T> a, const T* W, int64_t ldw,
                          const T* b, bool add, T* z, int64_t ldz) {
  row_tiles<TileShape::dot_rows>(rows, [&](auto count, int64_t r) {
    constexpr int MR = decltype(count)::value;
    const T* tile[MR];
    for (int i = 0; i < MR; ++i) tile[i] = row(a, r + i);
    for (int64_t o = 0; o < n_out; o += TileShape::dot_outputs)
      with_count<TileShape::dot_outputs>(smaller(TileShape::dot_outputs, n_out - o), [&](auto outputs) {
        dot_tile<MR, decltype(outputs)::value>(n_in, tile, W + o * ldw, ldw, b ? b + o : b, add, z + r * ldz + o, ldz);
      });
  });
}

}  // namespace deltarule::DELTARULE_ISA
