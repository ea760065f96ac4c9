#include "kernels/embedding.h"

#include "cpu/scatter.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

void embedding_forward(DType dtype, void* y, const int32_t* tokens, const int32_t* positions,
                       const float* token_table, const float* position_table, int64_t rows,
                       int64_t channels) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    for_row_blocks(rows, channels, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        T* out = static_cast<T*>(y) + row * channels;
        const float* token = token_table + tokens[row] * channels;
        if (position_table == nullptr) {
          for_lanes(0, channels,
                    [&](int64_t i, auto lanes) { store(out + i, load(token + i, lanes), lanes); });
        } else {
          const float* position = position_table + positions[row] * channels;
          for_lanes(0, channels, [&](int64_t i, auto lanes) {
            store(out + i, load(token + i, lanes) + load(position + i, lanes), lanes);
          });
        }
      }
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

const EmbeddingKernels embedding_kernels_table = {embedding_forward, embedding_backward};

}  // namespace athanor::cpu::ATHANOR_ISA
