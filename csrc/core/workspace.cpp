#include "workspace.hpp"

#include <algorithm>

namespace deltarule {

template <class T>
void Workspace<T>::reserve_step(const Architecture& architecture, const Plan& plan, const Parameters<T>& theta,
                                int64_t rows, int threads, bool dropout) {
  by_super_blocks = goes_by_super_blocks(plan, rows, threads);
  if (by_super_blocks)
    reserve_super_blocks(architecture, plan, theta, rows, threads, dropout);
  else
    reserve_values(architecture, std::min(rows, plan.chunk_rows), dropout);
  reserve_scratch(plan, rows, threads);
  if (rows > kSuperBlock || updates_after_gradient(theta.count(), rows, 1)) reserve_gradient(theta);
}

template <class T>
void Workspace<T>::reserve_values(const Architecture& architecture, int64_t rows, bool dropout) {
  if (values && values->rows() >= rows && (values->has_dropout() || !dropout)) return;
  values.reset();  // first: the old and the larger new one need not exist together
  values = std::make_unique<LayerValues<T>>(architecture, rows, dropout);
}

template <class T>
void Workspace<T>::reserve_gradient(const Parameters<T>& theta) {
  if (!gradient) gradient = make_buffer<T>(theta.storage());
}

template <class T>
void Workspace<T>::reserve_scratch(const Plan& plan, int64_t rows, int threads) {
  if (row_loss_size_ < rows) {
    row_loss = make_buffer<double>(rows);
    row_loss_size_ = rows;
  }
  if (tile_scratch_threads_ < threads) {
    tile_scratch = make_buffer<T>(plan.tile_elements * threads);
    tile_scratch_threads_ = threads;
  }
}

template <class T>
void Workspace<T>::reserve_super_blocks(const Architecture& architecture, const Plan& plan, const Parameters<T>& theta,
                                        int64_t rows, int threads, bool dropout) {
  if (dropout && !thread_values.empty() && !thread_values[0].has_dropout()) thread_values.clear();
  while (thread_values.size() < static_cast<size_t>(threads))
    thread_values.emplace_back(architecture, kSuperBlock, dropout);
  const int64_t blocks = std::min(plan.partial_gradients, (rows + kSuperBlock - 1) / kSuperBlock);
  if (n_partial_gradients >= blocks) return;
  partial_gradients = make_buffer<T>(blocks * theta.storage());
  n_partial_gradients = blocks;
}

template <class T>
void Workspace<T>::reserve_tangents(const Architecture& architecture, int64_t rows) {
  if (!tangents || tangents->rows() < rows) {
    tangents.reset();
    tangents = std::make_unique<LayerValues<T>>(architecture, rows, false, true);
  }
  if (!theta_dot) theta_dot = std::make_unique<Parameters<T>>(architecture);
}

template struct Workspace<float>;
template struct Workspace<double>;

}  // namespace deltarule
