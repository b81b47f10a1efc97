// Training for epochs of mini-batches, within one parallel region.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "batch.hpp"
#include "network.hpp"
#include "runtime/interrupt.hpp"

namespace deltarule {

template <class T>
struct TrainingRun {
  Batch<T> data;         // all samples, in storage order
  const int64_t* order;  // epochs x data.rows row numbers, or null: in storage order
  int64_t epochs;
  int64_t batch_size;
  Optimizer optimizer;
  const double* lr;              // lr_per_epoch rates per epoch; null: the optimizer's
  int64_t lr_per_epoch;          // 1, or the number of steps
  const double* dropout;         // rates of the hidden layers, or null
  const uint64_t* dropout_keys;  // one per epoch
  const Batch<T>* validation;    // or null
  int threads;
  double seconds;  // no epoch begins after that time
  Interrupt interrupt;
  // The state of the first epoch, where it was interrupted: completed steps (also all of them, if only the validation
  // is left), the sums over their samples of weight times loss and of weight.
  int64_t first_step = 0;
  double first_loss = 0.0, first_weight = 0.0;
  double pause = INFINITY;  // seconds after which it ends at a whole step as if interrupted, after at least one
};

struct TrainingResult {
  enum class Status { finished, interrupted, diverged };
  Status status = Status::finished;
  // Of the epoch after the last complete one, where it was interrupted: as for TrainingRun.
  int64_t step = 0;
  double partial_loss = 0.0, partial_weight = 0.0;
  int64_t layer = 0;  // where it diverged: see first_not_finite
  // One entry per complete epoch; losses over the epoch's samples, reduced.
  std::vector<double> loss, validation_loss, seconds;
};

// May throw NetworkBusy and NetworkRead. Where an epoch diverges, the parameters are those of the last finite epoch.
template <class T>
TrainingResult train(Network<T>& network, const TrainingRun<T>& run);

}  // namespace deltarule
