// Flash attention backward (Dao et al., 2022, algorithm 4), on transposed blocks: S^T [keys,
// queries] has queries in the lanes, so the softmax statistics are vectors and P^T, dS^T are
// already the left operands of dV and dK. Only dS for dQ is transposed. A task is one (sequence,
// key-value head) with all its query heads and owns its whole output.

#include "core/thread_pool.h"
#include "cpu/attention_tiles.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

/// A row-major [rows, head_dim] slice of a wider matrix.
template <class T>
struct Rows {
  T* data;
  int64_t stride;
  T* row(int64_t i) const { return data + i * stride; }
  const uint32_t* lanes(int64_t i) const { return reinterpret_cast<const uint32_t*>(data + i * stride); }
};

template <class T>
struct HeadInputs {
  Rows<const T> q, k, v, out, dout;
  Rows<T> dq;
  const float* lse;
  int64_t lse_stride;
  int64_t length;
  const AttentionShape& shape;
};

/// Memory of one task: tiles of the whole sequence and f32 sums of dK and dV.
struct TaskScratch {
  uint32_t* k_along;
  float* dk;
  float* dv;
  static size_t bytes(int64_t blocks, const TileShape& s) {
    return static_cast<size_t>(blocks) * static_cast<size_t>(s.along_lanes() + 2 * kBlock * s.padded) * 4;
  }
  TaskScratch(void* memory, int64_t blocks, const TileShape& s) {
    k_along = static_cast<uint32_t*>(memory);
    dk = reinterpret_cast<float*>(k_along + blocks * s.along_lanes());
    dv = dk + blocks * kBlock * s.padded;
  }
};

/// Memory of one pair of blocks. Tiles are sized for the largest head_dim, 256, in f32.
struct PairScratch {
  alignas(64) uint32_t q_across[kBlock * 256];
  alignas(64) uint32_t q_along[kBlock * 256];
  alignas(64) uint32_t dout_across[kBlock * 256];
  alignas(64) uint32_t dout_along[kBlock * 256];
  alignas(64) float scores[kBlock * kBlock];   // S^T, then P^T as weights
  alignas(64) float dscores[kBlock * kBlock];  // dP^T, then dS^T
  alignas(64) uint32_t weights[kBlock * kBlock];
  alignas(64) uint32_t dweights[kBlock * kBlock];
  alignas(64) uint32_t dweights_by_query[kBlock * kBlock];
  alignas(64) float dq[kBlock * 256];
  alignas(64) float lse[kBlock];
  alignas(64) float delta[kBlock];
};

template <class T>
ATHANOR_INLINE float dot(const T* a, const T* b, int64_t n) {
  VecF total = zero();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) total = fma(load(a + i), load(b + i), total);
  if (i < n) {
    const int count = static_cast<int>(n - i);
    total = fma(load_partial(a + i, count), load_partial(b + i, count), total);
  }
  return reduce_add(total);
}

template <class T>
void load_queries(const HeadInputs<T>& in, int64_t first, int64_t present, const TileShape& shape,
                  PairScratch& s) {
  fill_across(s.q_across, in.q.row(first), in.q.stride, present, shape);
  fill_along(s.q_along, in.q.row(first), in.q.stride, present, shape);
  fill_across(s.dout_across, in.dout.row(first), in.dout.stride, present, shape);
  fill_along(s.dout_along, in.dout.row(first), in.dout.stride, present, shape);
  for (int64_t i = 0; i < kBlock; ++i) {
    const bool real = i < present;
    // An infinite denominator makes the weights of absent queries exactly zero.
    s.lse[i] = real ? in.lse[(first + i) * in.lse_stride] : __builtin_inff();
    s.delta[i] = real ? dot(in.dout.row(first + i), in.out.row(first + i), shape.head_dim) : 0.0f;
  }
  std::memset(s.dq, 0, static_cast<size_t>(kBlock * shape.padded) * 4);
}

