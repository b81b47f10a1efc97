// Training: the two phases of a step, the gradient, and whole epochs.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "backward.hpp"
#include "forward.hpp"
#include "loss.hpp"
#include "step.hpp"

namespace deltarule {

namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

// Parameters and the optimizer's memory as they were, to fall back on.
template <class T>
class Snapshot {
 public:
  Snapshot(Parameters<T>& theta, Memory<T>& memory)
      : theta_(theta),
        memory_(memory),
        kept_(make_buffer<T>(theta.storage() * (1 + (memory.m != nullptr) + (memory.v != nullptr)))) {
    take();
  }
  void take() {
    exchange([](T* from, T* kept, int64_t n) { std::copy_n(from, n, kept); });
    steps_ = memory_.steps;
  }
  void restore() {
    exchange([](T* to, T* kept, int64_t n) { std::copy_n(kept, n, to); });
    memory_.steps = steps_;
    theta_.refresh_copies();
  }

 private:
  template <class F>
  void exchange(F f) {
    T* kept = kept_.get();
    for (T* values : {theta_.values(), memory_.m.get(), memory_.v.get()}) {
      if (!values) continue;
      f(values, kept, theta_.storage());
      kept += theta_.storage();
    }
  }

  Parameters<T>& theta_;
  Memory<T>& memory_;
  Buffer<T> kept_;
  int64_t steps_ = 0;
};

template <class T>
double Network<T>::value_and_gradient(const Batch<T>& batch, T* gradient, int threads, const Interrupt& interrupt) {
  const Reading use(lock_);
  const Turn turn(turns_);
  const double work = training_work(architecture_) * static_cast<double>(batch.rows);
  const TimedTeam timed(gradients_, team_size(work, threads), batch.rows);
  const int team_of = timed.size();
  reserve(batch.rows, team_of);
  if (!gradient_) gradient_ = make_buffer<T>(theta_.storage());
  Shared shared;
  shared.caller.emplace(interrupt);
  run_team(team_of, [&](const Member& team) { step(team, batch, shared, nullptr); });
  if (shared.diverged.load()) return INFINITY;
  if (shared.is_broken_off()) return NAN;
  theta_.to_theta(gradient_.get(), gradient, shared.break_off(Member(0, 1, nullptr), shared.stop));
  return reduced(batch, shared.loss_sum);
}

template <class T>
double Network<T>::train_step(const Batch<T>& batch, const Optimizer& optimizer, int threads, bool looks,
                              const Interrupt& interrupt) {
  const Writing use(lock_);
  const double work = training_work(architecture_) * static_cast<double>(batch.rows);
  const TimedTeam timed(steps_, team_size(work, threads), batch.rows);
  const int team_of = timed.size();
  reserve(batch.rows, team_of);
  reserve_for(optimizer);
  const Update<T> update(optimizer, total_weight(batch), memory_);
  const double epsilon = epsilon_of(update);
  if (!(reach_ < kAmple<T>) || epsilon < reach_epsilon_) {
    reach_ = reach_now(theta_.storage(), theta_.values(), memory_, epsilon);
    reach_epsilon_ = epsilon;
  }
  Shared shared;
  shared.looks = looks;
  shared.caller.emplace(interrupt);
  shared.serve(optimizer);
  shared.foreseen = &update;
  shared.reach = reach_;
  StepEnd end = StepEnd::complete;
  run_team(team_of, [&](const Member& team) {
    const StepEnd mine = step(team, batch, shared, &optimizer);
    if (team.rank() == 0) end = mine;
  });
  if (shared.diverged.load()) return NAN;
  if (end == StepEnd::may_overflow) return fallible_step(batch, optimizer, looks, team_of);
  reach_ = shared.reach_after();
  return reduced(batch, shared.loss_sum);
}

// A step that may overflow, with a copy to fall back on.
template <class T>
double Network<T>::fallible_step(const Batch<T>& batch, const Optimizer& optimizer, bool looks, int team_of) {
  reach_ = INFINITY;
  Snapshot<T> before(theta_, memory_);
  Shared shared;
  shared.looks = looks;
  shared.serve(optimizer);
  run_team(team_of, [&](const Member& team) { step(team, batch, shared, &optimizer); });
  if (shared.diverged.load()) return NAN;
  if (shared.overflow.load()) {
    before.restore();
    throw UpdateOverflow();
  }
  return reduced(batch, shared.loss_sum);
}

template <class T>
void Network<T>::descend(const T* gradient, const Optimizer& optimizer, double total_weight) {
  const Writing use(lock_);
  reserve_for(optimizer);
  if (!gradient_) gradient_ = make_buffer<T>(theta_.storage());
  theta_.from_theta(gradient, gradient_.get());
  reach_ = INFINITY;
  Snapshot<T> before(theta_, memory_);
  Shared shared;
  shared.serve(optimizer);
  run_team(1, [&](const Member& team) {
    const Update<T> update(optimizer, total_weight, memory_);
    for (size_t t = 0; t < plan_.tiles.size(); ++t)
      if (shared.clips)
        tile_sums_[t] = tile_square(theta_, plan_.tiles[t], gradient_.get());
      else if (!tile_descent(theta_, plan_.tiles[t], update, gradient_.get()))
        shared.overflow.store(true);
    if (shared.clips) descent(team, optimizer.max_norm, update, shared);
    if (optimizer.kind == Optimizer::Kind::adam) ++memory_.steps;
  });
  if (!shared.overflow.load()) return;
  before.restore();
  throw UpdateOverflow();
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
    result.status = status;
    result.step = epoch.steps;
    result.partial_loss = epoch.loss;
    result.partial_weight = epoch.weight;
  }

