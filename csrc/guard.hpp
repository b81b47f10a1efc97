// Many readers or one writer of a network, and a trainer that keeps it over several calls. Beside a writer or
// a trainer everybody is refused; so is a writer beside readers, who becomes a trainer to wait for them.
#pragma once

#include <thread>

#include "network.hpp"

namespace deltarule {

// How many networks the thread is reading.
inline thread_local int readings = 0;

template <class T>
class Network<T>::Reading {
 public:
  explicit Reading(const Network& network) : network_(network) { network.begin_reading(); }
  ~Reading() { network_.end_reading(); }
  Reading(const Reading&) = delete;

 private:
  const Network& network_;
};

template <class T>
inline void Network<T>::begin_reading() const {
  forget_parent();
  int users = users_.load();
  do {
    if (users < 0) throw NetworkBusy{};
  } while (!users_.compare_exchange_weak(users, users + 1));
  if (kept_by_another()) {  // looked at only now, so that a trainer sees this reader or is seen
    users_.fetch_sub(1);
    throw NetworkBusy{};
  }
  ++readings;
}

template <class T>
inline void Network<T>::end_reading() const {
  --readings;
  users_.fetch_sub(1);
}

template <class T>
class Network<T>::Writing {
 public:
  explicit Writing(const Network& network) : users_(network.users_) {
    network.forget_parent();
    if (network.kept_by_another()) throw NetworkBusy{};
    const bool keeps = network.trainer_.load() == std::this_thread::get_id();
    int patience = keeps ? 1000 : 0;  // with those that are just finding out that the network is kept
    for (int users = 0; !users_.compare_exchange_weak(users, -1); users = 0) {
      if (users > 0 && !keeps) throw NetworkRead{};
      if (users < 0 && --patience < 0) throw NetworkBusy{};
      if (users != 0) std::this_thread::yield();
    }
    if (network.kept_by_another()) {
      users_.store(0);
      throw NetworkBusy{};
    }
  }
  ~Writing() { users_.store(0, std::memory_order_release); }
  Writing(const Writing&) = delete;

 private:
  std::atomic<int>& users_;
};

// In a child after fork: whoever used the network was the parent's.
template <class T>
void Network<T>::forget_parent() const {
  const int generation = fork_generation();
  if (generation_.load(std::memory_order_relaxed) == generation) return;
  users_.store(0);
  trainer_.store(std::thread::id{});
  trainings_ = 0;
  generation_.store(generation);
}

}  // namespace deltarule
