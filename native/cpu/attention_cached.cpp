// Attention over the cache. A prompt's queries go block by block as in the full pass. A sequence
// that brings one token is bound by memory and by the latency of multiply-adds, so its heads are
// taken two at a time.
#include "core/thread_pool.h"
#include "cpu/attention_rows.h"
#include "kernels/attention.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

// One head has four chains of multiply-adds, and eight cover their latency. Three or six heads at
// once were no faster.
constexpr int kHeads = 2;

// Keys and values of at least so many bytes come from memory.
constexpr int64_t kCacheBytes = 1 << 20;

/// One call's cache. An item is a (sequence, key-value head) pair.
template <class T>
class CachedAttention {
 public:
  CachedAttention(const AttentionShape& a, const AttentionCache& cache, const void* qkv, void* out)
      : a_(a), cache_(cache), shape_(a.head_dim, a.dtype), qkv_(qkv), out_(out) {
    int64_t tokens = 0;
    for (int64_t i = 0; i < a.sequences; ++i) tokens += cache.past_lengths[i];
    const int64_t token_bytes = 2 * a.kv_heads * shape_.padded * static_cast<int64_t>(sizeof(T));
    exceeds_cache_ = tokens * token_bytes > kCacheBytes;
  }

  int64_t items() const { return a_.sequences * a_.kv_heads; }

  void run(int64_t begin, int64_t end) const {
    for (int64_t item = begin; item < end;) {
      if (added(item) != 1) {
        append(item);
        attend_all(item++);
        continue;
      }
      const int64_t left = smaller(end - item, a_.kv_heads - item % a_.kv_heads);
      // Heads are taken together whether they share keys and values or not.
      const int64_t count = group() > 1 ? 1 : smaller<int64_t>(kHeads, left);
      const int64_t next = smaller(item + count, items() - 1);
      const Coming coming{next, exceeds_cache_ ? smaller(next + count, items() - 1) : next};
      for (int64_t i = 0; i < count; ++i) append(item + i);
      if (group() == 1) {
        decode(item, coming, 0, count);
      } else {
        for (int64_t h = 0; h < group(); h += kHeads)
          decode(item, coming, h, smaller<int64_t>(kHeads, group() - h));
      }
      item += count;
    }
  }

 private:
  struct Tiles {
    uint32_t* keys;
    uint32_t* values;
  };

  int64_t group() const { return a_.heads / a_.kv_heads; }
  int64_t row(int64_t item) const { return a_.cu_seqlens[item / a_.kv_heads]; }
  int64_t added(int64_t item) const { return a_.cu_seqlens[item / a_.kv_heads + 1] - row(item); }
  int64_t past(int64_t item) const { return cache_.past_lengths[item / a_.kv_heads]; }
  int64_t blocks() const { return cache_.capacity / kBlock; }

  Tiles tiles(int64_t item) const {
    const int64_t head = cache_.slots[item / a_.kv_heads] * a_.kv_heads + item % a_.kv_heads;
    return {static_cast<uint32_t*>(cache_.keys) + head * blocks() * shape_.across_lanes(),
            static_cast<uint32_t*>(cache_.values) + head * blocks() * shape_.along_lanes()};
  }

  void append(int64_t item) const {
    const Tiles to = tiles(item);
    const int64_t kv = item % a_.kv_heads;
    for (int64_t i = 0; i < added(item); ++i) {
      const int64_t block = (past(item) + i) / kBlock, index = (past(item) + i) % kBlock;
      append_across(to.keys + block * shape_.across_lanes(), kv_rows<T>(a_, qkv_, row(item) + i, kv, 0),
                    index, shape_);
      append_along(to.values + block * shape_.along_lanes(), kv_rows<T>(a_, qkv_, row(item) + i, kv, 1),
                   index, shape_);
    }
  }

  void attend_all(int64_t item) const {
    const Tiles from = tiles(item);
    for (int64_t h = 0; h < group(); ++h) {
      attend(query_rows<T>(a_, qkv_, out_, nullptr, row(item), item % a_.kv_heads * group() + h, past(item),
                           added(item)),
             KeyValueTiles{from.keys, from.values}, shape_, a_);
    }
  }

  /// Items that come after one. The second is the first where nothing is to be asked for so early.
  struct Coming {
    int64_t next, later;
  };

  /// Where an item's visible keys and values begin.
  Tiles visible_tiles(int64_t item) const {
    const Tiles from = tiles(item);
    const int64_t block = a_.first_key(past(item)) / kBlock;
    return {from.keys + block * shape_.across_lanes(), from.values + block * shape_.along_lanes()};
  }

