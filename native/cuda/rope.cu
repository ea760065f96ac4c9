#include "kernels/rope.h"

#include "cuda/loops.h"

namespace athanor::cuda {
namespace {

template <class T>
struct RotatedRows {
  T* rows;
  int64_t row_width;
  const int32_t* positions;
  const float* table;
  int64_t tokens, heads, head_dim;
  float direction;
};

/// A thread turns one vector of pairs of one head: reads and writes 2 x 16 bytes of bf16 in place. The
/// table's row is shared by all heads of a token and comes from the caches.
template <int kWidth, class T>
__global__ void __launch_bounds__(kBlock) rotate_kernel(RotatedRows<T> in) {
  const int64_t half = in.head_dim / 2;
  const int64_t pair = (static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x) * kWidth;
  if (pair >= in.tokens * in.heads * half) return;
  const int64_t i = pair % half, head = pair / half % in.heads, token = pair / half / in.heads;
  T* low = in.rows + token * in.row_width + head * in.head_dim + i;
  const float* table = in.table + in.positions[token] * in.head_dim + i;
  float a[kWidth], b[kWidth], cosine[kWidth], sine[kWidth];
  load(a, low);
  load(b, low + half);
  load(cosine, table);
  load(sine, table + half);
#pragma unroll
  for (int k = 0; k < kWidth; ++k) {
    const float s = sine[k] * in.direction, x = a[k], y = b[k];
    a[k] = x * cosine[k] - y * s;
    b[k] = y * cosine[k] + x * s;
  }
  store(low, a);
  store(low + half, b);
}

void rotate(DType dtype, void* rows, int64_t row_width, const int32_t* positions, const float* table,
            int64_t tokens, int64_t rotated_heads, int64_t head_dim, bool inverse) {
  const int64_t pairs = tokens * rotated_heads * (head_dim / 2);
  if (pairs == 0) return;
  const bool is_vector = head_dim % (2 * kVector) == 0 && are_vector_rows(row_width, rows, table);
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    const RotatedRows<T> in{
        static_cast<T*>(rows), row_width, positions, table, tokens, rotated_heads, head_dim,
        inverse ? -1.0f : 1.0f};
    for_width(is_vector, [&](auto width) {
      launch(rotate_kernel<width, T>, Launch{blocks_for(pairs, kBlock * width), kBlock}, in);
    });
  });
}

}  // namespace

const RopeKernels& rope_kernels() {
  static constexpr RopeKernels kTable = {rotate};
  return kTable;
}

}  // namespace athanor::cuda
