// Many readers or one writer of a network, and a trainer that holds it over several calls. While another thread writes
// or trains, every access is refused; a writer that meets readers becomes the trainer in order to wait for them. After
// a fork the parent's other threads do not exist in the child, and hold nothing there.
//
// The whole state is one word, so that each step is one atomic exchange; the steps are functions of that word alone,
// which tests/access_lock.cpp interleaves in every order.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <stdexcept>

#include "runtime/process.hpp"

namespace deltarule {

// Another thread changes the network, or holds its workspace; `brief` if for a single call, which is worth waiting for.
struct NetworkBusy : std::runtime_error {
  explicit NetworkBusy(bool is_brief = false)
      : std::runtime_error(
            "the network is in use by another thread: it is trained by one at a time, "
            "and not read meanwhile; use a copy"),
        brief(is_brief) {}
  bool brief;
};

// A change would meet readers in other threads; nothing has been done.
struct NetworkRead {};

// The contents of the word.
struct Access {
  int32_t users = 0;     // readers, or -1: a writer
  uint32_t trainer = 0;  // a thread's number, or 0
  bool brief = false;    // the training is one call
  uint32_t forks = 0;    // of the process that wrote it, modulo kForks

  static constexpr uint32_t kForks = 1 << 11;
  static constexpr int32_t kMostUsers = (1 << 19) - 1;

  static constexpr Access of(uint64_t word) {
    return {static_cast<int32_t>(static_cast<int64_t>(word) >> 44), static_cast<uint32_t>(word), (word >> 43 & 1) != 0,
            static_cast<uint32_t>(word >> 32) & (kForks - 1)};
  }
  constexpr uint64_t word() const {
    return static_cast<uint64_t>(static_cast<int64_t>(users) << 44) | static_cast<uint64_t>(brief) << 43 |
           static_cast<uint64_t>(forks) << 32 | trainer;
  }

  // After a fork only the thread that forked exists in the child: the users and trainers that the parent had are
  // dropped, but a training of that thread continues.
  constexpr Access in(Process process) const {
    if (forks == process.forks % kForks) return *this;
    return {0, trainer == process.survivor ? trainer : 0, brief, process.forks % kForks};
  }
  constexpr bool is_kept_from(uint32_t thread) const { return trainer != 0 && trainer != thread; }
  constexpr bool is_over_soon() const { return trainer == 0 || brief; }

  // The word after each step; none where the step is refused.
  constexpr std::optional<Access> with_reader(uint32_t thread) const {
    if (users < 0 || users == kMostUsers || is_kept_from(thread)) return std::nullopt;
    return Access{users + 1, trainer, brief, forks};
  }
  constexpr Access without_reader() const { return {users - 1, trainer, brief, forks}; }
  constexpr std::optional<Access> with_writer(uint32_t thread) const {
    if (users != 0 || is_kept_from(thread)) return std::nullopt;
    return Access{-1, trainer, brief, forks};
  }
  constexpr Access without_writer() const { return {0, trainer, brief, forks}; }
  constexpr std::optional<Access> with_trainer(uint32_t thread, bool is_brief) const {
    if (users < 0 || is_kept_from(thread)) return std::nullopt;
    return Access{users, thread, trainer == thread ? brief : is_brief, forks};
  }
  constexpr Access without_trainer() const { return {users, 0, false, forks}; }
};

class AccessLock {
 public:
  // Throws NetworkBusy.
  void begin_reading();
  void end_reading();
  // Throws NetworkBusy; NetworkRead beside readers, unless this thread trains.
  void begin_writing();
  void end_writing();
  // They nest. The first refuses new readers, and waits for the active ones. If the thread itself is one of them (a
  // signal handler within its call), it is refused. Throw NetworkBusy.
  void begin_training(bool brief = false);
  void end_training();
  // For Turn. Throws NetworkBusy, brief unless this thread holds the lock.
  void begin_turn();

 private:
  Access now() const { return Access::of(word_.load()).in(this_process()); }
  // Takes the step where it is granted, and returns the new state. `from`: the state that granted or refused it.
  template <class Step>
  std::optional<Access> take(Step step, Access& from);

  std::atomic<uint64_t> word_{0};
  int trainings_ = 0;  // begun by the trainer and not ended
};

class Reading {
 public:
  explicit Reading(AccessLock& lock) : lock_(lock) { lock.begin_reading(); }
  ~Reading() { lock_.end_reading(); }
  Reading(const Reading&) = delete;

 private:
  AccessLock& lock_;
};

class Writing {
 public:
  explicit Writing(AccessLock& lock) : lock_(lock), forks_(this_process().forks) { lock.begin_writing(); }
  ~Writing() {
    if (this_process().forks == forks_) lock_.end_writing();  // in a forked child the word has no writer
  }
  Writing(const Writing&) = delete;

 private:
  AccessLock& lock_;
  uint32_t forks_;
};

// Mutual exclusion of the readers that use the training memory, on a lock of their own.
class Turn {
 public:
  explicit Turn(AccessLock& lock) : lock_(lock) { lock.begin_turn(); }
  ~Turn() { lock_.end_training(); }
  Turn(const Turn&) = delete;

 private:
  AccessLock& lock_;
};

}  // namespace deltarule
