// Training: the two phases of a step, the gradient, and whole epochs.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "backward.hpp"
#include "forward.hpp"
#include "guard.hpp"
#include "loss.hpp"
#include "network.hpp"

namespace deltarule {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPollInterval = std::chrono::milliseconds(20);
// A step whose row losses (times a rate above 1) stay below this cannot overflow parameters of usual size.
constexpr double kSafeLoss = 1e12;

}  // namespace

// Parameters and velocity as they were, to fall back on.
template <class T>
class Snapshot {
 public:
  Snapshot(Parameters<T>& theta, Buffer<T>& velocity)
      : theta_(theta),
        velocity_(velocity),
        kept_(make_buffer<T>(theta.storage() * (velocity ? 2 : 1))) {
    take();
  }
  void take() {
    std::copy_n(theta_.values(), theta_.storage(), kept_.get());
    if (velocity_) std::copy_n(velocity_.get(), theta_.storage(), kept_.get() + theta_.storage());
  }
  void restore() {
    std::copy_n(kept_.get(), theta_.storage(), theta_.values());
    if (velocity_) std::copy_n(kept_.get() + theta_.storage(), theta_.storage(), velocity_.get());
    theta_.refresh_copies();
  }

 private:
  Parameters<T>& theta_;
  Buffer<T>& velocity_;
  Buffer<T> kept_;
};

template <class T>
struct Network<T>::Shared {
  const Interrupt* interrupt = nullptr;
  Clock::time_point polled{};
  std::atomic<bool> stop{false};      // set by rank 0 between the barriers of a parameter phase
  std::atomic<bool> diverged{false};  // set by any member in a row phase, as is wary
  std::atomic<bool> wary{false};      // a row's loss is above wary_above
  std::atomic<bool> overflow{false};  // a new parameter is not finite; set in a parameter phase
  double wary_above = INFINITY;
  bool looks = false;  // at x, whether it is finite
  // In a training of many steps: whether they go on alone or as a team is decided anew after each; rank 0.
  TeamChoice* choice = nullptr;
  bool together = true;
  std::atomic<bool> regroup{false};
  Clock::time_point timed{};  // since when the next step counts
  // The next tile of each phase to be taken. Each is reset by rank 0 during the other phase.
  std::atomic<int64_t> next_row_tile{0}, next_parameter_tile{0};
  double loss_sum = 0.0;              // of the last complete step: weight times loss; rank 0

  void poll() {
    if (!interrupt || !*interrupt) return;
    const Clock::time_point now = Clock::now();
    if (now - polled < kPollInterval) return;
    polled = now;
    const KeepSubnormals mode;  // the caller's code runs here
    if ((*interrupt)()) stop.store(true);
  }

  void time_step(int64_t rows) {
    if (!choice) return;
    const Clock::time_point now = Clock::now();
    choice->took(std::chrono::duration<double>(now - timed).count() / static_cast<double>(rows));
    timed = now;
    if (choice->together() != together) regroup.store(true);
  }
};

template <class T>
void Network<T>::reserve(int64_t rows, int threads) {
  const int64_t chunk = std::min(rows, plan_.chunk_rows);
  if (!state_ || state_->rows() < chunk) {
    state_.reset();  // before the larger one: the two need not live together
    state_ = std::make_unique<Activations<T>>(architecture_, chunk);
  }
  if (row_loss_size_ < rows) {
    row_loss_ = make_buffer<double>(rows);
    row_loss_size_ = rows;
  }
  if (tile_scratch_threads_ < threads) {
    tile_scratch_ = make_buffer<T>(plan_.tile_elements * threads);
    tile_scratch_threads_ = threads;
  }
  if (rows > kSuperBlock && !gradient_) gradient_ = make_buffer<T>(theta_.storage());
}

template <class T>
void Network<T>::reserve_velocity(const Sgd& sgd) {
  if (sgd.momentum != 0.0 && !velocity_) velocity_ = make_buffer<T>(theta_.storage());
}

// Whether rows [first, last) of x are, where they lie without gaps.
template <class T>
static bool is_finite(const Batch<T>& chunk, int64_t first, int64_t last) {
  return kernels<T>().all_finite((last - first) * chunk.x.stride, chunk.x.data + first * chunk.x.stride);
}

