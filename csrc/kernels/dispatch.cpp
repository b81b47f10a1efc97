// Picks the table: from the processor's features (with the operating system's leave to use the wide
// registers, which __builtin_cpu_supports checks through XCR0).
#include <atomic>

#include "kernels.hpp"

namespace deltarule {

// The tables of this build, best first, each with what the processor must have. The last one runs anywhere.
#if defined(DELTARULE_X86)
#define DELTARULE_ISAS(ISA)                                                                      \
  ISA(avx512, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&         \
                  __builtin_cpu_supports("avx512vl"))                                            \
  ISA(avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))                     \
  ISA(oracle, true)
#elif defined(DELTARULE_NEON)
#define DELTARULE_ISAS(ISA) ISA(neon, true) ISA(oracle, true)
#else
#define DELTARULE_ISAS(ISA) ISA(oracle, true)
#endif

#define DELTARULE_DECLARE(isa, supported)      \
  namespace isa {                              \
  extern const Kernels<float> kernels_f32;     \
  extern const Kernels<double> kernels_f64;    \
  }
DELTARULE_ISAS(DELTARULE_DECLARE)

#define DELTARULE_ROW(isa, supported) \
  {#isa, [] { return bool(supported); }, &isa::kernels_f32, &isa::kernels_f64},
const Isa kIsas[] = {DELTARULE_ISAS(DELTARULE_ROW)};
const int kIsaCount = sizeof(kIsas) / sizeof(kIsas[0]);

namespace {

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

const Isa& active_isa() { return *active().load(std::memory_order_relaxed); }
void select_isa(const Isa& isa) { active().store(&isa, std::memory_order_relaxed); }

}  // namespace deltarule
