#include "kernels/rows.h"

#include "cpu/column_sum.h"
#include "cpu/scatter.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

void gather(void* out, const void* x, const int32_t* indices, int64_t rows, int64_t row_bytes) {
  for_row_blocks(rows, row_bytes / 4, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      std::memcpy(static_cast<char*>(out) + row * row_bytes,
                  static_cast<const char*>(x) + indices[row] * row_bytes, static_cast<size_t>(row_bytes));
    }
  });
}

void scatter_add_rows(DType target_dtype, void* target, DType source_dtype, const void* source,
                      const int32_t* indices, int64_t rows, int64_t channels) {
  for_dtype(target_dtype, [&](auto target_type) {
    for_dtype(source_dtype, [&](auto source_type) {
      scatter_add(static_cast<decltype(target_type)*>(target),
                  static_cast<const decltype(source_type)*>(source), indices, rows, channels);
    });
  });
}

void column_sum(DType dtype, float* out, const void* x, int64_t rows, int64_t channels) {
  const int64_t block_rows = sum_block_rows(rows);
  const int64_t blocks = ceil_divide(rows, block_rows);
  auto* partial = static_cast<float*>(thread_scratch(static_cast<size_t>(blocks * channels) * sizeof(float)));
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    parallel_for(blocks, [&](int64_t block) {
      float* sums = partial + block * channels;
      for (int64_t i = 0; i < channels; ++i) sums[i] = 0.0f;
      for (int64_t row = block * block_rows; row < smaller(rows, (block + 1) * block_rows); ++row) {
        const T* in = static_cast<const T*>(x) + row * channels;
        for_lanes(0, channels, [&](int64_t i, auto lanes) {
          store(sums + i, load(sums + i, lanes) + load(in + i, lanes), lanes);
        });
      }
    });
  });
  for (int64_t i = 0; i < channels; ++i) out[i] = 0.0f;
  add_partial_rows(out, partial, channels, blocks, channels);
}

// A tile goes through a buffer, so that memory is read and written in runs of kTile elements:
// reading down the columns of a matrix whose width is a power of two would map them all to
// one cache set.
constexpr int64_t kTile = 64;

template <class T>
ATHANOR_INLINE void transpose_elements(T* out, const T* x, int64_t rows, int64_t channels) {
  const int64_t column_tiles = ceil_divide(channels, kTile);
  parallel_for(ceil_divide(rows, kTile) * column_tiles, [&](int64_t tile) {
    T buffer[kTile][kTile];
    const int64_t row = tile / column_tiles * kTile, column = tile % column_tiles * kTile;
    const int64_t height = smaller(kTile, rows - row), width = smaller(kTile, channels - column);
    for (int64_t i = 0; i < height; ++i)
      for (int64_t j = 0; j < width; ++j) buffer[j][i] = x[(row + i) * channels + column + j];
    for (int64_t j = 0; j < width; ++j)
      for (int64_t i = 0; i < height; ++i) out[(column + j) * rows + row + i] = buffer[j][i];
  });
}

void transpose(void* out, const void* x, int64_t rows, int64_t channels, int64_t element_bytes) {
  switch (element_bytes) {
    case 1:
      return transpose_elements(static_cast<uint8_t*>(out), static_cast<const uint8_t*>(x), rows, channels);
    case 2:
      return transpose_elements(static_cast<uint16_t*>(out), static_cast<const uint16_t*>(x), rows, channels);
    default:
      return transpose_elements(static_cast<uint32_t*>(out), static_cast<const uint32_t*>(x), rows, channels);
  }
}

}  // namespace

constinit const RowsKernels rows_kernels_table =
    complete_table<RowsKernels>(gather, scatter_add_rows, column_sum, transpose);

}  // namespace athanor::cpu::ATHANOR_ISA
