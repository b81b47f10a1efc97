#include "plan.hpp"

#include <algorithm>
#include <atomic>

#include "activations.hpp"

namespace deltarule {

// Activations of a chunk: about what the shared cache holds beside the weights.
constexpr int64_t kChunkBytes = int64_t{8} << 20;
constexpr int64_t kRowTile = 32;
// Gradient of one tile: stays in the first cache level.
constexpr int64_t kTileElements = 4096;
// Floating-point operations that are worth one more thread: some 40 us of plain loops, the time that
// sleeping workers take to wake.
constexpr double kWorkPerThread = 1e6;
static std::atomic<double> work_per_thread{kWorkPerThread};

static int64_t columns(const Architecture& architecture, int64_t l) {
  const int64_t n_in = architecture.sizes[l - 1], n_out = architecture.sizes[l];
  return is_narrow(n_in, n_out) ? n_in : n_out;
}

template <class T>
int64_t tile_stride(const Architecture& architecture, const ParameterTile& tile) {
  return padded<T>(tile.is_bias ? architecture.sizes[tile.l] : columns(architecture, tile.l));
}

template <class T>
Plan make_plan(const Architecture& architecture) {
  Plan plan{};
  const int64_t row_bytes =
      Activations<T>::row_elements(architecture) * static_cast<int64_t>(sizeof(T));
  plan.chunk_rows = std::max<int64_t>(1, kChunkBytes / row_bytes / kSuperBlock) * kSuperBlock;
  plan.row_tile = kRowTile;
  for (int64_t l = 1; l <= architecture.layers(); ++l) {
    const int64_t n_in = architecture.sizes[l - 1], n_out = architecture.sizes[l];
    const int64_t rows = is_narrow(n_in, n_out) ? n_out : n_in;
    const int64_t step = std::clamp<int64_t>(kTileElements / columns(architecture, l) / 4 * 4, 4, 64);
    for (int64_t first = 0; first < rows; first += step)
      plan.tiles.push_back({l, first, std::min(first + step, rows), false});
    plan.tiles.push_back({l, 0, 1, true});
  }
  plan.cost.push_back(0);
  for (const ParameterTile& tile : plan.tiles) {
    const int64_t elements = (tile.last - tile.first) * tile_stride<T>(architecture, tile);
    plan.cost.push_back(plan.cost.back() + elements);
    plan.tile_elements = std::max(plan.tile_elements, elements);
  }
  return plan;
}

double forward_work(const Architecture& architecture) {
  double work = 0.0;
  for (int64_t l = 1; l <= architecture.layers(); ++l)
    work += 2.0 * static_cast<double>(architecture.sizes[l - 1]) * static_cast<double>(architecture.sizes[l]);
  return work;
}

double training_work(const Architecture& architecture) {
  const double first_layer =
      2.0 * static_cast<double>(architecture.sizes[0]) * static_cast<double>(architecture.sizes[1]);
  return 3.0 * forward_work(architecture) - first_layer;
}

int team_size(double work, int threads) {
  const double worth = work / work_per_thread.load(std::memory_order_relaxed);
  return std::clamp(static_cast<int>(std::min(worth, 1e6)), 1, std::max(threads, 1));
}

void set_work_per_thread(double work) {
  work_per_thread.store(work > 0.0 ? work : kWorkPerThread, std::memory_order_relaxed);
}

template Plan make_plan<float>(const Architecture&);
template Plan make_plan<double>(const Architecture&);
template int64_t tile_stride<float>(const Architecture&, const ParameterTile&);
template int64_t tile_stride<double>(const Architecture&, const ParameterTile&);

}  // namespace deltarule
