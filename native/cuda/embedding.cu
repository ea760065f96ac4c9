#include "kernels/embedding.h"

#include "cuda/loops.h"
#include "cuda/scatter.h"

namespace athanor::cuda {
namespace {

/// One vector of channels per thread: reads 2 or 4 bytes per element of one or two tables, writes
/// 2 or 4.
template <int kWidth, class T, class Table>
__global__ void __launch_bounds__(kBlock) embedding_forward_kernel(EmbeddingArgs args) {
  const int64_t channels = args.channels;
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x) * kWidth;
  if (i >= args.rows * channels) return;
  const int64_t row = i / channels, c = i % channels;
  float x[kWidth];
  load(x, static_cast<const Table*>(args.token_table) + args.tokens[row] * channels + c);
  if (args.positions != nullptr) {
    float p[kWidth];
    load(p, static_cast<const Table*>(args.position_table) + args.positions[row] * channels + c);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) x[k] += p[k];
  }
  store(static_cast<T*>(args.y) + i, x);
}

void embedding_forward(const EmbeddingArgs& args) {
  const int64_t count = args.rows * args.channels;
  if (count == 0) return;
  const bool is_vector = are_vector_rows(args.channels, args.y, args.token_table, args.position_table);
  for_dtype(args.dtype, [&](auto type) {
    for_dtype(args.table_dtype, [&](auto table_type) {
      for_width(is_vector, [&](auto width) {
        launch(embedding_forward_kernel<width, decltype(type), decltype(table_type)>,
               Launch{blocks_for(count, kBlock * width), kBlock}, args);
      });
    });
  });
}

void embedding_backward(DType dtype, float* table, const void* dy, const int32_t* indices, int64_t rows,
                        int64_t channels) {
  for_dtype(dtype, [&](auto type) {
    scatter_add(table, static_cast<const decltype(type)*>(dy), indices, rows, channels);
  });
}

}  // namespace

const EmbeddingKernels& embedding_kernels() {
  static constexpr auto kTable = complete_table<EmbeddingKernels>(embedding_forward, embedding_backward);
  return kTable;
}

}  // namespace athanor::cuda