/// S^T and dP^T become P^T and dS^T = P^T (dP^T - delta) scale, for `keys` rows. `apart` is the
/// distance from the keys' block to that of the queries. On the diagonal only the queries from a
/// key's own place on see it, and at the window's end only those that are near enough.
template <class T>
void to_weights(int64_t keys, int64_t apart, const AttentionShape& a, PairScratch& s) {
  const bool is_end = apart + kBlock > a.window;
  const float scale = a.scale, inner = a.softcap > 0 ? scale / a.softcap : 0;
  VecI lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  for (int64_t key = 0; key < keys; ++key) {
    T* weights = reinterpret_cast<T*>(s.weights + key * kBlock);
    T* dweights = reinterpret_cast<T*>(s.dweights + key * kBlock);
    float* dscores = s.dscores + key * kBlock;
    for (int64_t i = 0; i < kBlock; i += kLanes) {
      VecF score = load(s.scores + key * kBlock + i) * set1(scale), slope = set1(scale);
      if (a.softcap > 0) {
        const VecF t = tanh(load(s.scores + key * kBlock + i) * set1(inner));
        score = t * set1(a.softcap);
        slope = (set1(1.0f) - t) * (set1(1.0f) + t) * set1(scale);
      }
      VecF p = exp(score - load(s.lse + i));
      if (apart == 0) p = lane >= static_cast<int32_t>(key - i) ? p : zero();
      if (is_end) p = lane < static_cast<int32_t>(a.window - apart + key - i) ? p : zero();
      const VecF ds = p * (load(dscores + i) - load(s.delta + i)) * slope;
      store(weights + i, p);
      store(dweights + i, ds);
      store(dscores + i, ds);
    }
  }
}

/// dS [queries][keys] from dS^T, in the lanes that block_gemm reads; absent keys are zero.
template <class T>
void transpose_dscores(int64_t keys, PairScratch& s) {
  const int64_t present = round_up(keys, kLanes);
  for (int64_t key = keys; key < present; ++key)
    std::memset(s.dscores + key * kBlock, 0, static_cast<size_t>(kBlock) * 4);
  for (int64_t query = 0; query < kBlock; query += kLanes) {
    for (int64_t key = 0; key < present; key += kLanes) {
      VecU block[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i)
        block[i] = reinterpret_cast<VecU>(load(s.dscores + (key + i) * kBlock + query));
      transpose(block);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i)
        store(reinterpret_cast<T*>(s.dweights_by_query + (query + i) * kBlock) + key,
              reinterpret_cast<VecF>(block[i]));
    }
    for (int i = 0; i < kLanes; ++i) {
      T* row = reinterpret_cast<T*>(s.dweights_by_query + (query + i) * kBlock);
      std::memset(row + present, 0, static_cast<size_t>(kBlock - present) * sizeof(T));
    }
  }
}

/// One block of queries against one block of keys.
template <class T>
void backward_pair(const HeadInputs<T>& in, int64_t query_block, int64_t queries, int64_t key_block,
                   const TileShape& shape, const TaskScratch& task, PairScratch& s) {
  constexpr bool kPairs = std::is_same_v<T, bf16>;
  const int64_t key0 = key_block * kBlock;
  const int64_t keys = smaller(kBlock, in.length - key0);
  const int64_t padded = shape.padded, depth = shape.depth;
  block_gemm<kPairs>(keys, kBlock,
                     {in.k.lanes(key0), in.k.stride / depth, s.q_across, kGroupColumns, shape.group_lanes(),
                      s.scores, kBlock, shape.dim_steps(), false});
  block_gemm<kPairs>(keys, kBlock,
                     {in.v.lanes(key0), in.v.stride / depth, s.dout_across, kGroupColumns,
                      shape.group_lanes(), s.dscores, kBlock, shape.dim_steps(), false});
  to_weights<T>(keys, (query_block - key_block) * kBlock, in.shape, s);
  const int64_t steps = ceil_divide(queries, depth);
  block_gemm<kPairs>(
      keys, padded,
      {s.weights, kBlock, s.dout_along, padded, kGroupColumns, task.dv + key0 * padded, padded, steps, true});
  block_gemm<kPairs>(
      keys, padded,
      {s.dweights, kBlock, s.q_along, padded, kGroupColumns, task.dk + key0 * padded, padded, steps, true});
  transpose_dscores<T>(keys, s);
  block_gemm<kPairs>(queries, padded,
                     {s.dweights_by_query, kBlock, task.k_along + key_block * shape.along_lanes(), padded,
                      kGroupColumns, s.dq, padded, ceil_divide(keys, depth), true});
}

