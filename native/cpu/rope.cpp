// A row is one task: its cosines and sines serve all its heads.
#include "kernels/rope.h"

#include "core/thread_pool.h"
#include "cpu/simd.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

template <class T>
ATHANOR_INLINE void rotate_head(T* head, const float* table, int64_t half, float direction) {
  const VecF sign = set1(direction);
  int64_t i = 0;
  for (; i + kLanes <= half; i += kLanes) {
    const VecF cosine = load(table + i), sine = load(table + half + i) * sign;
    const VecF a = load(head + i), b = load(head + half + i);
    store(head + i, fma(a, cosine, zero() - b * sine));
    store(head + half + i, fma(b, cosine, a * sine));
  }
  if (i < half) {
    const int n = static_cast<int>(half - i);
    const VecF cosine = load_partial(table + i, n), sine = load_partial(table + half + i, n) * sign;
    const VecF a = load_partial(head + i, n), b = load_partial(head + half + i, n);
    store_partial(head + i, fma(a, cosine, zero() - b * sine), n);
    store_partial(head + half + i, fma(b, cosine, a * sine), n);
  }
}

template <class T>
void rotate_typed(T* rows, int64_t row_width, const int32_t* positions, const float* table, int64_t tokens,
                  int64_t rotated_heads, int64_t head_dim, bool inverse) {
  // 16 rows a task: some microseconds of work.
  constexpr int64_t kTaskRows = 16;
  parallel_for((tokens + kTaskRows - 1) / kTaskRows, [&](int64_t task) {
    const int64_t end = tokens < (task + 1) * kTaskRows ? tokens : (task + 1) * kTaskRows;
    for (int64_t row = task * kTaskRows; row < end; ++row) {
      for (int64_t head = 0; head < rotated_heads; ++head)
        rotate_head(rows + row * row_width + head * head_dim, table + positions[row] * head_dim, head_dim / 2,
                    inverse ? -1.0f : 1.0f);
    }
  });
}

void rotate(DType dtype, void* rows, int64_t row_width, const int32_t* positions, const float* table,
            int64_t tokens, int64_t rotated_heads, int64_t head_dim, bool inverse) {
  if (dtype == DType::kF32) {
    rotate_typed(static_cast<float*>(rows), row_width, positions, table, tokens, rotated_heads, head_dim,
                 inverse);
  } else {
    rotate_typed(static_cast<bf16*>(rows), row_width, positions, table, tokens, rotated_heads, head_dim,
                 inverse);
  }
}

}  // namespace

const RopeKernels rope_kernels_table = {rotate};

}  // namespace athanor::cpu::ATHANOR_ISA
