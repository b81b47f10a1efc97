// Predictions and losses of many rows, shared out to a team.
#pragma once

#include <cstdint>

#include "batch.hpp"
#include "network.hpp"
#include "runtime/break_off.hpp"

namespace deltarule {

// y_hat of rows of x. May throw NetworkBusy. Where it is interrupted, y_hat is invalid. With `check_finite`, for which
// the rows of x must have no gaps, it returns false, y_hat being invalid, if a value of x is not finite.
template <class T>
bool predict(const Network<T>& network, InputRows<T> x, int64_t rows, T* y_hat, int threads, bool check_finite,
             const Interrupt& interrupt);

// The loss of the batch, reduced. May throw NetworkBusy. Where it is interrupted, the result is invalid.
template <class T>
double evaluate(const Network<T>& network, const Batch<T>& batch, int threads, const Interrupt& interrupt);

// The loss of each row that this thread of a team takes, unweighted. scratch: evaluation_elements per thread.
template <class T>
void evaluate_rows(const Network<T>& network, const TeamThread& team, const Batch<T>& batch, T* scratch,
                   double* row_loss, const BreakOff& breaks_off);
template <class T>
int64_t evaluation_elements(const Network<T>& network);

// The loss of a batch from the weighted sum of its rows' losses.
template <class T>
double reduced(const Network<T>& network, const Batch<T>& batch, double loss_sum);

}  // namespace deltarule
