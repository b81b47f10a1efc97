#include "plan.hpp"

#include <algorithm>
#include <atomic>

#include "layer_values.hpp"
#include "runtime/team.hpp"

namespace deltarule {

// Activations of a chunk: about what the shared cache holds beside the weights.
constexpr int64_t kChunkBytes = int64_t{8} << 20;
// Rows that pass through the layers together: enough that fetching W from an outer cache level is a small
// part of the work, few enough that two layers of narrow networks stay in the first level.
constexpr int64_t kRowTile = 48, kWideRowTile = 96, kWide = 192;
// A tile of W: at most this many columns and rows, so that its gradient and a block of 64 rows of a and
// delta stay in the second cache level; and some eight tiles of rows, so that a team shares them evenly.
constexpr int64_t kTileBytes = 1024;
constexpr int64_t kTileRows = 192, kLeastTileRows = 24;
// Gradients of super-blocks that are kept until they are summed: a share of the shared cache.
constexpr int64_t kPartialBytes = int64_t{2} << 20;
// Floating-point operations that are worth one more thread: some 10 us, what a region costs whose workers are
// awake. Between the steps of one region there are two barriers only, a sixth of that.
constexpr double kWorkPerThread = 1e6;
constexpr double kStandingTeam = 6.0;
// A team that is awake between calls costs two fifths of that; calls from here on are a region's, whose waking is then
// a small part.
constexpr double kAwakeTeam = 2.5, kLongCall = 2e8;
static std::atomic<double> work_per_thread{kWorkPerThread};

template <class T>
Plan make_plan(const Architecture& architecture, int64_t parameter_storage) {
  Plan plan{};
  const int64_t row_bytes = LayerValues<T>::row_elements(architecture) * static_cast<int64_t>(sizeof(T));
  plan.chunk_rows = std::max<int64_t>(1, kChunkBytes / row_bytes / kSuperBlock) * kSuperBlock;
  plan.widest = *std::max_element(architecture.sizes.begin() + 1, architecture.sizes.end());
  plan.row_tile = plan.widest > kWide ? kWideRowTile : kRowTile;
  constexpr int64_t panel = kTileBytes / static_cast<int64_t>(sizeof(T));
  for (int64_t l = 1; l <= architecture.layers(); ++l) {
    const int64_t n_in = architecture.sizes[l - 1], n_out = architecture.sizes[l];
    const bool narrow = is_narrow(n_in, n_out);
    const int64_t rows = narrow ? n_out : n_in, columns = narrow ? n_in : n_out;
    const int64_t step = std::clamp((rows / 8 + 11) / 12 * 12, kLeastTileRows, kTileRows);
    for (int64_t left = 0; left < columns; left += panel)
      for (int64_t first = 0; first < rows; first += step)
        plan.tiles.push_back({l, first, std::min(first + step, rows), left, std::min(left + panel, columns), false});
    plan.tiles.push_back({l, 0, 1, 0, n_out, true});
  }
  const int64_t gradient_bytes = parameter_storage * static_cast<int64_t>(sizeof(T));
  plan.partial_gradients = gradient_bytes <= kPartialBytes / 32 ? kPartialBytes / gradient_bytes : 0;
  for (const ParameterTile& tile : plan.tiles)
    plan.tile_elements = std::max(plan.tile_elements, (tile.last - tile.first) * padded<T>(tile.columns()));
  return plan;
}

double forward_work(const Architecture& architecture) {
  double work = 0.0;
  for (int64_t l = 1; l <= architecture.layers(); ++l)
    work += 2.0 * static_cast<double>(architecture.sizes[l - 1]) * static_cast<double>(architecture.sizes[l]);
  return work;
}

double prediction_work(const Architecture& architecture, int64_t rows) {
  return forward_work(architecture) * static_cast<double>(rows + 2);
}

double training_work(const Architecture& architecture) {
  const double first_layer =
      2.0 * static_cast<double>(architecture.sizes[0]) * static_cast<double>(architecture.sizes[1]);
  return 3.0 * forward_work(architecture) - first_layer;
}

int team_size(double work, int threads) {
  const double least = work_per_thread.load(std::memory_order_relaxed);
  const int size = std::clamp(static_cast<int>(std::min(work / least, 1e6)), 1, std::max(threads, 1));
  return size > 1 && least == kWorkPerThread ? std::min(size, usable_cpus()) : size;
}

CallTeam call_team(double work, int threads) {
  const int in_region = team_size(work, threads);
  if (work >= kLongCall) return {in_region, in_region, true};
  return {team_size(kAwakeTeam * work, threads), in_region, false};
}

int standing_team_size(double work, int threads) { return team_size(kStandingTeam * work, threads); }

void set_work_per_thread(double work) {
  work_per_thread.store(work > 0.0 ? work : kWorkPerThread, std::memory_order_relaxed);
}

template Plan make_plan<float>(const Architecture&, int64_t);
template Plan make_plan<double>(const Architecture&, int64_t);

}  // namespace deltarule
