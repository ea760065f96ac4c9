#include "kernels/rows.h"

#include "cuda/column_sum.h"
#include "cuda/loops.h"
#include "cuda/scatter.h"

namespace athanor::cuda {
namespace {

/// A thread copies one Word, the largest that divides the row.
template <class Word>
__global__ void __launch_bounds__(kBlock)
    gather_kernel(Word* out, const Word* x, const int32_t* indices, int64_t rows, int64_t row_words) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (i >= rows * row_words) return;
  out[i] = x[indices[i / row_words] * row_words + i % row_words];
}

template <class Word>
bool gather_words(void* out, const void* x, const int32_t* indices, int64_t rows, int64_t row_bytes) {
  constexpr auto kBytes = static_cast<int64_t>(sizeof(Word));
  const auto fits = [&](const void* p) { return reinterpret_cast<uintptr_t>(p) % kBytes == 0; };
  if (row_bytes % kBytes != 0 || !fits(out) || !fits(x)) return false;
  launch(gather_kernel<Word>, Launch{blocks_for(rows * row_bytes / kBytes, kBlock), kBlock},
         static_cast<Word*>(out), static_cast<const Word*>(x), indices, rows, row_bytes / kBytes);
  return true;
}

void gather(void* out, const void* x, const int32_t* indices, int64_t rows, int64_t row_bytes) {
  if (rows * row_bytes == 0) return;
  gather_words<uint4>(out, x, indices, rows, row_bytes) ||
      gather_words<uint32_t>(out, x, indices, rows, row_bytes) ||
      gather_words<uint16_t>(out, x, indices, rows, row_bytes) ||
      gather_words<uint8_t>(out, x, indices, rows, row_bytes);
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
  fill_zero(out, static_cast<size_t>(channels) * sizeof(float));
  add_column_sums(dtype, out, x, rows, channels, channels);
}

// A tile of 32 x 32 elements goes through shared memory, so that a warp both reads and writes
// contiguous runs. A column of padding puts the 32 elements of a column into different banks.
constexpr int kTile = 32, kTileRows = 8;

template <class Word>
__global__ void __launch_bounds__(kTile* kTileRows)
    transpose_kernel(Word* out, const Word* x, int64_t rows, int64_t channels) {
  ATHANOR_SHARED(Word, tile, [kTile][kTile + 1]);
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kTile,
                column = static_cast<int64_t>(blockIdx.y) * kTile;
  for (int64_t i = threadIdx.y; i < kTile; i += kTileRows) {
    const int64_t c = column + threadIdx.x;
    if (row + i < rows && c < channels) tile[i][threadIdx.x] = x[(row + i) * channels + c];
  }
  __syncthreads();
  for (int64_t i = threadIdx.y; i < kTile; i += kTileRows) {
    const int64_t r = row + threadIdx.x;
    if (column + i < channels && r < rows) out[(column + i) * rows + r] = tile[threadIdx.x][i];
  }
}

template <class Word>
void transpose_words(void* out, const void* x, int64_t rows, int64_t channels) {
  const dim3 grid(blocks_for(rows, kTile), blocks_for(channels, kTile));
  launch(transpose_kernel<Word>, Launch{grid, dim3(kTile, kTileRows)}, static_cast<Word*>(out),
         static_cast<const Word*>(x), rows, channels);
}

void transpose(void* out, const void* x, int64_t rows, int64_t channels, int64_t element_bytes) {
  if (rows * channels == 0) return;
  switch (element_bytes) {
    case 1: return transpose_words<uint8_t>(out, x, rows, channels);
    case 2: return transpose_words<uint16_t>(out, x, rows, channels);
    default: return transpose_words<uint32_t>(out, x, rows, channels);
  }
}

}  // namespace

const RowsKernels& rows_kernels() {
  static constexpr auto kTable = complete_table<RowsKernels>(gather, scatter_add_rows, column_sum, transpose);
  return kTable;
}

}  // namespace athanor::cuda
