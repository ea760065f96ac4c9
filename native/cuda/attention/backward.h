// The parts that the two backward paths of attention share: arguments, and the statistics of each
// row of the softmax.
#pragma once

#include "cuda/attention/tiles.h"
#include "kernels/attention.h"

namespace athanor::cuda {

/// The statistics of 64 rows of a sequence and one head. Rows past its end have weights of 0: their
/// shift is infinite.
struct RowStatistics {
  static constexpr int kRows = 64;
  float shift[kRows];  // lse * log2 e
  float delta[kRows];  // the sum of dout * out
};

struct BackwardArgs {
  bf16* dqkv;
  const bf16* dout;
  const bf16* qkv;
  const RowStatistics* statistics;  // [heads, statistics_tiles]; tiles of 64 rows as in tile_place
  const int32_t* starts;
  int64_t tokens, sequences;
  int heads, kv_heads, head_dim, statistics_tiles;
  float scale, cap_exponent, scale_log2;  // the last two and is_capped as in ForwardArgs
  bool is_capped;
  int window;

  __host__ __device__ int width() const { return (heads + 2 * kv_heads) * head_dim; }
  __host__ __device__ int out_width() const { return heads * head_dim; }
  __device__ int column(int head) const { return head * head_dim; }
  __device__ int key_column(int kv_head) const { return column(heads + kv_head); }
  __device__ int value_column(int kv_head) const { return column(heads + kv_heads + kv_head); }
  /// The statistics of a sequence's rows from `row` on, a multiple of 64.
  __device__ const RowStatistics* statistics_of(const TilePlace& place, int head, int row) const {
    const int tile =
        static_cast<int>(place.start) / RowStatistics::kRows + place.sequence + row / RowStatistics::kRows;
    return statistics + static_cast<int64_t>(head) * statistics_tiles + tile;
  }
};

void launch_backward_mma(const BackwardArgs& args);
void launch_backward_wgmma(const BackwardArgs& args);

}  // namespace athanor::cuda
