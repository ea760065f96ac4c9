// The warp's and the warpgroup's matrix instructions. Fragment layouts are those of the PTX
// manual: lane l of a warp holds rows l / 4 and l / 4 + 8 and columns 2 (l % 4) and the next of
// each 8 x 8 part.
#pragma once

#include "emulator/async_copy.h"
#include "emulator/runtime.h"

namespace athanor::emulator {

struct MatrixProductArgument {
  float* d;           // 4
  const uint32_t* a;  // 4
  const uint32_t* b;  // 2
};
/// d [16, 8] += a [16, 16] b [16, 8], bf16 pairs in and f32 out.
void run_matrix_product(uint32_t mask, void* const* arguments);

struct MatrixLoadArgument {
  uint32_t* registers;
  const unsigned char* row;  // lanes 8 i to 8 i + 7 give the rows of matrix i
  int matrices;
  bool transposed;
};
void run_matrix_load(uint32_t mask, void* const* arguments);
void matrix_load(uint32_t* registers, const void* row, int matrices, bool transposed, Site site);

/// d [64, columns] (+)= a [64, 16] b [16, columns]. The product runs when it is waited for, as late
/// as possible (or at once, with ATHANOR_EMULATOR_ASYNC=early); until then its output is NaN.
struct WarpgroupProductArgument {
  float* d;                     // columns / 2
  const uint32_t* a_registers;  // null: A is in shared memory too
  uint64_t a, b;                // descriptors
  int columns;
  bool b_transposed, accumulate;
};
void warpgroup_product(WarpgroupProductArgument argument, Site site);
void warpgroup_fence(Site site);
void warpgroup_commit(Site site);
void warpgroup_wait(unsigned groups_left, Site site);
/// setmaxnreg: all of a warpgroup change how many registers they have, to a multiple of 8 from
/// 24 to 256.
void set_registers(int count, bool is_more, Site site);

}  // namespace athanor::emulator
