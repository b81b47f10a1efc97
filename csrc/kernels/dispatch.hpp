// The tables of this build, and which one is in use.
#pragma once

#include <atomic>

#include "kernels.hpp"

namespace deltarule {

struct Isa {
  const char* name;
  bool (*supported)();
  const Kernels<float>* f32;
  const Kernels<double>* f64;
};

// All ISAs of this build, best first; the last one runs anywhere.
extern const Isa kIsas[];
extern const int kIsaCount;

// The one in use: the best supported, until select_isa changes it.
extern std::atomic<const Isa*> active;
inline const Isa& active_isa() { return *active.load(std::memory_order_relaxed); }
inline void select_isa(const Isa& isa) { active.store(&isa, std::memory_order_relaxed); }

template <class T>
const Kernels<T>& kernels();
template <>
inline const Kernels<float>& kernels<float>() {
  return *active_isa().f32;
}
template <>
inline const Kernels<double>& kernels<double>() {
  return *active_isa().f64;
}

}  // namespace deltarule
