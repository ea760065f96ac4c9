// The computation of a query row over the key blocks, which training and decoding share to
// the bit: scores of a block, softmax with a running maximum and sum, weighted values (Dao et
// al., 2022; 2023).
#pragma once

#include "cpu/attention_tiles.h"

namespace athanor::cpu::ATHANOR_ISA {

// Queries that visit a key block together: four tiles of the micro-kernel, so that a block fetched
// into L1 is used four times, while the running outputs (24 x 64 f32, 6 KiB) stay there too.
constexpr int64_t kQueries = 4 * kBlockRows;

/// Tiles of one (sequence, key-value head), block after block.
struct KeyValueTiles {
  const uint32_t* keys;    // across
  const uint32_t* values;  // along
};

template <class T>
struct QueryRows {
  const T* q;        // row 0, this head
  int64_t q_stride;  // elements
  T* out;
  int64_t out_stride;
  float* lse;  // null when not wanted
  int64_t lse_stride;
  int64_t first_position;  // of row 0 in its sequence
  int64_t count;
};

/// Scratch of one query group, in L1.
struct RowState {
  alignas(64) float scores[kQueries * kBlock];
  alignas(64) uint32_t weights[kQueries * kBlock];
  alignas(64) float outputs[kQueries * 256];
  // Rounded up to whole vectors for the pass over corrections.
  alignas(64) float correction[round_up(kQueries, kLanes)];
  float maximum[kQueries];
  float sum[kQueries];