template <class T>
void store_rows(const Rows<T>& rows, int64_t first, int64_t count, const float* values,
                const TileShape& shape) {
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t d = 0; d < shape.head_dim; d += kLanes) {
      const VecF value = load(values + i * shape.padded + d);
      T* out = rows.row(first + i) + d;
      const int lanes = static_cast<int>(smaller<int64_t>(kLanes, shape.head_dim - d));
      if (lanes == kLanes) {
        store(out, value);
      } else {
        store_partial(out, value, lanes);
      }
    }
  }
}

template <class T>
void backward_head(const HeadInputs<T>& in, const TileShape& shape, const TaskScratch& task, PairScratch& s) {
  for (int64_t block = 0; block * kBlock < in.length; ++block) {
    const int64_t first = block * kBlock;
    const int64_t queries = smaller(kBlock, in.length - first);
    load_queries(in, first, queries, shape, s);
    for (int64_t key_block = in.shape.first_key(first) / kBlock; key_block <= block; ++key_block)
      backward_pair(in, block, queries, key_block, shape, task, s);
    store_rows(in.dq, first, queries, s.dq, shape);
  }
}

template <class T>
void backward_typed(const AttentionShape& a, const T* dout, const T* qkv, const T* out, const float* lse,
                    T* dqkv) {
  const TileShape shape(a.head_dim, a.dtype);
  const int64_t width = (a.heads + 2 * a.kv_heads) * a.head_dim, out_width = a.heads * a.head_dim;
  const int64_t group = a.heads / a.kv_heads;
  parallel_for(a.sequences * a.kv_heads, [&](int64_t index) {
    const int64_t sequence = index / a.kv_heads, kv = index % a.kv_heads;
    const int64_t row = a.cu_seqlens[sequence], length = a.cu_seqlens[sequence + 1] - row;
    if (length == 0) return;
    const int64_t blocks = ceil_divide(length, kBlock);
    const size_t pair_bytes = round_up(sizeof(PairScratch), 64);
    auto* memory = static_cast<char*>(thread_scratch(pair_bytes + TaskScratch::bytes(blocks, shape) + 64));
    auto& pair = *reinterpret_cast<PairScratch*>(memory);
    const TaskScratch task(memory + pair_bytes, blocks, shape);
    const int64_t k_column = (a.heads + kv) * a.head_dim, v_column = k_column + a.kv_heads * a.head_dim;
    const Rows<const T> k{qkv + row * width + k_column, width}, v{qkv + row * width + v_column, width};
    for (int64_t b = 0; b < blocks; ++b)
      fill_along(task.k_along + b * shape.along_lanes(), k.row(b * kBlock), width,
                 smaller(kBlock, length - b * kBlock), shape);
    std::memset(task.dk, 0, static_cast<size_t>(2 * blocks * kBlock * shape.padded) * 4);
    for (int64_t h = kv * group; h < (kv + 1) * group; ++h) {
      const int64_t q_column = h * a.head_dim;
      backward_head<T>({{qkv + row * width + q_column, width},
                        k,
                        v,
                        {out + row * out_width + q_column, out_width},
                        {dout + row * out_width + q_column, out_width},
                        {dqkv + row * width + q_column, width},
                        lse + row * a.heads + h,
                        a.heads,
                        length,
                        a},
                       shape, task, pair);
    }
    store_rows<T>({dqkv + row * width + k_column, width}, 0, length, task.dk, shape);
    store_rows<T>({dqkv + row * width + v_column, width}, 0, length, task.dv, shape);
  });
}

}  // namespace

void attention_backward(const AttentionShape& a, const void* dout, const void* qkv, const void* out,
                        const float* lse, void* dqkv) {
  if (a.dtype == DType::kF32) {
    backward_typed(a, static_cast<const float*>(dout), static_cast<const float*>(qkv),
                   static_cast<const float*>(out), lse, static_cast<float*>(dqkv));
  } else {
    backward_typed(a, static_cast<const bf16*>(dout), static_cast<const bf16*>(qkv),
                   static_cast<const bf16*>(out), lse, static_cast<bf16*>(dqkv));
  }
}

}  // namespace athanor::cpu::ATHANOR_ISA