  // That of the mini-batch of an epoch which begins at some row.
  Optimizer optimizer(int64_t number, int64_t first) const {
    Optimizer now = settings.optimizer;
    const int64_t n = settings.lr_per_epoch;
    if (settings.lr) now.lr = settings.lr[number * n + (n > 1 ? first / settings.batch_size : 0)];
    return now;
  }

  Batch<T> mini_batch(int64_t number, int64_t first) const {
    Batch<T> data = settings.data;
    if (settings.order) data.x.index = data.y.index = settings.order + number * data.rows;
    Batch<T> batch = data.slice(first, std::min(first + settings.batch_size, data.rows));
    if (settings.dropout)
      batch.dropout = {settings.dropout,
                       mix(settings.dropout_keys[number] + static_cast<uint64_t>(first / settings.batch_size))};
    return batch;
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
    const Optimizer optimizer = run.optimizer(number, first);
    const StepEnd end = step(team, batch, run.shared, &optimizer);
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
    team.wait();  // everybody has seen that nobody wants to stop, before that may change
    evaluate_rows(team, *settings.validation, run.scratch.get(), run.validation_loss.get(),
                  run.shared.break_off(team, run.shared.stop));
    team.wait();
    if (run.shared.stop.load()) return run.end(team, Status::interrupted), false;
  }
  if (team.rank() == 0) finish_epoch(run);
  team.wait();
  return !run.late;
}

template <class T>
void Network<T>::finish_epoch(Run& run) {
  const Batch<T>* validation = run.settings.validation;
  TrainingResult& result = run.result;
  if (!std::isfinite(run.epoch.loss)) {  // of its steps it is, but not their sum
    run.late = true;
    run.end(Member(0, 1, nullptr), TrainingResult::Status::diverged);
    return;
  }
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
  const Writing use(lock_);
  reach_ = INFINITY;
  const int64_t batch = std::min(settings.batch_size, settings.data.rows);
  const int planned = standing_team_size(training_work(architecture_) * static_cast<double>(batch), settings.threads);
  reserve(batch, planned, settings.dropout != nullptr);
  reserve_for(settings.optimizer);
  const int64_t validation_rows = settings.validation ? settings.validation->rows : 0;
  const int64_t scratch = settings.validation ? evaluation_elements() * planned : 0;
  Shared shared;
  shared.serve(settings.optimizer);
  shared.caller.emplace(settings.interrupt);
  shared.timed = Clock::now();
  if (std::isfinite(settings.pause)) {
    shared.pauses = true;
    shared.pause = shared.timed + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(std::clamp(settings.pause, 0.0, 1e9)));
  }
  if (planned > 1) shared.choice = standing_steps_.of(batch);
  Run run{settings, shared, Snapshot<T>(theta_, memory_), make_buffer<double>(validation_rows),
          make_buffer<T>(scratch)};
  run.epoch.steps = settings.first_step;
  run.epoch.first_row = settings.first_step * settings.batch_size;
  run.epoch.loss = settings.first_loss;
  run.epoch.weight = settings.first_weight;
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
  if (run.result.status == TrainingResult::Status::diverged) {
    try {
      if (!shared.overflow.load())
        run.result.layer = layer_not_finite(run.mini_batch(run.epoch.number, run.epoch.first_row));
    } catch (const std::bad_alloc&) {  // no memory to find it
    }
    run.last_finite.restore();
  }
  return std::move(run.result);
}

template <class T>
int64_t Network<T>::first_not_finite(const Batch<T>& batch) const {
  const Reading use(lock_);
  return layer_not_finite(batch);
}

// As first_not_finite, by a forward pass of its own.
template <class T>
int64_t Network<T>::layer_not_finite(const Batch<T>& batch) const {
  const FlushSubnormals mode;
  const int64_t L = architecture_.layers(), tile = std::min(plan_.row_tile, batch.rows);
  Activations<T> state(architecture_, tile, static_cast<bool>(batch.dropout), true);
  int64_t found = L + 1;
  const auto look = [&](const Batch<T>& rows, int64_t l, const T* values) {
    for (int64_t r = 0; r < rows.rows && l < found; ++r)
      if (rows.weight_of(r) != 0.0 && !kernels<T>().all_finite(architecture_.sizes[l], values + r * state.ld(l)))
        found = l;
  };
  for (int64_t first = 0; first < batch.rows; first += tile) {
    const Batch<T> rows = batch.slice(first, std::min(first + tile, batch.rows));
    forward(architecture_, theta_, rows, 0, rows.rows, state);
    for (int64_t l = 1; l <= L; ++l) look(rows, l, state.z(l, 0));
    for (int64_t l = 1; l < L; ++l) look(rows, l, state.a(l, 0));
    T* y_hat = state.delta(L, 0);  // z is written over
    kernels<T>().output(output_layer<T>(architecture_), rows.rows, architecture_.n_outputs(), state.z(L, 0),
                        state.ld(L), y_hat, state.ld(L));
    look(rows, L, y_hat);
  }
  return found > L ? 0 : found;
}

template class Network<float>;
template class Network<double>;

}  // namespace deltarule