  void start(int64_t rows, int64_t padded) {
    std::memset(outputs, 0, static_cast<size_t>(rows * padded) * 4);
    for (int64_t r = 0; r < rows; ++r) {
      maximum[r] = -__builtin_inff();
      sum[r] = 0.0f;
    }
  }
};

/// Hides the keys that a row does not see: only the first `visible` of a block count.
ATHANOR_INLINE void mask_row(float* scores, int64_t visible, int vectors) {
  VecI lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  for (int v = 0; v < vectors; ++v) {
    const VecI seen = lane < static_cast<int32_t>(visible - v * kLanes);
    store(scores + v * kLanes, seen ? load(scores + v * kLanes) : set1(-__builtin_inff()));
  }
}

/// Hides the first `hidden` keys of a block, which lie before a row's window.
ATHANOR_INLINE void mask_before(float* scores, int64_t hidden, int vectors) {
  VecI lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  for (int v = 0; v < vectors; ++v) {
    const VecI seen = lane >= static_cast<int32_t>(hidden - v * kLanes);
    store(scores + v * kLanes, seen ? load(scores + v * kLanes) : set1(-__builtin_inff()));
  }
}

/// Scaled scores, capped. softmax_step then takes them as they are.
ATHANOR_INLINE void cap_row(float* scores, int vectors, float scale, float softcap) {
  const VecF inner = set1(scale / softcap), outer = set1(softcap);
  for (int v = 0; v < vectors; ++v)
    store(scores + v * kLanes, tanh(load(scores + v * kLanes) * inner) * outer);
}

/// What is left to multiply scores by in the softmax.
ATHANOR_INLINE float softmax_scale(const AttentionShape& a) { return a.softcap > 0 ? 1.0f : a.scale; }

/// Takes rows [first, count) through one key block: scores become weights, the running maximum and
/// sum are updated, and the outputs so far are rescaled. It does so in three passes, so that the
/// rescaling factors of all rows are computed as one vector.
template <class T>
void softmax_step(RowState& state, int64_t first, int64_t count, int vectors, float scale, int64_t padded) {
  for (int64_t r = first; r < count; ++r) {
    const float* scores = state.scores + r * kBlock;
    VecF best = load(scores);
    for (int v = 1; v < vectors; ++v) best = max(load(scores + v * kLanes), best);
    const float block_max = reduce_max(best);
    const float before = state.maximum[r];
    const float now = block_max > before ? block_max : before;
    state.maximum[r] = now;
    state.correction[r] = (before - now) * scale;
  }
  for (int64_t r = 0; r < count; r += kLanes) store(state.correction + r, exp(load(state.correction + r)));
  const VecF factor = set1(scale);
  for (int64_t r = first; r < count; ++r) {
    const float* scores = state.scores + r * kBlock;
    T* weights = reinterpret_cast<T*>(state.weights + r * kBlock);
    const VecF shift = set1(state.maximum[r]);
    VecF total = zero();
    for (int v = 0; v < vectors; ++v) {
      const VecF p = exp((load(scores + v * kLanes) - shift) * factor);
      total += p;
      store(weights + v * kLanes, p);
    }
    const float correction = state.correction[r];
    state.sum[r] = state.sum[r] * correction + reduce_add(total);
    if (correction == 1.0f) continue;
    float* out = state.outputs + r * padded;
    for (int64_t d = 0; d < padded; d += kLanes) store(out + d, load(out + d) * set1(correction));
  }
}

/// The outputs of row r, divided by the sum of its weights.
template <class T>
ATHANOR_INLINE void store_row(T* out, const RowState& state, int64_t r, const TileShape& shape) {
  const VecF inverse = set1(1.0f / state.sum[r]);
  for (int64_t d = 0; d < shape.head_dim; d += kLanes) {
    const int lanes = static_cast<int>(smaller<int64_t>(kLanes, shape.head_dim - d));
    // Plus zero: a sum of zeros is +0 whether or not more zeros of the other sign were added.
    const VecF value = fma(load(state.outputs + r * shape.padded + d), inverse, zero());
    if (lanes == kLanes) {
      store(out + d, value);
    } else {
      store_partial(out + d, value, lanes);
    }
  }
}

template <class T>
void attend_group(const QueryRows<T>& rows, int64_t first, int64_t count, const KeyValueTiles& tiles,
                  const TileShape& shape, const AttentionShape& a, RowState& state) {
  constexpr bool kPairs = std::is_same_v<T, bf16>;
  const int64_t padded = shape.padded;
  const float scale = softmax_scale(a);
  state.start(count, padded);
  const int64_t start = rows.first_position + first;
  const auto* q = reinterpret_cast<const uint32_t*>(rows.q + first * rows.q_stride);
  const int64_t blocks = ceil_divide(start + count, kBlock);
  for (int64_t block = a.first_key(start) / kBlock; block < blocks; ++block) {
    const int64_t key0 = block * kBlock;
    // Rows before the block see none of it; they are the group's first.
    const int64_t skip = larger<int64_t>(0, key0 - start);
    // Rows whose windows begin after the block are the group's last.
    const int64_t end = smaller(count, key0 + kBlock - 1 + a.window - start);
    const int64_t active = end - skip;
    // Leave out keys that the last of these rows does not see; a key that adds zero changes no bit.
    const int64_t visible = smaller(kBlock, start + end - key0);
    const int64_t columns = round_up(visible, kLanes);
    const int vectors = static_cast<int>(columns / kLanes);
    block_gemm<kPairs>(active, columns,
                       {q + skip * rows.q_stride / shape.depth, rows.q_stride / shape.depth,
                        tiles.keys + block * shape.across_lanes(), kGroupColumns, shape.group_lanes(),
                        state.scores + skip * kBlock, kBlock, shape.dim_steps(), false});
    for (int64_t r = skip; a.softcap > 0 && r < end; ++r)
      cap_row(state.scores + r * kBlock, vectors, a.scale, a.softcap);
    for (int64_t r = skip; r < end && start + r + 1 - key0 < kBlock; ++r)
      mask_row(state.scores + r * kBlock, start + r + 1 - key0, vectors);
    for (int64_t r = end - 1; r >= skip && a.first_key(start + r) > key0; --r)
      mask_before(state.scores + r * kBlock, a.first_key(start + r) - key0, vectors);
    softmax_step<T>(state, skip, end, vectors, scale, padded);
    block_gemm<kPairs>(
        active, padded,
        {state.weights + skip * kBlock, kBlock, tiles.values + block * shape.along_lanes(), padded,
         kGroupColumns, state.outputs + skip * padded, padded, ceil_divide(visible, shape.depth), true});
  }
  for (int64_t r = 0; r < count; ++r) {
    store_row(rows.out + (first + r) * rows.out_stride, state, r, shape);
    if (rows.lse)
      rows.lse[(first + r) * rows.lse_stride] = state.maximum[r] * scale + __builtin_logf(state.sum[r]);
  }
}

/// One head's queries of one sequence against its tiles.
template <class T>
void attend(const QueryRows<T>& rows, const KeyValueTiles& tiles, const TileShape& shape,
            const AttentionShape& a) {
  RowState state;
  for (int64_t first = 0; first < rows.count; first += kQueries)
    attend_group(rows, first, smaller(kQueries, rows.count - first), tiles, shape, a, state);
}

template <class T>
QueryRows<T> query_rows(const AttentionShape& a, const void* qkv, void* out, float* lse, int64_t row,
                        int64_t head, int64_t position, int64_t count) {
  const int64_t width = (a.heads + 2 * a.kv_heads) * a.head_dim;
  return {static_cast<const T*>(qkv) + row * width + head * a.head_dim,
          width,
          static_cast<T*>(out) + (row * a.heads + head) * a.head_dim,
          a.heads * a.head_dim,
          lse ? lse + row * a.heads + head : nullptr,
          a.heads,
          position,
          count};
}

/// Row 0 of key head `kv` (value head with `part` 1) in the rows of qkv from `row`.
template <class T>
const T* kv_rows(const AttentionShape& a, const void* qkv, int64_t row, int64_t kv, int64_t part) {
  const int64_t width = (a.heads + 2 * a.kv_heads) * a.head_dim;
  return static_cast<const T*>(qkv) + row * width + (a.heads + part * a.kv_heads + kv) * a.head_dim;
}

}  // namespace athanor::cpu::ATHANOR_ISA
