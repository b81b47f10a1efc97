// Products of a layer in register tiles: MR rows of packs of chains at a time, a broadcast times packs of
// W. The tile is speed only: each chain is its own, and the same as the plain loops'.
#pragma once

#include "kernels.hpp"
#include "pack.hpp"

namespace deltarule::DELTARULE_ISA {

// TileShape, set by the ISA's file from its registers (accumulators, the packs of W, one broadcast), gives
// rows and packs of a tile; those for few rows, which are wider, also for the weight gradient; the packs
// for one row alone, which needs as many chains as the latency of an fma; rows and outputs of a dot.

// acc[r][c] += x * w[c]
template <class T, int NP>
DELTARULE_INLINE static inline void extend(T x, const pack<T> (&w)[NP], pack<T> (&acc)[NP]) {
  const vec<T> x_lanes = broadcast(x);
#pragma GCC unroll 8
  for (int c = 0; c < NP; ++c)
#pragma GCC unroll 4
    for (int i = 0; i < pack<T>::registers; ++i) acc[c].r[i] = fused(x_lanes, w[c].r[i], acc[c].r[i]);
}

// Calls f with the row counts of balanced tiles of at most MR rows, as compile-time constants. Where there are at
// least LeastRows rows, no tile has less than that or than half of MR, and no code is made for such.
template <int MR, int LeastRows = 1, class F>
static inline void row_tiles(int64_t rows, F f) {
  const int64_t tiles = (rows + MR - 1) / MR;
  for (int64_t t = 0, r = 0; t < tiles; ++t) {
    const int64_t count = rows * (t + 1) / tiles - r;
    with_count<MR, (LeastRows < (MR + 1) / 2 ? LeastRows : (MR + 1) / 2)>(count, [&](auto n) { f(n, r); });
    r += count;
  }
}

}  // namespace deltarule::DELTARULE_ISA
