// The parts that the two forward paths of attention share: arguments, and the softmax over
// accumulators, whose layout in a warp is the same for mma.sync and wgmma.
#pragma once

#include "cuda/attention/tiles.h"
#include "kernels/attention.h"

namespace athanor::cuda {

struct ForwardArgs {
  bf16* out;
  float* lse;  // null when not wanted
  const bf16* qkv;
  const int32_t* starts;
  int64_t tokens, sequences;
  int heads, kv_heads, head_dim;
  // Scores are multiplied by cap_exponent in capped_score if there is a cap. What comes out, capped
  // or not, times scale_log2 is the exponent of the weight, base 2.
  bool is_capped;
  float cap_exponent, scale_log2;
  int window;
  // Keys and values of the cache; null: those in qkv.
  const bf16* cached_keys;
  const bf16* cached_values;
  const int32_t* slots;
  const int32_t* past_lengths;
  int64_t slot_count, capacity;
  int padded_dim;

  __host__ __device__ int width() const { return (heads + 2 * kv_heads) * head_dim; }
  __device__ int out_width() const { return heads * head_dim; }
  __device__ int64_t cache_row(int sequence, int kv_head) const {
    return static_cast<int64_t>(slots[sequence] * kv_heads + kv_head) * capacity;
  }
};

/// Running statistics of the two rows that a lane has of each 16 rows.
struct RowState {
  // Below every score, and finite: where a row's window begins after a tile, it sees nothing yet.
  float top[2] = {-1e30f, -1e30f};
  float sum[2] = {0.0f, 0.0f};
};

/// Turns scores into weights; earlier sums have to be multiplied by the correction.
template <int kCount>
__device__ __forceinline__ void softmax_step(float (&scores)[kCount][4], RowState& state,
                                             float (&correction)[2], float scale_log2) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float top = state.top[half];
#pragma unroll
    for (int n = 0; n < kCount; ++n) {
      top = fmaxf(top, fmaxf(scores[n][half * 2], scores[n][half * 2 + 1]));
    }
    top = fmaxf(top, __shfl_xor_sync(kAllLanes, top, 1));
    top = fmaxf(top, __shfl_xor_sync(kAllLanes, top, 2));
    correction[half] = exp2_approximate((state.top[half] - top) * scale_log2);
    const float shift = top * scale_log2;
    state.top[half] = top;
    float sum = 0;
#pragma unroll
    for (int n = 0; n < kCount; ++n) {
#pragma unroll
      for (int i = half * 2; i < half * 2 + 2; ++i) {
        scores[n][i] = exp2_approximate(fmaf(scores[n][i], scale_log2, -shift));
        sum += scores[n][i];
      }
    }
    state.sum[half] = state.sum[half] * correction[half] + sum;
  }
}

template <int kCount>
__device__ __forceinline__ void rescale(float (&out)[kCount][4], const float (&correction)[2]) {
#pragma unroll
  for (int n = 0; n < kCount; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) out[n][i] *= correction[i / 2];
  }
}

/// Scores become tanh of the scaled scores over the cap.
template <int kCount>
__device__ __forceinline__ void cap_scores(float (&scores)[kCount][4], float cap_exponent) {
#pragma unroll
  for (int n = 0; n < kCount; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) scores[n][i] = capped_score(scores[n][i], cap_exponent);
  }
}

/// Hides the keys after a lane's rows and those before their windows: `first_key` is the tile's
/// first key, `position` the position of the warp's row 0.
template <int kCount>
__device__ __forceinline__ void mask_scores(float (&scores)[kCount][4], int first_key, int position,
                                            int window) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int n = 0; n < kCount; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int key = first_key + n * 8 + lane % 4 * 2 + i % 2;
      // Keys after the row are at a distance that is negative, and so a large unsigned number.
      const int distance = position + lane / 4 + i / 2 * 8 - key;
      if (static_cast<unsigned>(distance) >= static_cast<unsigned>(window)) scores[n][i] = -INFINITY;
    }
  }
}

/// Writes 16 rows from `first` of the sequence on: the outputs, divided by the sums, and lse.
template <int kDim>
__device__ __forceinline__ void store_outputs(const ForwardArgs& a, const TilePlace& place, int head,
                                              int first, const float (&out)[kDim / 8][4],
                                              const RowState& state) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  float inverse[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float sum = state.sum[half];
    sum += __shfl_xor_sync(kAllLanes, sum, 1);
    sum += __shfl_xor_sync(kAllLanes, sum, 2);
    inverse[half] = 1.0f / sum;
    const int row = first + lane / 4 + half * 8;
    if (a.lse != nullptr && lane % 4 == 0 && row < place.length) {
      a.lse[(place.start + row) * a.heads + head] = (state.top[half] * a.scale_log2 + log2f(sum)) * kLn2;
    }
  }
  store_rows<kDim>(a.out + place.start * a.out_width() + head * a.head_dim, a.out_width(), out, first,
                   place.length, a.head_dim, inverse);
}

/// Kernels for the same results. Rows of one path have the same bits whether the cache is
/// used or not.
enum class AttentionPath {
  kMma,    // mma.sync, sm_80 and later: forward_mma.cu, backward_mma.cu
  kWgmma,  // wgmma and tensor copies, sm_90a, head sizes 64 and 128, no cap: *_wgmma.cu
};
/// The fastest path that the device has for a head size, and for scores with a cap (0: none).
AttentionPath attention_path(int64_t head_dim, float softcap);
/// The kernels with a given path, for tests and benchmarks.
const AttentionKernels& attention_kernels(AttentionPath path);

void launch_forward_mma(const ForwardArgs& args);
void launch_forward_wgmma(const ForwardArgs& args);
void launch_backward(const AttentionShape& shape, const void* dout, const void* qkv, const void* out,
                     const float* lse, void* dqkv, AttentionPath path);

}  // namespace athanor::cuda
