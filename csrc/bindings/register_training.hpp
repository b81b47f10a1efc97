// Part of the bindings: whole epochs, of one network or of many.
#pragma once

#include <pybind11/stl.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "gil.hpp"
#include "core/epochs.hpp"

namespace deltarule {

// The training that the arguments describe, without interrupt or validation. With an order its rows count: it may omit
// rows of x, or repeat them.
template <class T>
TrainingRun<T> training_run(const Network<T>& network, const py::array& x, const py::array& y,
                            const std::optional<py::array>& weight, const std::optional<py::array>& order,
                            int64_t epochs, int64_t batch_size, const Optimizer& optimizer,
                            const std::optional<py::array>& lr,
                            const std::optional<std::pair<py::array, py::array>>& dropout) {
  require(batch_size > 0, "batch_size", "below 1");
  require(epochs >= 0, "epochs", "below 0");
  TrainingRun<T> run{.data = batch_of(network, x, y, weight),
                     .order = nullptr,
                     .epochs = epochs,
                     .batch_size = batch_size,
                     .optimizer = optimizer,
                     .lr = nullptr,
                     .lr_per_epoch = 1,
                     .dropout = nullptr,
                     .dropout_keys = nullptr,
                     .validation = nullptr,
                     .threads = 1,
                     .seconds = INFINITY,
                     .interrupt = nullptr};
  if (order) {
    require_shape<int64_t>(*order, "order", {epochs, -1});
    run.order = readable<int64_t>(*order);
    run.data.rows = order->shape(1);
    require(run.data.rows > 0, "order", "no rows");
  }
  run.batch_size = std::min(batch_size, run.data.rows);
  if (lr) {
    const int64_t steps = (run.data.rows - 1) / run.batch_size + 1;
    require_shape<double>(*lr, "lr", {epochs, -1});
    run.lr_per_epoch = lr->shape(1);
    require(run.lr_per_epoch == 1 || run.lr_per_epoch == steps, "lr", "wrong shape");
    run.lr = readable<double>(*lr);
  }
  if (dropout) {
    const auto hidden = static_cast<int64_t>(network.architecture.hidden.size());
    require_shape<double>(dropout->first, "dropout", {hidden});
    require_shape<uint64_t>(dropout->second, "dropout", {epochs});
    run.dropout = readable<double>(dropout->first);
    run.dropout_keys = readable<uint64_t>(dropout->second);
    for (int64_t i = 0; i < hidden; ++i)
      require(run.dropout[i] >= 0.0 && run.dropout[i] < 1.0, "dropout", "out of range");
  }
  return run;
}

// Fills `result`, then raises the exception of a signal's handler, if any.
template <class T>
void train_arrays(Network<T>& network, const py::array& x, const py::array& y, const std::optional<py::array>& weight,
                  const std::optional<py::array>& order, int64_t epochs, int64_t batch_size, const Optimizer& optimizer,
                  const std::optional<py::array>& lr, const std::optional<std::pair<py::array, py::array>>& dropout,
                  const std::optional<py::tuple>& validation, int threads, double seconds, TrainingResult& result,
                  int64_t first_step, double first_loss, double first_weight, double pause) {
  TrainingRun<T> run = training_run(network, x, y, weight, order, epochs, batch_size, optimizer, lr, dropout);
  run.threads = threads;
  run.seconds = seconds;
  require(first_step >= 0 && first_step <= (run.data.rows - 1) / run.batch_size + 1, "first_step", "out of range");
  run.first_step = first_step;
  run.first_loss = first_loss;
  run.first_weight = first_weight;
  run.pause = pause;
  std::optional<Batch<T>> validation_batch;
  if (validation) {
    std::optional<py::array> validation_weight;
    if (!(*validation)[2].is_none()) validation_weight = (*validation)[2].cast<py::array>();
    validation_batch =
        batch_of(network, (*validation)[0].cast<py::array>(), (*validation)[1].cast<py::array>(), validation_weight);
    run.validation = &*validation_batch;
  }
  Signals signals;
  run.interrupt = [&signals] { return signals.check(); };
  {
    const py::gil_scoped_release released;
    result = after_readers(network, [&] { return deltarule::train(network, run); });
  }
  signals.raise();
}

// (network, x, y, sample_weight, order, epochs, batch_size, optimizer, lr, dropout, result), as for train.
using ManyRun =
    std::tuple<py::object, py::array, py::array, std::optional<py::array>, std::optional<py::array>, int64_t, int64_t,
               Optimizer, std::optional<py::array>, std::optional<std::pair<py::array, py::array>>, py::object>;
// One network's training, on one thread; it must not throw.
using Training = std::function<void(const Interrupt&)>;

template <class T>
Training training_of(const ManyRun& many, std::exception_ptr& error) {
  const auto& [network, x, y, weight, order, epochs, batch_size, optimizer, lr, dropout, result] = many;
  auto& trained = network.cast<Network<T>&>();
  const TrainingRun<T> run = training_run(trained, x, y, weight, order, epochs, batch_size, optimizer, lr, dropout);
  auto& filled = result.cast<TrainingResult&>();
  return [=, &trained, &filled, &error](const Interrupt& interrupt) {
    TrainingRun<T> interrupted = run;
    interrupted.interrupt = interrupt;
    try {
      filled = after_readers(trained, [&] { return deltarule::train(trained, interrupted); });
    } catch (...) {
      error = std::current_exception();
    }
  };
}

// Trains each network as it would be alone, on whichever thread of a team is free; fills the results, then raises
// the exception of a signal's handler or of a training, if any.
inline void train_many(const std::vector<ManyRun>& runs, int threads) {
  std::vector<std::exception_ptr> errors(runs.size());
  std::vector<Training> trainings;
  for (size_t i = 0; i < runs.size(); ++i)
    trainings.push_back(py::isinstance<Network<float>>(std::get<0>(runs[i])) ? training_of<float>(runs[i], errors[i])
                                                                             : training_of<double>(runs[i], errors[i]));
  Signals signals;
  std::atomic<bool> stop{false};
  std::atomic<int64_t> next{0};
  {
    const py::gil_scoped_release released;
    run_team(threads, [&](const TeamThread& team) {
      const Interrupt interrupt = [&] {
        if (team.rank() == 0 && signals.check()) stop.store(true);
        return stop.load();
      };
      for (int64_t i; (i = team.take(next)) < static_cast<int64_t>(trainings.size()) && !stop.load();)
        trainings[i](interrupt);
    });
  }
  signals.raise();
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

}  // namespace deltarule
