#include "kernels/embedding.h"

#include "cpu/scatter.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

template <class T, class Table>
ATHANOR_INLINE void embed_rows(T* y, const int32_t* tokens, const int32_t* positions,
                               const Table* token_table, const Table* position_table, int64_t rows,
                               int64_t channels) {
  for_row_blocks(rows, channels, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      T* out = y + row * channels;
      const Table* token = token_table + tokens[row] * channels;
      if (position_table == nullptr) {
        for_lanes(0, channels, [&](int64_t i, auto lanes) { store(out + i, load(token + i, lanes), lanes); });
      } else {
        const Table* position = position_table + positions[row] * channels;
        for_lanes(0, channels, [&](int64_t i, auto lanes) {
          store(out + i, load(token + i, lanes) + load(position + i, lanes), lanes);
        });
      }
    }
  });
}

void embedding_forward(DType dtype, void* y, const int32_t* tokens, const int32_t* positions,
                       DType table_dtype, const void* token_table, const void* position_table, int64_t rows,
                       int64_t channels) {
  for_dtype(dtype, [&](auto type) {
    for_dtype(table_dtype, [&](auto table_type) {
      using Table = decltype(table_type);
      embed_rows(static_cast<decltype(type)*>(y), tokens, positions, static_cast<const Table*>(token_table),
                 static_cast<const Table*>(position_table), rows, channels);
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