// Forward, loss and delta recursion of the rows that this member takes. Returns the largest loss of a row.
template <class T>
double Network<T>::row_phase(const Member& team, const Batch<T>& chunk, double scale, Shared& shared,
                             double* row_loss) {
  if (cuts_columns<T>(plan_, chunk.rows, team.size()))
    return row_phase_by_columns(team, chunk, scale, shared, row_loss);
  double largest = 0.0;
  // As many tiles for every member, where there is more than one.
  const int64_t whole = (chunk.rows + plan_.row_tile - 1) / plan_.row_tile;
  const int64_t tiles = (whole + team.size() - 1) / team.size() * team.size();
  for (int64_t t; (t = team.take(shared.next_row_tile)) < tiles;) {
    const int64_t r = chunk.rows * t / tiles, end = chunk.rows * (t + 1) / tiles;
    if (r == end) continue;
    if (shared.looks && !is_finite(chunk, r, end)) return INFINITY;
    forward(architecture_, theta_, chunk, r, end, *state_);
    largest = std::max(largest,
                       loss_and_delta(architecture_, chunk, r, end, scale, *state_, row_loss));
    backward(architecture_, theta_, r, end, *state_);
  }
  return largest;
}

// The same for a few rows: each member takes columns of every layer, and some rows of the loss.
template <class T>
double Network<T>::row_phase_by_columns(const Member& team, const Batch<T>& chunk, double scale, Shared& shared,
                                        double* row_loss) {
  const int64_t L = architecture_.layers();
  const auto columns = [&](int64_t l) { return team.share(padded<T>(architecture_.sizes[l]), kColumns<T>); };
  InputRows<T> below = chunk.x;
  for (int64_t l = 1; l <= L; ++l) {
    const auto [left, right] = columns(l);
    T* a = state_->a(l, 0);
    forward_layer(architecture_, theta_, l, chunk.rows, below, left, right, state_->z(l, 0), a, state_->ld(l));
    team.wait();
    below = {a, state_->ld(l), nullptr};
  }
  const auto [first, last] = team.share(chunk.rows, 1);
  double largest = loss_and_delta(architecture_, chunk, first, last, scale, *state_, row_loss);
  if (shared.looks && !is_finite(chunk, first, last)) largest = INFINITY;
  for (int64_t l = L - 1; l >= 1; --l) {
    team.wait();
    const auto [left, right] = columns(l);
    backward_layer(architecture_, theta_, l, 0, chunk.rows, left, right, *state_);
  }
  return largest;
}

// The gradient of the parameters that this member takes over the chunk, super-block by super-block, on top of
// what came before; with the batch's last one the step along it, unless the gradient itself is wanted.
template <class T>
void Network<T>::parameter_phase(const Member& team, const Batch<T>& chunk, bool is_first, bool is_last,
                                 Shared& shared, const Sgd* sgd) {
  T* scratch = tile_scratch_.get() + plan_.tile_elements * team.rank();
  const int64_t tiles = static_cast<int64_t>(plan_.tiles.size());
  for (int64_t t; (t = team.take(shared.next_parameter_tile)) < tiles;) {
    const ParameterTile& tile = plan_.tiles[t];
    for (int64_t s = 0; s < chunk.rows; s += kSuperBlock) {
      const int64_t end = std::min(s + kSuperBlock, chunk.rows);
      const bool starts = is_first && s == 0;
      if (!(sgd && is_last && end == chunk.rows))
        tile_gradient(theta_, tile, chunk, s, end, *state_, !starts, scratch, gradient_.get());
      else if (!tile_descent(theta_, tile, chunk, s, end, *state_, *sgd, velocity_.get(), scratch,
                             starts ? nullptr : gradient_.get()))
        shared.overflow.store(true);
    }
  }
}

