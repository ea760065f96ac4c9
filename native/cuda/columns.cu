#include "kernels/columns.h"

#include "cuda/loops.h"

namespace athanor::cuda {
namespace {

/// A thread moves one unit: 16 bytes where all rows allow it, else 2.
template <class Unit>
struct CopiedColumns {
  Unit* to;
  int64_t to_stride;
  const Unit* from;
  int64_t from_stride, rows, width;
};

template <class Unit>
__global__ void __launch_bounds__(kBlock) copy_kernel(CopiedColumns<Unit> in) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (i >= in.rows * in.width) return;
  const int64_t row = i / in.width, column = i % in.width;
  in.to[row * in.to_stride + column] = in.from[row * in.from_stride + column];
}

template <class Unit>
void copy_units(void* to, int64_t to_stride, const void* from, int64_t from_stride, int64_t rows,
                int64_t width) {
  constexpr int64_t kSize = sizeof(Unit);
  const CopiedColumns<Unit> in{
      static_cast<Unit*>(to), to_stride / kSize, static_cast<const Unit*>(from), from_stride / kSize, rows,
      width / kSize};
  launch(copy_kernel<Unit>, Launch{blocks_for(rows * in.width, kBlock), kBlock}, in);
}

void copy(void* to, int64_t to_stride, const void* from, int64_t from_stride, int64_t rows, int64_t width) {
  if (rows * width == 0) return;
  const bool is_wide = (to_stride | from_stride | width) % 16 == 0 && are_aligned(to, from);
  (is_wide ? copy_units<uint4> : copy_units<uint16_t>)(to, to_stride, from, from_stride, rows, width);
}

}  // namespace

const ColumnsKernels& columns_kernels() {
  static constexpr auto kTable = complete_table<ColumnsKernels>(copy);
  return kTable;
}

}  // namespace athanor::cuda
