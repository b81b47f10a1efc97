// Picks the table: from the processor's features (with the operating system's leave to use the wide
// registers, which __builtin_cpu_supports checks through XCR0).
#include <atomic>

#include "kernels.hpp"

namespace deltarule {

#define DELTARULE_DECLARE(isa)                 \
  namespace isa {                              \
  extern const Kernels<float> kernels_f32;     \
  extern const Kernels<double> kernels_f64;    \
  }

DELTARULE_DECLARE(oracle)
#ifdef DELTARULE_X86
DELTARULE_DECLARE(avx2)
DELTARULE_DECLARE(avx512)
#endif

namespace {

#ifdef DELTARULE_X86
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif
bool always() { return true; }

const Isa& best() {
  int i = 0;
  while (!kIsas[i].supported()) ++i;
  return kIsas[i];
}

std::atomic<const Isa*>& active() {
  static std::atomic<const Isa*> isa{&best()};
  return isa;
}

}  // namespace

const Isa kIsas[] = {
#ifdef DELTARULE_X86
    {"avx512", has_avx512, &avx512::kernels_f32, &avx512::kernels_f64},
    {"avx2", has_avx2, &avx2::kernels_f32, &avx2::kernels_f64},
#endif
    {"oracle", always, &oracle::kernels_f32, &oracle::kernels_f64},
};
const int kIsaCount = sizeof(kIsas) / sizeof(kIsas[0]);

const Isa& active_isa() { return *active().load(std::memory_order_relaxed); }
void select_isa(const Isa& isa) { active().store(&isa, std::memory_order_relaxed); }

}  // namespace deltarule
