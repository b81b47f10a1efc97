#include "predict.hpp"

#include <algorithm>
#include <atomic>

#include "forward.hpp"
#include "loss.hpp"

namespace deltarule {

// A few rows: each thread takes columns of every layer.
template <class T>
static void predict_by_columns(const Network<T>& network, const TeamThread& team, InputRows<T> x, int64_t rows,
                               T* scratch, T* y_hat) {
  const Architecture& architecture = network.architecture;
  const int64_t half = scratch_elements<T>(architecture, rows) / 2, n_out = architecture.n_outputs();
  InputRows<T> below = x;
  T* z = scratch;
  for (int64_t l = 1; l <= architecture.layers(); ++l) {
    const int64_t n = padded<T>(architecture.sizes[l]), ld = row_stride<T>(architecture.sizes[l]);
    const auto [left, right] = team.share(n, kColumns<T>);
    z = scratch + (l % 2) * half;
    forward_layer(architecture, network.theta, l, rows, below, left, right, z, z, ld);
    team.wait();
    below = {z, ld, nullptr};
  }
  if (team.rank() == 0)
    kernels<T>().output(output_layer<T>(architecture), rows, n_out, z, row_stride<T>(n_out), y_hat, n_out);
}

template <class T>
bool predict(const Network<T>& network, InputRows<T> x, int64_t rows, T* y_hat, int threads, bool check_finite,
             const Interrupt& interrupt) {
  const Reading use(network.lock);
  const Architecture& architecture = network.architecture;
  const CallTeam planned = call_team(prediction_work(architecture, rows), threads);
  TimedTeam timed(network.predictions, planned.awake, rows);
  const int team_of = timed.size();
  const int64_t tiles = row_tiles(network.plan, rows, team_of), n = architecture.n_outputs();
  const bool by_columns = cuts_columns<T>(network.plan, rows, team_of);
  const int64_t elements = scratch_elements<T>(architecture, by_columns ? rows : (rows + tiles - 1) / tiles);
  const Scratch<T> scratch(elements * team_of);
  if (by_columns) {
    if (check_finite && !kernels<T>().all_finite(rows * x.stride, x.data)) return false;
    timed.run(planned,
              [&](const TeamThread& team) { predict_by_columns(network, team, x, rows, scratch.get(), y_hat); });
    return true;
  }
  std::atomic<int64_t> next{0};
  std::atomic<bool> finite{true}, broken_off{false};
  Poll poll(interrupt);
  timed.run(planned, [&](const TeamThread& team) {
    const BreakOff breaks_off(team, broken_off, poll);
    for (int64_t t; (t = team.take(next)) < tiles && finite.load(std::memory_order_relaxed) && !breaks_off();) {
      const int64_t r = rows * t / tiles, count = rows * (t + 1) / tiles - r;
      if (count == 0) continue;
      const InputRows<T> mine{x.data + r * x.stride, x.stride, nullptr};
      if (check_finite && !kernels<T>().all_finite(count * x.stride, mine.data)) finite.store(false);
      predict_rows(architecture, network.theta, mine, count, scratch.get() + team.rank() * elements, y_hat + r * n, n,
                   breaks_off);
    }
  });
  return finite.load();
}

// The tiles of the forward pass, and one for y_hat.
template <class T>
int64_t evaluation_elements(const Network<T>& network) {
  const int64_t tile = network.plan.row_tile;
  return scratch_elements<T>(network.architecture, tile) + tile * row_stride<T>(network.architecture.n_outputs());
}

template <class T>
void evaluate_rows(const Network<T>& network, const TeamThread& team, const Batch<T>& batch, T* scratch,
                   double* row_loss, const BreakOff& breaks_off) {
  const Architecture& architecture = network.architecture;
  const OutputLoss<T> f = output_loss<T>(architecture);
  const int64_t n = architecture.n_outputs(), ld = row_stride<T>(n), tile = network.plan.row_tile;
  T* mine = scratch + team.rank() * evaluation_elements(network);
  T* y_hat = mine + scratch_elements<T>(architecture, tile);
  const auto [first, last] = team.share(batch.rows, tile);
  for (int64_t r = first; r < last && !breaks_off(); r += tile) {
    const Batch<T> rows = batch.slice(r, std::min(r + tile, last));
    T* z = last_z(architecture, network.theta, rows.x, rows.rows, mine, breaks_off);
    kernels<T>().loss(f, rows.rows, n, z, y_hat, ld, rows.y, rows.weight, 1.0, false, row_loss + r);
  }
}

template <class T>
double reduced(const Network<T>& network, const Batch<T>& batch, double loss_sum) {
  const FlushSubnormals mode;
  return loss_sum * reduction_scale(network.architecture, total_weight(batch));
}

template <class T>
double evaluate(const Network<T>& network, const Batch<T>& batch, int threads, const Interrupt& interrupt) {
  const Reading use(network.lock);
  const double work = forward_work(network.architecture) * static_cast<double>(batch.rows);
  const TimedTeam timed(network.evaluations, team_size(work, threads), batch.rows);
  const int team_of = timed.size();
  const Buffer<T> scratch = make_buffer<T>(evaluation_elements(network) * team_of);
  const Buffer<double> row_loss = make_buffer<double>(batch.rows);
  Poll poll(interrupt);
  std::atomic<bool> broken_off{false};
  run_team(team_of, [&](const TeamThread& team) {
    evaluate_rows(network, team, batch, scratch.get(), row_loss.get(), {team, broken_off, poll});
  });
  const FlushSubnormals mode;
  return reduced(network, batch, weighted_sum(batch, row_loss.get()));
}

#define DELTARULE_INSTANTIATE(T)                                                                                    \
  template bool predict(const Network<T>&, InputRows<T>, int64_t, T*, int, bool, const Interrupt&);                 \
  template double evaluate(const Network<T>&, const Batch<T>&, int, const Interrupt&);                              \
  template void evaluate_rows(const Network<T>&, const TeamThread&, const Batch<T>&, T*, double*, const BreakOff&); \
  template int64_t evaluation_elements(const Network<T>&);                                                          \
  template double reduced(const Network<T>&, const Batch<T>&, double);
DELTARULE_INSTANTIATE(float)
DELTARULE_INSTANTIATE(double)

}  // namespace deltarule
