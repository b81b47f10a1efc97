// x86-64 with AVX2 and FMA: 16 registers, a pack takes two.
#define DELTARULE_ISA avx2
#include "transpose_avx2.hpp"
#include "vec_avx2.hpp"

namespace deltarule::avx2 {
struct TileShape {
  static constexpr int rows = 6, packs = 1, rows_of_few = 3, packs_of_few = 2, packs_alone = 4;
  static constexpr int dot_rows = 2, dot_outputs = 2;
};
}  // namespace deltarule::avx2

#include "affine.hpp"
#include "narrow.hpp"
#include "gradient.hpp"
#include "table.hpp"
