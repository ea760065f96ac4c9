#include "kernels/rope.h"

#include "cuda/loops.h"

namespace athanor::cuda {
namespace {

/// A thread rotates one vector of pairs of one head: it reads and writes 2 x 16 bytes of bf16 in
/// place. All heads of a token share a row of the table, which comes from the caches.
template <int kWidth, class T>
__global__ void __launch_bounds__(kBlock) rotate_kernel(RopeArgs in) {
  const int64_t half = in.width / 2;
  const int64_t pair = (static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x) * kWidth;
  if (pair >= in.tokens * in.heads * half) return;
  const int64_t i = pair % half, head = pair / half % in.heads, token = pair / half / in.heads;
  T* low = static_cast<T*>(in.rows) + token * in.row_width + head * in.head_dim + i;
  const float* table = in.table + in.positions[token] * in.width + i;
  const float direction = in.inverse ? -1.0f : 1.0f;
  float a[kWidth], b[kWidth], cosine[kWidth], sine[kWidth];
  load(a, low);
  load(b, low + half);
  load(cosine, table);
  load(sine, table + half);
#pragma unroll
  for (int k = 0; k < kWidth; ++k) {
    const float s = sine[k] * direction, x = a[k], y = b[k];
    a[k] = x * cosine[k] - y * s;
    b[k] = y * cosine[k] + x * s;
  }
  store(low, a);
  store(low + half, b);
}

void rotate(const RopeArgs& in) {
  const int64_t pairs = in.tokens * in.heads * (in.width / 2);
  if (pairs == 0) return;
  const bool is_vector = in.width % (2 * kVector) == 0 && in.head_dim % kVector == 0 &&
                         are_vector_rows(in.row_width, in.rows, in.table);
  for_dtype(in.dtype, [&](auto type) {
    for_width(is_vector, [&](auto width) {
      launch(rotate_kernel<width, decltype(type)>, Launch{blocks_for(pairs, kBlock * width), kBlock}, in);
    });
  });
}

}  // namespace

const RopeKernels& rope_kernels() {
  static constexpr auto kTable = complete_table<RopeKernels>(rotate);
  return kTable;
}

}  // namespace athanor::cuda
