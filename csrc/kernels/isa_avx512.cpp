// x86-64 with AVX-512 (F, DQ, VL): 32 registers, a pack takes one.
#define DELTARULE_ISA avx512
#include "vec_avx512.hpp"

namespace deltarule::avx512 {
struct TileShape {
  static constexpr int widest = 4, alone = 8, dot_rows = 4, dot_outputs = 5;
  static constexpr int rows(int packs) { return packs == 4 ? 6 : 8; }
};
}  // namespace deltarule::avx512

#include "tiles.hpp"
#include "table.hpp"
