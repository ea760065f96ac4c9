#include "kernels/embedding.h"

#include "cpu/scatter.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

template <class T, class Table>
ATHANOR_INLINE void embed_rows(const EmbeddingArgs& args) {
  const int64_t channels = args.channels;
  for_row_blocks(args.rows, channels, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      T* out = static_cast<T*>(args.y) + row * channels;
      const Table* token = static_cast<const Table*>(args.token_table) + args.tokens[row] * channels;
      if (args.position_table == nullptr) {
        for_lanes(0, channels, [&](int64_t i, auto lanes) { store(out + i, load(token + i, lanes), lanes); });
      } else {
        const Table* position =
            static_cast<const Table*>(args.position_table) + args.positions[row] * channels;
        for_lanes(0, channels, [&](int64_t i, auto lanes) {
          store(out + i, load(token + i, lanes) + load(position + i, lanes), lanes);
        });
      }
    }
  });
}

void embedding_forward(const EmbeddingArgs& args) {
  for_dtype(args.dtype, [&](auto type) {
    for_dtype(args.table_dtype,
              [&](auto table_type) { embed_rows<decltype(type), decltype(table_type)>(args); });
  });
}

void embedding_backward(DType dtype, float* table, const void* dy, const int32_t* indices, int64_t rows,
                        int64_t channels) {
  for_dtype(dtype, [&](auto type) {
    scatter_add(table, static_cast<const decltype(type)*>(dy), indices, rows, channels);
  });
}

}  // namespace

constinit const EmbeddingKernels embedding_kernels_table =
    complete_table<EmbeddingKernels>(embedding_forward, embedding_backward);

}  // namespace athanor::cpu::ATHANOR_ISA
