// Any processor: plain loops, one lane at a time; fma is a library call where the instruction is missing,
// exact and slow. The oracle of the other tables.
#define DELTARULE_ISA oracle
#include "vec_portable.hpp"
#include "dense.hpp"
#include "table.hpp"