// One mini-batch: rows, then parameters, chunk by chunk. Nothing is updated unless it completes; without sgd the
// gradient is left in gradient_.
template <class T>
auto Network<T>::step(const Member& team, const Batch<T>& batch, Shared& shared, const Sgd* sgd) -> StepEnd {
  const double scale = reduction_scale(architecture_, total_weight(batch));
  for (int64_t first = 0; first < batch.rows; first += plan_.chunk_rows) {
    const int64_t last = std::min(first + plan_.chunk_rows, batch.rows);
    const Batch<T> chunk = batch.slice(first, last);
    const bool is_last = last == batch.rows;
    if (team.rank() == 0) shared.next_parameter_tile.store(0);
    const double largest = row_phase(team, chunk, scale, shared, row_loss_.get() + first);
    if (largest == INFINITY) shared.diverged.store(true);
    if (largest > shared.wary_above) shared.wary.store(true);
    team.wait();
    if (shared.diverged.load()) return StepEnd::diverged;
    if (shared.wary.load()) return StepEnd::wary;
    if (team.rank() == 0) {
      shared.next_row_tile.store(0);
      if (is_last) shared.loss_sum = weighted_sum(batch, row_loss_.get());
    }
    parameter_phase(team, chunk, first == 0, is_last, shared, sgd);
    if (team.rank() == 0) {
      if (is_last) shared.time_step(batch.rows);
      shared.poll();
    }
    team.wait();
    if (!is_last && shared.stop.load()) return StepEnd::interrupted;
  }
  return StepEnd::complete;
}

template <class T>
double Network<T>::value_and_gradient(const Batch<T>& batch, T* gradient, int threads) {
  const Writing use(*this);
  const double work = training_work(architecture_) * static_cast<double>(batch.rows);
  const TimedTeam timed(gradients_, team_size(work, threads), batch.rows);
  const int team_of = timed.size();
  reserve(batch.rows, team_of);
  if (!gradient_) gradient_ = make_buffer<T>(theta_.storage());
  Shared shared;
  run_team(team_of, [&](const Member& team) { step(team, batch, shared, nullptr); });
  if (shared.diverged.load()) return INFINITY;
  theta_.to_theta(gradient_.get(), gradient);
  return reduced(batch, shared.loss_sum);
}

template <class T>
double Network<T>::train_step(const Batch<T>& batch, const Sgd& sgd, int threads, bool looks) {
  const Writing use(*this);
  const double work = training_work(architecture_) * static_cast<double>(batch.rows);
  const TimedTeam timed(steps_, team_size(work, threads), batch.rows);
  const int team_of = timed.size();
  reserve(batch.rows, team_of);
  reserve_velocity(sgd);
  Shared shared;
  shared.looks = looks;
  shared.wary_above = kSafeLoss / std::max(1.0, sgd.lr);
  run_team(team_of, [&](const Member& team) { step(team, batch, shared, &sgd); });
  if (shared.diverged.load()) return NAN;
  if (shared.overflow.load()) throw std::range_error("the update overflowed");
  if (shared.wary.load()) {
    Snapshot<T> before(theta_, velocity_);
    Shared again;
    run_team(team_of, [&](const Member& team) { step(team, batch, again, &sgd); });
    if (again.overflow.load()) {
      before.restore();
      throw std::overflow_error("the update overflows");
    }
    return reduced(batch, again.loss_sum);
  }
  return reduced(batch, shared.loss_sum);
}

// One call of train: what its team works on, planned before the region.
template <class T>
struct Network<T>::Run {
  const TrainingRun<T>& settings;
  Shared& shared;
  Snapshot<T> last_finite;
  Buffer<double> validation_loss;
  Buffer<T> scratch;
  TrainingResult result = {};
  const Clock::time_point start = Clock::now();
  bool late = false;  // the time is over; written by rank 0 before the last barrier of an epoch
  // The present epoch as far as it has come, kept by rank 0.
  struct Epoch {
    int64_t number = 0, first_row = 0, steps = 0;
    double loss = 0.0, weight = 0.0;
    Clock::time_point start = Clock::now();
  } epoch = {};

  // Ends the training in the middle of an epoch, as one member decides for all.
  void end(const Member& team, TrainingResult::Status status) {
    if (team.rank() != 0) return;
    if (status == TrainingResult::Status::diverged) last_finite.restore();
    result.status = status;
    result.step = epoch.steps;
  }

