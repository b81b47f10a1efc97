// Any processor: fma is a library call where the instruction is missing, exact and slow. The oracle.
#define DELTARULE_ISA baseline
#include "table.hpp"
