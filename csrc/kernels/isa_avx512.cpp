// x86-64 with AVX-512 (F, DQ, VL): 32 registers, a pack takes one.
#define DELTARULE_ISA avx512
#include "transpose_avx2.hpp"
#include "vec_avx512.hpp"

namespace deltarule::avx512 {
struct TileShape {
  static constexpr int rows = 12, packs = 2, rows_of_few = 6, packs_of_few = 4, packs_alone = 4;
  static constexpr int dot_rows = 4, dot_outputs = 5;
};
}  // namespace deltarule::avx512

#include "affine.hpp"
#include "narrow.hpp"
#include "gradient.hpp"
#include "table.hpp"