  Batch<T> mini_batch(int64_t number, int64_t first) const {
    Batch<T> data = settings.data;
    if (settings.order) data.x.index = data.y.index = settings.order + number * data.rows;
    return data.slice(first, std::min(first + settings.batch_size, data.rows));
  }
};

// The mini-batches of an epoch from some row on, then the validation loss. Returns whether training goes on; where
// it does with another team, with the row it has come to.
template <class T>
bool Network<T>::train_epoch(const Member& team, Run& run, int64_t number, int64_t first) {
  using Status = TrainingResult::Status;
  const TrainingRun<T>& settings = run.settings;
  for (; first < settings.data.rows; first += settings.batch_size) {
    const Batch<T> batch = run.mini_batch(number, first);
    const StepEnd end = step(team, batch, run.shared, &settings.sgd);
    if (end == StepEnd::diverged) return run.end(team, Status::diverged), false;
    if (end == StepEnd::interrupted) return run.end(team, Status::interrupted), false;
    if (run.shared.overflow.load()) return run.end(team, Status::diverged), false;
    if (team.rank() == 0) {
      ++run.epoch.steps;
      run.epoch.loss += run.shared.loss_sum;
      run.epoch.weight += total_weight(batch);
      run.epoch.first_row = first + settings.batch_size;
    }
    if (run.shared.stop.load()) return run.end(team, Status::interrupted), false;
    if (run.shared.regroup.load()) return false;
  }
  if (settings.validation) {
    evaluate_rows(team, *settings.validation, run.scratch.get(), run.validation_loss.get());
    team.wait();
  }
  if (team.rank() == 0) finish_epoch(run);
  team.wait();
  return !run.late;
}

template <class T>
void Network<T>::finish_epoch(Run& run) {
  const Batch<T>* validation = run.settings.validation;
  TrainingResult& result = run.result;
  run.last_finite.take();
  result.loss.push_back(run.epoch.loss * reduction_scale(architecture_, run.epoch.weight));
  if (validation)
    result.validation_loss.push_back(reduced(*validation, weighted_sum(*validation, run.validation_loss.get())));
  const Clock::time_point now = Clock::now();
  result.seconds.push_back(std::chrono::duration<double>(now - run.epoch.start).count());
  run.late = now - run.start >= std::chrono::duration<double>(run.settings.seconds);
  run.epoch = {run.epoch.number + 1};
  run.shared.timed = run.epoch.start;
}

template <class T>
TrainingResult Network<T>::train(const TrainingRun<T>& settings) {
  const Writing use(*this);
  const int64_t batch = std::min(settings.batch_size, settings.data.rows);
  const int planned =
      standing_team_size(training_work(architecture_) * static_cast<double>(batch), settings.threads);
  reserve(batch, planned);
  reserve_velocity(settings.sgd);
  const int64_t validation_rows = settings.validation ? settings.validation->rows : 0;
  const int64_t scratch = settings.validation ? evaluation_elements() * planned : 0;
  Shared shared;
  shared.interrupt = &settings.interrupt;
  shared.polled = shared.timed = Clock::now();
  if (planned > 1) shared.choice = standing_steps_.of(batch);
  Run run{settings, shared, Snapshot<T>(theta_, velocity_), make_buffer<double>(validation_rows),
          make_buffer<T>(scratch)};
  for (auto* series : {&run.result.loss, &run.result.validation_loss, &run.result.seconds})
    series->reserve(static_cast<size_t>(settings.epochs));
  do {
    shared.regroup.store(false);
    shared.together = !shared.choice || shared.choice->together();
    const typename Run::Epoch from = run.epoch;
    run_team(shared.together ? planned : 1, [&](const Member& team) {
      int64_t first = from.first_row;
      for (int64_t epoch = from.number; epoch < settings.epochs; ++epoch, first = 0)
        if (!train_epoch(team, run, epoch, first)) break;
    });
  } while (shared.regroup.load() && run.result.status == TrainingResult::Status::finished);
  return std::move(run.result);
}

template class Network<float>;
template class Network<double>;

}  // namespace deltarule
