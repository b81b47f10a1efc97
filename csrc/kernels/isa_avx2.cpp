// x86-64 with AVX2 and FMA: the same loops, which the compiler turns into vectors over the outputs.
#define DELTARULE_ISA avx2
#include "table.hpp"
