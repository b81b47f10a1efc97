// The network: parameters, memory, and the passes over them. Reads as the algorithm of the notes; the
// stages know rows and tiles, this knows their order.
#pragma once

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

#include "access_lock.hpp"
#include "architecture.hpp"
#include "batch.hpp"
#include "parameters.hpp"
#include "plan.hpp"
#include "row_derivatives.hpp"
#include "update.hpp"
#include "workspace.hpp"
#include "runtime/break_off.hpp"
#include "runtime/team.hpp"
#include "runtime/team_choice.hpp"

namespace deltarule {

template <class T>
struct TrainingRun {
  Batch<T> data;         // all samples, as they lie
  const int64_t* order;  // epochs x data.rows row numbers, or null: as they lie
  int64_t epochs;
  int64_t batch_size;
  Optimizer optimizer;
  const double* lr;  // lr_per_epoch of them an epoch, one or as many as steps; or null: the optimizer's
  int64_t lr_per_epoch;
  const double* dropout;         // rates of the hidden layers, or null
  const uint64_t* dropout_keys;  // one an epoch
  const Batch<T>* validation;    // or null
  int threads;
  double seconds;  // no epoch begins after that time
  Interrupt interrupt;
  // Where the first epoch was broken off: the steps done, and the sums over their samples of weight times loss and of
  // weight.
  int64_t first_step = 0;  // up to all of them: the validation may be all that is left
  double first_loss = 0.0, first_weight = 0.0;
  double pause = INFINITY;  // seconds after which it ends at a whole step, as if interrupted; one at least is done
};

struct TrainingResult {
  enum class Status { finished, interrupted, diverged };
  Status status = Status::finished;
  // Of the epoch after the last complete one, where it was broken off: whole steps done, and their sums as for
  // TrainingRun.
  int64_t step = 0;
  double partial_loss = 0.0, partial_weight = 0.0;
  int64_t layer = 0;  // where it diverged: see Network::first_not_finite
  // One entry a complete epoch; losses as the reduction says, over the epoch's samples.
  std::vector<double> loss, validation_loss, seconds;
};

// Thrown where the new parameters or the new optimizer state would not be finite; nothing is updated.
class UpdateOverflow : public std::overflow_error {
 public:
  UpdateOverflow() : std::overflow_error("the update overflows") {}
};

template <class T>
class Network {
 public:
  explicit Network(Architecture architecture);

  const Architecture& architecture() const { return architecture_; }
  const Parameters<T>& parameters() const { return theta_; }

  // The lock for reading, for writing, and for training over several calls.
  AccessLock& lock() const { return lock_; }

  // All that follows may throw NetworkBusy; and NetworkRead where it changes the network.
  void get_theta(T* theta) const;
  void set_theta(const T* theta);
  // What the optimizer remembers; m and v, laid out as theta, are filled where it has them.
  struct Remembered {
    Optimizer::Kind kind;
    bool m, v;
    int64_t steps;
  };
  Remembered get_memory(T* m, T* v) const;
  // Arrays that are null are left out.
  void set_memory(Optimizer::Kind kind, const T* m, const T* v, int64_t steps);

  // Where a pass is interrupted, what it returns or wrote is to be thrown away.
  // Where it `looks` at x, whose rows then lie without gaps, it returns false for values that are not finite, and
  // y_hat is to be thrown away.
  bool predict(InputRows<T> x, int64_t rows, T* y_hat, int threads, bool looks, const Interrupt&) const;
  double evaluate(const Batch<T>& batch, int threads, const Interrupt&) const;
  double value_and_gradient(const Batch<T>& batch, T* gradient, int threads, const Interrupt&);
  // Returns the loss before the update; where it is not finite, nothing is updated and NaN comes back. Throws
  // UpdateOverflow, the network as it was, where the update would overflow.
  // Where it `looks` at x, whose rows then lie without gaps, values that are not finite count as such a loss.
  // Where it is interrupted, the update was done as a whole or not at all.
  double train_step(const Batch<T>& batch, const Optimizer& optimizer, int threads, bool looks, const Interrupt&);
  // One step along a gradient, laid out as theta, of samples of that total weight. Throws UpdateOverflow, the
  // network as it was, where a new parameter would not be finite.
  void descend(const T* gradient, const Optimizer& optimizer, double total_weight);
  // Where an epoch diverges, the parameters are those of the last finite epoch.
  TrainingResult train(const TrainingRun<T>& run);
  // The first layer, from 1, where z or a of a sample that counts is not finite; 0: none.
  int64_t first_not_finite(const Batch<T>& batch) const;

  // Derivatives beyond the gradient. Results of passes that do not complete are to be thrown away.
  PassEnd propagate(const Batch<T>& batch, const Quantities<T>& quantities, int threads, const Interrupt&) const;
  PassEnd pull_back(const PullBack<T>& call, int threads, const Interrupt&) const;
  PassEnd push_forward(const PushForward<T>& call, int threads, const Interrupt&) const;
  PassEnd theta_product(const ThetaProduct<T>& call, int threads, const Interrupt&);

