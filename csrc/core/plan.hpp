// Shapes and caches -> chunks, tiles, team size. Everything here is speed and memory, never a bit.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "architecture.hpp"
#include "parameters.hpp"
#include "runtime/team.hpp"

namespace deltarule {

struct Plan {
  int64_t chunk_rows;                // rows whose activations are kept at a time: whole super-blocks
  int64_t row_tile;                  // rows that go through all layers together
  int64_t widest;                    // columns of the widest layer
  std::vector<ParameterTile> tiles;  // every parameter once
  int64_t tile_elements;             // of the largest tile's gradient
  int64_t partial_gradients;         // that are kept at a time; 0: parameters are many
};

// The least number of columns of a layer per thread of a team, and their granularity: two packs.
template <class T>
constexpr int64_t kColumns = 2 * kLanes<T>;

// Whether a team cuts layers by columns rather than by rows: where a thread's rows would be so few that
// each would fetch all of W for little work.
template <class T>
bool cuts_columns(const Plan& plan, int64_t rows, int team) {
  return team > 1 && rows < 12 * team && plan.widest >= kColumns<T> * team;
}

// Whether each thread of a team takes whole super-blocks, with a gradient of its own: where there are
// enough to go round, and parameters too few to be shared out.
inline bool goes_by_super_blocks(const Plan& plan, int64_t rows, int team) {
  return plan.partial_gradients > 0 && rows > 4 * team * kSuperBlock;
}

// Whether the gradient comes first and the update along it after: where both in one would take so long that Ctrl-C
// cannot wait for the end, since an update cannot be broken off.
inline bool updates_after_gradient(int64_t parameters, int64_t rows, int team) {
  constexpr double kLong = 1e10;  // floating-point operations per thread
  const auto last_rows = static_cast<double>(std::min(rows, kSuperBlock));
  return 2.0 * last_rows * static_cast<double>(parameters) > kLong * team;
}

// The number of tiles of about row_tile rows, a multiple of the number of threads.
inline int64_t row_tiles(const Plan& plan, int64_t rows, int team) {
  const int64_t whole = (rows + plan.row_tile - 1) / plan.row_tile;
  return (whole + team - 1) / team * team;
}

template <class T>
Plan make_plan(const Architecture& architecture, int64_t parameter_storage);

// Floating-point operations, or time in their place: of the prediction of some rows, where one row alone waits for
// W three times as long as it computes; of the forward pass and of a training step, per sample.
double prediction_work(const Architecture& architecture, int64_t rows);
double forward_work(const Architecture& architecture);
double training_work(const Architecture& architecture);

// Threads for some work: as many as asked for, fewer where waking them would cost more than they save, and never more
// than there are CPUs to run them.
int team_size(double work, int threads);
// Threads for a single call of that work.
CallTeam call_team(double work, int threads);
// Threads for a training of many steps of that work: a team that stays awake pays for less work.
int standing_team_size(double work, int threads);
inline bool worth_a_team(double work) { return team_size(work, 2) > 1; }

// Floating-point operations worth one more thread; 0: the default. Tests set less, for teams on small work; such
// teams have as many threads as asked for.
void set_work_per_thread(double work);

}  // namespace deltarule
