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
void rotate_typed(const RopeArgs& args) {
  // 16 rows per task: some microseconds of work.
  constexpr int64_t kTaskRows = 16;
  const int64_t tokens = args.tokens, head_dim = args.head_dim, width = args.width;
  parallel_for(ceil_divide(tokens, kTaskRows), [&](int64_t task) {
    const int64_t end = smaller(tokens, (task + 1) * kTaskRows);
    for (int64_t row = task * kTaskRows; row < end; ++row) {
      T* first = static_cast<T*>(args.rows) + row * args.row_width;
      const float* table = args.table + args.positions[row] * width;
      for (int64_t head = 0; head < args.heads; ++head)
        rotate_head(first + head * head_dim, table, width / 2, args.inverse ? -1.0f : 1.0f);
    }
  });
}

void rotate(const RopeArgs& args) {
  args.dtype == DType::kF32 ? rotate_typed<float>(args) : rotate_typed<bf16>(args);
}

}  // namespace

constinit const RopeKernels rope_kernels_table = complete_table<RopeKernels>(rotate);

}  // namespace athanor::cpu::ATHANOR_ISA