  /// `count` query heads of a sequence's one new token, from head h of the item's group on: of as
  /// many items where a group is one head.
  void decode(int64_t item, const Coming& coming, int64_t h, int64_t count) const {
    count == 1 ? decode_heads<1>(item, coming, h) : decode_heads<kHeads>(item, coming, h);
  }

  template <int kCount>
  void decode_heads(int64_t item, const Coming& coming, int64_t h) const {
    static_assert(kHeads == 2);
    constexpr bool kPairs = std::is_same_v<T, bf16>;
    const int64_t padded = shape_.padded, length = past(item) + 1, tiles_apart = group() == 1 ? blocks() : 0;
    const QueryRows<T> rows =
        query_rows<T>(a_, qkv_, out_, nullptr, row(item), item % a_.kv_heads * group() + h, past(item), 1);
    const Tiles from = visible_tiles(item), ahead = visible_tiles(coming.next),
                later = visible_tiles(coming.later);
    const int64_t first_key = a_.first_key(past(item)), first_block = first_key / kBlock;
    RowState state;
    state.start(kCount, padded);
    RowProducts scores{.a = reinterpret_cast<const uint32_t*>(rows.q),
                       .a_next = a_.head_dim / shape_.depth,
                       .b = from.keys,
                       .b_next = tiles_apart * shape_.across_lanes(),
                       .b_width = kGroupColumns,
                       .b_group = shape_.group_lanes(),
                       .ahead = ahead.keys,
                       .later = later.keys - ahead.keys,
                       .c = state.scores,
                       .c_next = kBlock,
                       .steps = shape_.dim_steps(),
                       .accumulate = false};
    RowProducts outputs{.a = state.weights,
                        .a_next = kBlock,
                        .b = from.values,
                        .b_next = tiles_apart * shape_.along_lanes(),
                        .b_width = padded,
                        .b_group = kGroupColumns,
                        .ahead = ahead.values,
                        .later = later.values - ahead.values,
                        .c = state.outputs,
                        .c_next = padded,
                        .steps = 0,
                        .accumulate = true};
    for (int64_t key0 = first_block * kBlock; key0 < length; key0 += kBlock) {
      const int64_t visible = smaller(kBlock, length - key0), columns = ceil_divide(visible, kLanes) * kLanes;
      const int vectors = static_cast<int>(columns / kLanes);
      row_products<kPairs, kCount>(columns, scores);
      for (int r = 0; r < kCount && a_.softcap > 0; ++r)
        cap_row(state.scores + r * kBlock, vectors, a_.scale, a_.softcap);
      for (int r = 0; r < kCount && visible < kBlock; ++r)
        mask_row(state.scores + r * kBlock, visible, vectors);
      for (int r = 0; r < kCount && first_key > key0; ++r)
        mask_before(state.scores + r * kBlock, first_key - key0, vectors);
      softmax_step<T>(state, 0, kCount, vectors, softmax_scale(a_), padded);
      outputs.steps = ceil_divide(visible, shape_.depth);
      row_products<kPairs, kCount>(padded, outputs);
      scores.b += shape_.across_lanes();
      scores.ahead += shape_.across_lanes();
      outputs.b += shape_.along_lanes();
      outputs.ahead += shape_.along_lanes();
    }
    for (int r = 0; r < kCount; ++r) store_row(rows.out + r * a_.head_dim, state, r, shape_);
  }

  const AttentionShape& a_;
  const AttentionCache& cache_;
  TileShape shape_;
  const void* qkv_;
  void* out_;
  bool exceeds_cache_;
};

// Tasks per thread: more than one, because a prompt among decoding sequences makes one task long.
constexpr int64_t kTasksPerThread = 8;

template <class T>
void attend_cached(const AttentionShape& a, const AttentionCache& cache, const void* qkv, void* out) {
  const CachedAttention<T> attention(a, cache, qkv, out);
  const int64_t items = attention.items();
  // Neighbours are in one task, so that a thread knows its next reads: the pieces of the cache lie
  // where no prefetcher would guess them.
  const int64_t part = larger<int64_t>(1, items / (kTasksPerThread * num_threads()));
  parallel_for(ceil_divide(items, part),
               [&](int64_t task) { attention.run(task * part, smaller(items, (task + 1) * part)); });
}

}  // namespace

void attention_cached(const AttentionShape& shape, const AttentionCache& cache, const void* qkv, void* out) {
  if (shape.dtype == DType::kF32) return attend_cached<float>(shape, cache, qkv, out);
  attend_cached<bf16>(shape, cache, qkv, out);
}

}  // namespace athanor::cpu::ATHANOR_ISA
