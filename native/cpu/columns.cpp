#include "kernels/columns.h"

#include "cpu/loops.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

void copy(void* to, int64_t to_stride, const void* from, int64_t from_stride, int64_t rows, int64_t width) {
  auto* target = static_cast<char*>(to);
  const auto* source = static_cast<const char*>(from);
  for_row_blocks(rows, width / 2, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      __builtin_memcpy(target + row * to_stride, source + row * from_stride, static_cast<size_t>(width));
    }
  });
}

}  // namespace

constinit const ColumnsKernels columns_kernels_table = complete_table<ColumnsKernels>(copy);

}  // namespace athanor::cpu::ATHANOR_ISA
