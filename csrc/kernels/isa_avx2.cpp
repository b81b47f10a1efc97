// x86-64 with AVX2 and FMA: 16 registers, a pack takes two.
#define DELTARULE_ISA avx2
#include "vec_avx2.hpp"

namespace deltarule::avx2 {
struct TileShape {
  static constexpr int widest = 1, alone = 4, dot_rows = 2, dot_outputs = 2;
  static constexpr int rows(int) { return 6; }
};
}  // namespace deltarule::avx2

#include "tiles.hpp"
#include "table.hpp"
