#include "epochs.hpp"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "divergence.hpp"
#include "loss.hpp"
#include "predict.hpp"
#include "snapshot.hpp"
#include "step.hpp"

namespace deltarule {
namespace {

using Clock = std::chrono::steady_clock;
using Status = TrainingResult::Status;

// One call of train, reserved before the parallel region. Rank 0 alone writes to it.
template <class T>
struct Training {
  Network<T>& network;
  const TrainingRun<T>& settings;
  StepState<T>& state;
  Snapshot<T> last_finite;
  Buffer<double> validation_loss;
  Buffer<T> scratch;
  TrainingResult result = {};
  const Clock::time_point start = Clock::now();
  bool is_over = false;  // no further epoch; written before the last barrier of an epoch
  // The present epoch.
  struct Epoch {
    int64_t number = 0, first_row = 0, steps = 0;
    double loss = 0.0, weight = 0.0;
    Clock::time_point start = Clock::now();
  } epoch = {};

  // Ends the training in the middle of an epoch; all threads call it, by the same decision.
  void end(const TeamThread& team, Status status) {
    if (team.rank() != 0) return;
    result.status = status;
    result.step = epoch.steps;
    result.partial_loss = epoch.loss;
    result.partial_weight = epoch.weight;
  }

  // The optimizer of the mini-batch of an epoch that begins at that row.
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

template <class T>
void finish_epoch(Training<T>& run) {
  const Batch<T>* validation = run.settings.validation;
  TrainingResult& result = run.result;
  if (!std::isfinite(run.epoch.loss)) {  // the losses of its steps are finite, their sum is not
    run.is_over = true;
    run.end(TeamThread(0, 1, nullptr), Status::diverged);
    return;
  }
  run.last_finite.take();
  result.loss.push_back(run.epoch.loss * reduction_scale(run.network.architecture, run.epoch.weight));
  if (validation)
    result.validation_loss.push_back(
        reduced(run.network, *validation, weighted_sum(*validation, run.validation_loss.get())));
  const Clock::time_point now = Clock::now();
  result.seconds.push_back(std::chrono::duration<double>(now - run.epoch.start).count());
  run.is_over = now - run.start >= std::chrono::duration<double>(run.settings.seconds);
  run.epoch = {run.epoch.number + 1};
  run.state.timed = run.epoch.start;
}

// The mini-batches of an epoch from some row on, then the validation loss. Returns whether training continues with the
// next epoch; false also where it continues with another team, from run.epoch on.
template <class T>
bool train_epoch(const TeamThread& team, Training<T>& run, int64_t number, int64_t first) {
  const TrainingRun<T>& settings = run.settings;
  StepState<T>& state = run.state;
  for (; first < settings.data.rows; first += settings.batch_size) {
    const Batch<T> batch = run.mini_batch(number, first);
    const Optimizer optimizer = run.optimizer(number, first);
    const StepEnd end = step(run.network, team, batch, &optimizer, state);
    if (end == StepEnd::interrupted) return run.end(team, Status::interrupted), false;
    if (end == StepEnd::diverged || state.overflow.load()) return run.end(team, Status::diverged), false;
    if (team.rank() == 0) {
      ++run.epoch.steps;
      run.epoch.loss += state.loss_sum;
      run.epoch.weight += total_weight(batch);
      run.epoch.first_row = first + settings.batch_size;
    }
    if (state.stop.load()) return run.end(team, Status::interrupted), false;
    if (state.regroup.load()) return false;
  }
  if (settings.validation) {
    team.wait();  // all threads have read `stop`, which may change from here on
    evaluate_rows(run.network, team, *settings.validation, run.scratch.get(), run.validation_loss.get(),
                  state.break_off(team, state.stop));
    team.wait();
    if (state.stop.load()) return run.end(team, Status::interrupted), false;
  }
  if (team.rank() == 0) finish_epoch(run);
  team.wait();
  return !run.is_over;
}

}  // namespace

template <class T>
TrainingResult train(Network<T>& network, const TrainingRun<T>& settings) {
  const Writing use(network.lock);
  network.reach = INFINITY;
  const int64_t batch = std::min(settings.batch_size, settings.data.rows);
  const int planned =
      standing_team_size(training_work(network.architecture) * static_cast<double>(batch), settings.threads);
  network.workspace.reserve_step(network.architecture, network.plan, network.theta, batch, planned,
                                 settings.dropout != nullptr);
  network.reserve_update(settings.optimizer);
  const int64_t validation_rows = settings.validation ? settings.validation->rows : 0;
  const int64_t scratch = settings.validation ? evaluation_elements(network) * planned : 0;
  StepState<T> state;
  state.use(settings.optimizer);
  state.caller.emplace(settings.interrupt);
  state.timed = Clock::now();
  if (std::isfinite(settings.pause)) {
    const std::chrono::duration<double> seconds(std::clamp(settings.pause, 0.0, 1e9));
    state.has_pause = true;
    state.pause = state.timed + std::chrono::duration_cast<Clock::duration>(seconds);
  }
  if (planned > 1) state.choice = network.steps_of_train.of(batch);
  Training<T> run{
      network, settings, state, Snapshot<T>(network), make_buffer<double>(validation_rows), make_buffer<T>(scratch)};
  run.epoch.steps = settings.first_step;
  run.epoch.first_row = settings.first_step * settings.batch_size;
  run.epoch.loss = settings.first_loss;
  run.epoch.weight = settings.first_weight;
  for (auto* series : {&run.result.loss, &run.result.validation_loss, &run.result.seconds})
    series->reserve(static_cast<size_t>(settings.epochs));
  do {
    state.regroup.store(false);
    state.together = !state.choice || state.choice->together();
    const auto from = run.epoch;
    run_team(state.together ? planned : 1, [&](const TeamThread& team) {
      int64_t first = from.first_row;
      for (int64_t epoch = from.number; epoch < settings.epochs; ++epoch, first = 0)
        if (!train_epoch(team, run, epoch, first)) break;
    });
  } while (state.regroup.load() && run.result.status == Status::finished);
  if (run.result.status == Status::diverged) {
    try {
      if (!state.overflow.load())
        run.result.layer = layer_not_finite(network, run.mini_batch(run.epoch.number, run.epoch.first_row));
    } catch (const std::bad_alloc&) {  // no memory to find the layer
    }
    run.last_finite.restore();
  }
  return std::move(run.result);
}

template TrainingResult train(Network<float>&, const TrainingRun<float>&);
template TrainingResult train(Network<double>&, const TrainingRun<double>&);

}  // namespace deltarule
