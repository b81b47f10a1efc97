// AArch64, which always has NEON: 32 registers, a pack takes four.
#define DELTARULE_ISA neon
#include "vec_neon.hpp"

namespace deltarule::neon {
struct TileShape {
  static constexpr int rows = 6, packs = 1, rows_of_few = 6, packs_of_few = 1, packs_alone = 4;
  static constexpr int dot_rows = 2, dot_outputs = 2;
};
}  // namespace deltarule::neon

#include "affine.hpp"
#include "narrow.hpp"
#include "gradient.hpp"
#include "table.hpp"
