#include "kernels/embedding.h"

#include "cuda/loops.h"
#include "cuda/scatter.h"

namespace athanor::cuda {
namespace {

/// One vector of channels a thread: reads 2 or 4 bytes of one or two tables and writes 2 or 4 an element.
template <int kWidth, class T, class Table>
__global__ void __launch_bounds__(kBlock)
    embedding_forward_kernel(T* y, const int32_t* tokens, const int32_t* positions, const Table* token_table,
                             const Table* position_table, int64_t rows, int64_t channels) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x) * kWidth;
  if (i >= rows * channels) return;
  const int64_t row = i / channels, c = i % channels;
  float x[kWidth];
  load(x, token_table + tokens[row] * channels + c);
  if (positions != nullptr) {
    float p[kWidth];
    load(p, position_table + positions[row] * channels + c);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) x[k] += p[k];
  }
  store(y + i, x);
}

void embedding_forward(DType dtype, void* y, const int32_t* tokens, const int32_t* positions,
                       DType table_dtype, const void* token_table, const void* position_table, int64_t rows,
                       int64_t channels) {
  if (rows * channels == 0) return;
  for_dtype(dtype, [&](auto type) {
    for_dtype(table_dtype, [&](auto table_type) {
      using T = decltype(type);
      using Table = decltype(table_type);
      for_width(are_vector_rows(channels, y, token_table, position_table), [&](auto width) {
        launch(embedding_forward_kernel<width, T, Table>,
               Launch{blocks_for(rows * channels, kBlock * width), kBlock}, static_cast<T*>(y), tokens,
               positions, static_cast<const Table*>(token_table), static_cast<const Table*>(position_table),
               rows, channels);
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
  static constexpr EmbeddingKernels kTable = {embedding_forward, embedding_backward};
  return kTable;
}

}  // namespace athanor::cuda