 private:
  enum class StepEnd { complete, interrupted, diverged, may_overflow };
  struct Shared;  // what a team shares while it trains
  struct Run;     // one call of train

  void reserve(int64_t rows, int threads, bool drops = false);
  void reserve_state(int64_t rows, bool drops);
  void reserve_scratch(int64_t rows, int threads);
  void reserve_super_blocks(int64_t rows, int threads, bool drops);
  void reserve_for(const Optimizer& optimizer);

  StepEnd step(const Member& team, const Batch<T>& batch, Shared& shared, const Optimizer* optimizer);
  double row_phase(const Member& team, const Batch<T>& chunk, double scale, Shared& shared, double* row_loss);
  double row_phase_by_columns(const Member& team, const Batch<T>& chunk, double scale, Shared& shared,
                              double* row_loss);
  StepEnd step_by_super_blocks(const Member& team, const Batch<T>& batch, Shared& shared, const Optimizer* optimizer);
  double super_block(const Member& team, const Batch<T>& block, double scale, Shared& shared, double* row_loss,
                     T* gradient);
  void sum_magnitudes(const Batch<T>& chunk, int64_t first, int64_t last, Activations<T>& state, Shared& shared) const;
  double fallible_step(const Batch<T>& batch, const Optimizer& optimizer, bool looks, int team_of);
  void sum_super_blocks(const Member& team, int64_t blocks, bool is_first, const Update<T>* update, Shared& shared);
  void parameter_phase(const Member& team, const Batch<T>& chunk, bool is_first, const Update<T>* update,
                       Shared& shared);
  bool has_sum(const Batch<T>& batch, const Shared& shared) const;
  void note_penalty(int64_t t, const Shared& shared);
  bool updates_apart(int64_t rows, int team) const;
  Clipping clipping(double max_norm) const;
  bool descent(const Member& team, double max_norm, const Update<T>& update, Shared& shared);
  template <class Gradient>
  StepEnd finish_chunk(const Member& team, const Batch<T>& batch, bool is_last, Shared& shared,
                       const Optimizer* optimizer, Gradient add_gradient);
  bool train_epoch(const Member& team, Run& run, int64_t number, int64_t first);
  void finish_epoch(Run& run);
  void predict_by_columns(const Member& team, InputRows<T> x, int64_t rows, T* scratch, T* y_hat) const;
  void evaluate_rows(const Member& team, const Batch<T>& batch, T* scratch, double* row_loss,
                     const BreakOff& breaks_off) const;
  int64_t evaluation_elements() const;  // of one member's scratch in evaluate_rows
  int64_t layer_not_finite(const Batch<T>& batch) const;
  double reduced(const Batch<T>& batch, double loss_sum) const;
  void reserve_product(const ThetaProduct<T>& call, int threads);
  void product_rows(const ThetaProduct<T>& call, const Batch<T>& chunk, int64_t first, int64_t last, double scale,
                    T* scratch, double* row_loss, const BreakOff& breaks_off);
  void product_tile(const ThetaProduct<T>& call, const ParameterTile& tile, const Batch<T>& chunk, bool is_first,
                    T* scratch);

  Architecture architecture_;
  Parameters<T> theta_;
  Plan plan_;
  mutable TeamChoices predictions_, evaluations_, pull_backs_, push_forwards_, theta_products_;
  TeamChoices steps_, standing_steps_, gradients_;
  mutable AccessLock lock_;
  AccessLock turns_;  // of readers that take turns with the training memory

  // Training memory, planned before a region and kept.
  Memory<T> memory_;
  double reach_ = INFINITY;     // a bound of the parameters and of what the optimizer remembers; infinite: unknown
  double reach_epsilon_ = 0.0;  // of the step it was found for
  std::unique_ptr<Activations<T>> state_;
  std::vector<Activations<T>> member_states_;  // a super-block a member
  Buffer<T> partial_gradients_;                // of super-blocks, each laid out as theta's values
  int64_t partial_gradients_room_ = 0;
  bool by_super_blocks_ = false;  // the steps that memory was last planned for
  Buffer<double> row_loss_;
  int64_t row_loss_size_ = 0;
  std::vector<double> tile_sums_;  // a sum of squares a tile of parameters
  Buffer<T> tile_scratch_;         // a gradient tile a thread
  int tile_scratch_threads_ = 0;
  std::unique_ptr<Activations<T>> tangents_;  // what products with theta's derivatives take besides
  std::unique_ptr<Parameters<T>> theta_dot_;
  Buffer<T> gradient_;  // laid out as theta's values: the gradient so far, or the one to return
};

// The result of f, which changes the network; where that meets readers, once they are done. Not while the caller holds
// what they may need.
template <class T, class F>
auto after_readers(Network<T>& network, F f) {
  try {
    return f();
  } catch (const NetworkRead&) {  // begins anew below
  }
  network.lock().begin_training(true);
  struct End {
    AccessLock& lock;
    ~End() { lock.end_training(); }
  } end{network.lock()};
  return f();
}

}  // namespace deltarule
