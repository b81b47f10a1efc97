#include "network.hpp"

#include <algorithm>
#include <utility>

#include "forward.hpp"
#include "loss.hpp"

namespace deltarule {

template <class T>
Network<T>::Network(Architecture architecture)
    : architecture_(std::move(architecture)),
      theta_(architecture_),
      plan_(make_plan<T>(architecture_, theta_.storage())) {}

template <class T>
void Network<T>::get_theta(T* theta) const {
  const Reading use(lock_);
  theta_.to_theta(theta_.values(), theta);
}

template <class T>
void Network<T>::set_theta(const T* theta) {
  const Writing use(lock_);
  reach_ = INFINITY;
  theta_.from_theta(theta, theta_.values());
  theta_.refresh_copies();
}

template <class T>
auto Network<T>::get_memory(T* m, T* v) const -> Remembered {
  const Reading use(lock_);
  if (memory_.m) theta_.to_theta(memory_.m.get(), m);
  if (memory_.v) theta_.to_theta(memory_.v.get(), v);
  return {memory_.kind, memory_.m != nullptr, memory_.v != nullptr, memory_.steps};
}

template <class T>
void Network<T>::set_memory(Optimizer::Kind kind, const T* m, const T* v, int64_t steps) {
  const Writing use(lock_);
  reach_ = INFINITY;
  Memory<T> memory{kind, nullptr, nullptr, steps};
  const auto taken = [&](const T* theta) {
    Buffer<T> values;
    if (!theta) return values;
    values = make_buffer<T>(theta_.storage());
    theta_.from_theta(theta, values.get());
    return values;
  };
  memory.m = taken(m);
  memory.v = taken(v);
  memory_ = std::move(memory);
}

template <class T>
bool Network<T>::predict(InputRows<T> x, int64_t rows, T* y_hat, int threads, bool looks,
                         const Interrupt& interrupt) const {
  const Reading use(lock_);
  const TimedTeam timed(predictions_, team_size(prediction_work(architecture_, rows), threads), rows);
  const int team_of = timed.size();
  const int64_t tile = std::min(plan_.row_tile, rows), n = architecture_.n_outputs();
  const int64_t elements = scratch_elements<T>(architecture_, cuts_columns<T>(plan_, rows, team_of) ? rows : tile);
  const Scratch<T> scratch(elements * team_of);
  if (cuts_columns<T>(plan_, rows, team_of)) {
    if (looks && !kernels<T>().all_finite(rows * x.stride, x.data)) return false;
    run_team(team_of, [&](const Member& team) { predict_by_columns(team, x, rows, scratch.get(), y_hat); });
    return true;
  }
  std::atomic<int64_t> next{0};
  std::atomic<bool> finite{true}, broken_off{false};
  Poll poll(interrupt);
  run_team(team_of, [&](const Member& team) {
    const BreakOff breaks_off(team, broken_off, poll);
    for (int64_t r; (r = team.take(next) * tile) < rows && finite.load(std::memory_order_relaxed) && !breaks_off();) {
      const InputRows<T> mine{x.data + r * x.stride, x.stride, nullptr};
      const int64_t count = std::min(tile, rows - r);
      if (looks && !kernels<T>().all_finite(count * x.stride, mine.data)) finite.store(false);
      deltarule::predict(architecture_, theta_, mine, count, scratch.get() + team.rank() * elements, y_hat + r * n, n,
                         breaks_off);
    }
  });
  return finite.load();
}

// A few rows: each member takes columns of every layer.
template <class T>
void Network<T>::predict_by_columns(const Member& team, InputRows<T> x, int64_t rows, T* scratch, T* y_hat) const {
  const int64_t half = scratch_elements<T>(architecture_, rows) / 2, n_out = architecture_.n_outputs();
  InputRows<T> below = x;
  T* z = scratch;
  for (int64_t l = 1; l <= architecture_.layers(); ++l) {
    const int64_t n = padded<T>(architecture_.sizes[l]), ld = row_stride<T>(architecture_.sizes[l]);
    const auto [left, right] = team.share(n, kColumns<T>);
    z = scratch + (l % 2) * half;
    forward_layer(architecture_, theta_, l, rows, below, left, right, z, z, ld);
    team.wait();
    below = {z, ld, nullptr};
  }
  if (team.rank() == 0)
    kernels<T>().output(output_layer<T>(architecture_), rows, n_out, z, row_stride<T>(n_out), y_hat, n_out);
}

// The tiles of the forward pass, and one for y_hat.
template <class T>
int64_t Network<T>::evaluation_elements() const {
  return scratch_elements<T>(architecture_, plan_.row_tile) + plan_.row_tile * row_stride<T>(architecture_.n_outputs());
}

template <class T>
void Network<T>::evaluate_rows(const Member& team, const Batch<T>& batch, T* scratch, double* row_loss,
                               const BreakOff& breaks_off) const {
  const OutputLoss<T> f = output_loss<T>(architecture_);
  const int64_t n = architecture_.n_outputs(), ld = row_stride<T>(n), tile = plan_.row_tile;
  T* mine = scratch + team.rank() * evaluation_elements();
  T* y_hat = mine + scratch_elements<T>(architecture_, tile);
  const auto [first, last] = team.share(batch.rows, tile);
  for (int64_t r = first; r < last && !breaks_off(); r += tile) {
    const Batch<T> rows = batch.slice(r, std::min(r + tile, last));
    T* z = last_z(architecture_, theta_, rows.x, rows.rows, mine, breaks_off);
    kernels<T>().loss(f, rows.rows, n, z, y_hat, ld, rows.y, rows.weight, 1.0, false, row_loss + r);
  }
}

template <class T>
double Network<T>::reduced(const Batch<T>& batch, double loss_sum) const {
  const FlushSubnormals mode;
  return loss_sum * reduction_scale(architecture_, total_weight(batch));
}

template <class T>
double Network<T>::evaluate(const Batch<T>& batch, int threads, const Interrupt& interrupt) const {
  const Reading use(lock_);
  const double work = forward_work(architecture_) * static_cast<double>(batch.rows);
  const TimedTeam timed(evaluations_, team_size(work, threads), batch.rows);
  const int team_of = timed.size();
  const Buffer<T> scratch = make_buffer<T>(evaluation_elements() * team_of);
  const Buffer<double> row_loss = make_buffer<double>(batch.rows);
  Poll poll(interrupt);
  std::atomic<bool> broken_off{false};
  run_team(team_of, [&](const Member& team) {
    evaluate_rows(team, batch, scratch.get(), row_loss.get(), {team, broken_off, poll});
  });
  const FlushSubnormals mode;
  return reduced(batch, weighted_sum(batch, row_loss.get()));
}

template class Network<float>;
template class Network<double>;

}  // namespace deltarule
