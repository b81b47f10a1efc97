// Picks the table: from the processor's features (with the operating system's leave to use the wide
// registers, which __builtin_cpu_supports checks through XCR0).
#include "dispatch.hpp"

namespace deltarule {

// The tables of this build, best first, each with the processor features it needs. The last one runs anywhere.
#if defined(DELTARULE_X86)
#define DELTARULE_ISAS(ISA)                                                                                          \
  ISA(avx512,                                                                                                        \
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) \
  ISA(avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))                                         \
  ISA(oracle, true)
#elif defined(DELTARULE_NEON)
#define DELTARULE_ISAS(ISA) ISA(neon, true) ISA(oracle, true)
#else
#define DELTARULE_ISAS(ISA) ISA(oracle, true)
#endif

#define DELTARULE_DECLARE(isa, supported)   \
  namespace isa {                           \
  extern const Kernels<float> kernels_f32;  \
  extern const Kernels<double> kernels_f64; \
  }
DELTARULE_ISAS(DELTARULE_DECLARE)

#define DELTARULE_ROW(isa, supported) {#isa, [] { return bool(supported); }, &isa::kernels_f32, &isa::kernels_f64},
const Isa kIsas[] = {DELTARULE_ISAS(DELTARULE_ROW)};
const int kIsaCount = sizeof(kIsas) / sizeof(kIsas[0]);

static const Isa* best() {
  const Isa* isa = kIsas;
  while (!isa->supported()) ++isa;
  return isa;
}

std::atomic<const Isa*> active{best()};

}  // namespace deltarule
