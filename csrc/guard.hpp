// Many readers or one writer of a network; neither waits, the later one is refused.
#pragma once

#include "network.hpp"

namespace deltarule {

template <class T>
class Network<T>::Reading {
 public:
  explicit Reading(const Network& network) : users_(network.users_) {
    int users = users_.load();
    do {
      if (users < 0) throw NetworkBusy{};
    } while (!users_.compare_exchange_weak(users, users + 1));
  }
  ~Reading() { users_.fetch_sub(1); }
  Reading(const Reading&) = delete;

 private:
  std::atomic<int>& users_;
};

template <class T>
class Network<T>::Writing {
 public:
  explicit Writing(const Network& network) : users_(network.users_) {
    int users = 0;
    if (!users_.compare_exchange_strong(users, -1)) throw NetworkBusy{};
  }
  ~Writing() { users_.store(0); }
  Writing(const Writing&) = delete;

 private:
  std::atomic<int>& users_;
};

}  // namespace deltarule
