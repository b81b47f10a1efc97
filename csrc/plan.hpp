// Shapes and caches -> chunks, tiles, team size. Everything here is speed and memory, never a bit.
#pragma once

#include <cstdint>
#include <vector>

#include "architecture.hpp"
#include "parameters.hpp"

namespace deltarule {

struct Plan {
  int64_t chunk_rows;                // rows whose activations are kept at a time: whole super-blocks
  int64_t row_tile;                  // rows that go through all layers together
  std::vector<ParameterTile> tiles;  // every parameter once
  int64_t tile_elements;             // of the largest tile's gradient
};

template <class T>
Plan make_plan(const Architecture& architecture);

// Floating-point operations per sample: of the forward pass, and of a training step.
double forward_work(const Architecture& architecture);
double training_work(const Architecture& architecture);

// The team for some work: as many as asked for, fewer where waking them would cost more than they save.
int team_size(double work, int threads);
// The team for a training of many steps of that work: it is awake all along, and pays for less.
int standing_team_size(double work, int threads);
inline bool worth_a_team(double work) { return team_size(work, 2) > 1; }

// Floating-point operations worth one more thread; 0: the default. Tests set 1 to see teams on small work.
void set_work_per_thread(double work);

}  // namespace deltarule
