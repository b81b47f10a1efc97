#include "access_lock.hpp"

#include <chrono>
#include <thread>

namespace deltarule {

namespace {

// Pause between two checks whether readers are still active.
constexpr auto kReaderWait = std::chrono::microseconds(20);

}  // namespace

template <class Step>
std::optional<Access> AccessLock::take(Step step, Access& from) {
  uint64_t word = word_.load();
  for (;;) {
    from = Access::of(word).in(this_process());
    const std::optional<Access> to = step(from);
    if (!to || word_.compare_exchange_weak(word, to->word())) return to;
  }
}

void AccessLock::begin_reading() {
  Thread& thread = this_thread();
  Access from;
  if (!take([&](Access access) { return access.with_reader(thread.number); }, from))
    throw NetworkBusy{from.is_over_soon() && thread.readings == 0};  // else the trainer may wait for this thread
  ++thread.readings;
}

void AccessLock::end_reading() {
  Thread& thread = this_thread();
  if (thread.readings-- <= thread.inherited) {  // the parent's word counted it
    --thread.inherited;
    return;
  }
  Access from;
  take([](Access access) { return std::optional(access.without_reader()); }, from);
}

void AccessLock::begin_writing() {
  const uint32_t thread = this_thread().number;
  Access from;
  if (take([&](Access access) { return access.with_writer(thread); }, from)) return;
  if (from.users > 0 && !from.is_kept_from(thread) && from.trainer != thread) throw NetworkRead{};
  throw NetworkBusy{};
}

void AccessLock::end_writing() {
  Access from;
  take([](Access access) { return std::optional(access.without_writer()); }, from);
}

void AccessLock::begin_training(bool brief) {
  const Thread& thread = this_thread();
  if (thread.readings > 0 && now().users > 0) throw NetworkBusy{};
  Access from;
  if (!take([&](Access access) { return access.with_trainer(thread.number, brief); }, from)) throw NetworkBusy{};
  if (from.trainer != thread.number) trainings_ = 0;
  ++trainings_;
  while (now().users > 0) std::this_thread::sleep_for(kReaderWait);
}

void AccessLock::begin_turn() {
  if (now().trainer == this_thread().number) throw NetworkBusy{};
  try {
    begin_training(true);
  } catch (const NetworkBusy&) {
    throw NetworkBusy{true};
  }
}

void AccessLock::end_training() {
  if (now().trainer != this_thread().number) throw NetworkBusy{};
  if (--trainings_ > 0) return;
  Access from;
  take([](Access access) { return std::optional(access.without_trainer()); }, from);
}

}  // namespace deltarule
