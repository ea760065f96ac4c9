// The forward pass for Hopper, after the public design of FlashAttention-3 (Shah et al., 2024): a
// producer warp streams tiles of 128 keys and values through tensor copies, and each consumer
// warpgroup has 64 queries. The product for the scores of a tile runs while the weights of the tile
// before are multiplied into the outputs, and its softmax runs beside that second product.
//
// Why these sizes. 128 keys: a product of 64 x 128 x 16 takes 64 clocks and reads 6 KiB of shared
// memory (48 clocks); with 64 keys both are 32. Three warpgroups for head size 64: scores (64
// registers), weights (32) and outputs (32) fit into 160 registers, and more queries per block mean
// fewer reads of keys from L2: per tile, 32 KiB for 1,536 clocks of products. Two for head size
// 128, where the outputs take 64 and 160 would spill. One where sequences have few new tokens, as
// in decoding: a block then takes at most half of a multiprocessor's registers, and the start of
// one block hides behind the stream of another.
#include <algorithm>

#include "core/error.h"
#include "cuda/attention/forward.h"
#include "cuda/attention/wgmma.h"

namespace athanor::cuda {
namespace {

constexpr int kKeys = 128, kStages = 2;

template <int kDim, int kConsumers>
struct Wgmma {
  using Queries = Tile<kDim, kGroupRows>;  // of one consumer
  using Keys = Tile<kDim, kKeys>;
  static constexpr int kQueries = kConsumers * kGroupRows, kQueryBytes = kConsumers * Queries::kBytes;
  static constexpr int kThreads = (kConsumers + 1) * kGroup;
  static constexpr size_t kBarrierBytes = 128;
  static constexpr size_t kSharedBytes =
      kTileAlignment + kQueryBytes + 2 * kStages * Keys::kBytes + kBarrierBytes;
  static constexpr int kBlocks = kConsumers == 1 && kDim == 64 ? 2 : 1;  // of a multiprocessor
};

struct Tensors {
  TensorMap queries, keys, values;
};

/// Where the keys and values that a block sees are in their tensors, in whole tiles. `past` is the
/// position of the sequence's first new query, counted from the first of these keys.
struct Source {
  int row, key_column, value_column, past;
};

struct Barriers {
  uint64_t queries;  // have landed
  uint64_t tail;     // the last value tile has landed, to be cleaned
  uint64_t full_keys[kStages], full_values[kStages];
  uint64_t empty_keys[kStages], empty_values[kStages];
};

#ifdef ATHANOR_SM90A

__device__ __forceinline__ Source source_of(const ForwardArgs& a, const TilePlace& place, int kv_head) {
  const int past = a.cached_keys != nullptr ? a.past_lengths[place.sequence] : 0;
  const int skipped = first_key(past + place.first, a.window) / kKeys * kKeys;
  if (a.cached_keys != nullptr) {
    return {static_cast<int>(a.cache_row(place.sequence, kv_head)) + skipped, 0, 0, past - skipped};
  }
  const int key_column = (a.heads + kv_head) * a.head_dim;
  return {static_cast<int>(place.start) + skipped, key_column, key_column + a.kv_heads * a.head_dim,
          -skipped};
}

/// The producer warp: lane 0 starts the copies, all lanes clear the end of the last tile.
/// `key_count` is the number of keys from the first tile to the sequence's end.
template <class Keys>
__device__ __forceinline__ void produce(const Tensors& tensors, const Source& from, int tiles, int key_count,
                                        unsigned char* keys, unsigned char* values, Barriers& barriers) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int tile = 0; tile < tiles; ++tile) {
    const Stage<kStages> stage(tile);
    const int row = from.row + tile * kKeys;
    // Keys: wait until the stage is free, and start the copy.
    mbarrier_wait(&barriers.empty_keys[stage.index], stage.parity ^ 1);
    if (lane == 0) {
      uint64_t* full = &barriers.full_keys[stage.index];
      mbarrier_arrive_expect(full, Keys::kBytes);
      copy_tile<Keys>(keys + stage.index * Keys::kBytes, tensors.keys, from.key_column, row, full);
    }
    // Values: the same.
    mbarrier_wait(&barriers.empty_values[stage.index], stage.parity ^ 1);
    unsigned char* to = values + stage.index * Keys::kBytes;
    const int rows_left = key_count - tile * kKeys;
    uint64_t* full = &barriers.full_values[stage.index];
    if (lane == 0) {
      uint64_t* landed = rows_left >= kKeys ? full : &barriers.tail;
      mbarrier_arrive_expect(landed, Keys::kBytes);
      copy_tile<Keys>(to, tensors.values, from.value_column, row, landed);
    }
    // The last tile: clear the rows after the end before the consumers may read it.
    if (rows_left >= kKeys) continue;
    mbarrier_wait(&barriers.tail, 0);
    clear_rows<Keys>(to, rows_left, lane);
    proxy_fence();
    __syncwarp();
    if (lane == 0) mbarrier_arrive(full);
  }
}

template <class Shape, int kDim>
__device__ __forceinline__ void consume(const ForwardArgs& a, const TilePlace& place, int head, int past,
                                        int tiles, const unsigned char* queries, const unsigned char* keys,
                                        const unsigned char* values, Barriers& barriers) {
  using Queries = typename Shape::Queries;
  using Keys = typename Shape::Keys;
  const int group = static_cast<int>(threadIdx.x) / kGroup;
  const int group_row = place.first + group * kGroupRows;
  // The warp's first row.
  const int row = group_row + static_cast<int>(threadIdx.x) % kGroup / kWarp * 16;
  // The tiles that the group's last row sees; none where all its rows are past the end.
  const int last = group_row + kGroupRows < place.length ? group_row + kGroupRows : place.length;
  const int own_tiles = group_row < place.length ? (past + last + kKeys - 1) / kKeys : 0;
  if (own_tiles > 0) {
    queries += group * Queries::kBytes;
    float scores[kKeys / 8][4] = {}, out[kDim / 8][4] = {};
    uint32_t weights[kKeys / 16][4] = {};
    float correction[2];
    RowState state;
    const auto weigh = [&](int tile) {
      const int position = past + row;
      if ((tile + 1) * kKeys > position || position + 15 - tile * kKeys >= a.window) {
        mask_scores(scores, tile * kKeys, position, a.window);
      }
      softmax_step(scores, state, correction, a.scale_log2);
    };
    // The first tile: scores, then weights.
    mbarrier_wait(&barriers.queries, 0);
    mbarrier_wait(&barriers.full_keys[0], 0);
    wgmma_fence(scores);
    start_scores<Queries, Keys>(scores, queries, keys);
    wgmma_wait<0>(scores);
    release(&barriers.empty_keys[0]);
    weigh(0);
    pack_weights(weights, scores);
    // The other tiles: the scores of one run beside the weighted values of the one before.
    for (int tile = 1; tile < own_tiles; ++tile) {
      const Stage<kStages> stage(tile), before(tile - 1);
      mbarrier_wait(&barriers.full_keys[stage.index], stage.parity);
      wgmma_fence(scores);
      start_scores<Queries, Keys>(scores, queries, keys + stage.index * Keys::kBytes);
      mbarrier_wait(&barriers.full_values[before.index], before.parity);
      wgmma_fence(out, weights);
      start_sums<Keys>(out, weights, values + before.index * Keys::kBytes);
      wgmma_wait<1>(scores);
      release(&barriers.empty_keys[stage.index]);
      weigh(tile);
      wgmma_wait<0>(out);
      release(&barriers.empty_values[before.index]);
      rescale(out, correction);
      pack_weights(weights, scores);
    }
    // The weighted values of the last tile, then write the outputs.
    const Stage<kStages> stage(own_tiles - 1);
    mbarrier_wait(&barriers.full_values[stage.index], stage.parity);
    wgmma_fence(out, weights);
    start_sums<Keys>(out, weights, values + stage.index * Keys::kBytes);
    wgmma_wait<0>(out);
    release(&barriers.empty_values[stage.index]);
    store_outputs<kDim>(a, place, head, row, out, state);
  }
  // Tiles that other groups still need have to be released by this group as well, and no copy may
  // land after the block ends.
  for (int tile = own_tiles; tile < tiles; ++tile) {
    const Stage<kStages> stage(tile);
    mbarrier_wait(&barriers.full_keys[stage.index], stage.parity);
    release(&barriers.empty_keys[stage.index]);
    mbarrier_wait(&barriers.full_values[stage.index], stage.parity);
    release(&barriers.empty_values[stage.index]);
  }
}

#endif

template <int kDim, int kConsumers>
__global__ void __launch_bounds__(Wgmma<kDim, kConsumers>::kThreads, Wgmma<kDim, kConsumers>::kBlocks)
    wgmma_kernel([[maybe_unused]] const __grid_constant__ ForwardArgs a,
                 [[maybe_unused]] const __grid_constant__ Tensors tensors) {
#ifdef ATHANOR_SM90A
  using Shape = Wgmma<kDim, kConsumers>;
  // Late tiles see the most keys, so they start first.
  const TilePlace place =
      tile_place(a.starts, a.sequences, Shape::kQueries, static_cast<int>(gridDim.x - 1 - blockIdx.x));
  if (place.first >= place.length) return;
  ATHANOR_DYNAMIC_SHARED(bytes);
  unsigned char* queries = align_tiles(bytes);
  unsigned char* keys = queries + Shape::kQueryBytes;
  unsigned char* values = keys + kStages * Shape::Keys::kBytes;
  Barriers& barriers = *reinterpret_cast<Barriers*>(values + kStages * Shape::Keys::kBytes);
  const int head = static_cast<int>(blockIdx.y);
  const Source from = source_of(a, place, head / (a.heads / a.kv_heads));
  const int last =
      place.first + Shape::kQueries < place.length ? place.first + Shape::kQueries : place.length;
  const int tiles = (from.past + last + kKeys - 1) / kKeys;
  // Set up the barriers.
  if (threadIdx.x == 0) {
    mbarrier_init(&barriers.queries, 1);
    mbarrier_init(&barriers.tail, 1);
    for (int stage = 0; stage < kStages; ++stage) {
      mbarrier_init(&barriers.full_keys[stage], 1);
      mbarrier_init(&barriers.full_values[stage], 1);
      mbarrier_init(&barriers.empty_keys[stage], 4 * kConsumers);
      mbarrier_init(&barriers.empty_values[stage], 4 * kConsumers);
    }
    mbarrier_fence_init();
  }
  __syncthreads();
  // Split into consumers and the producer.
  if (threadIdx.x < kConsumers * kGroup) {
    take_registers<kConsumerRegisters<kConsumers>>();
    consume<Shape, kDim>(a, place, head, from.past, tiles, queries, keys, values, barriers);
    return;
  }
  give_registers<kProducerRegisters<kConsumers>>();
  if (threadIdx.x >= kConsumers * kGroup + kWarp) return;
  if (threadIdx.x % kWarp == 0) {
    mbarrier_arrive_expect(&barriers.queries, Shape::kQueryBytes);
    copy_tiles<typename Shape::Queries, kConsumers>(queries, tensors.queries, head * kDim,
                                                    static_cast<int>(place.start) + place.first,
                                                    &barriers.queries);
  }
  produce<typename Shape::Keys>(tensors, from, tiles, from.past + place.length, keys, values, barriers);
#endif
}

Tensors tensors_of(const ForwardArgs& a) {
  const auto columns = static_cast<uint64_t>(a.width()), rows = static_cast<uint64_t>(a.tokens);
  const TensorMap queries = make_tensor_map(a.qkv, columns, rows, columns * 2, kGroupRows);
  if (a.cached_keys == nullptr) {
    const TensorMap tiles = make_tensor_map(a.qkv, columns, rows, columns * 2, kKeys);
    return {queries, tiles, tiles};
  }
  const auto dim = static_cast<uint64_t>(a.head_dim),
             cache_rows = static_cast<uint64_t>(a.slot_count * a.kv_heads * a.capacity);
  return {queries, make_tensor_map(a.cached_keys, dim, cache_rows, dim * 2, kKeys),
          make_tensor_map(a.cached_values, dim, cache_rows, dim * 2, kKeys)};
}

template <int kDim, int kConsumers>
void launch_shape(const ForwardArgs& args) {
  using Shape = Wgmma<kDim, kConsumers>;
  static_assert(sizeof(Barriers) <= Shape::kBarrierBytes);
  const dim3 grid(tile_count(args.tokens, args.sequences, Shape::kQueries),
                  static_cast<unsigned>(args.heads));
  launch(wgmma_kernel<kDim, kConsumers>, Launch{grid, Shape::kThreads, Shape::kSharedBytes}, args,
         tensors_of(args));
}

}  // namespace

void launch_forward_wgmma(const ForwardArgs& args) {
  const bool is_short = args.tokens <= args.sequences * kGroupRows;
  if (args.head_dim == 64) return is_short ? launch_shape<64, 1>(args) : launch_shape<64, 3>(args);
  is_short ? launch_shape<128, 1>(args) : launch_shape<128, 2>(args);
}

}  // namespace athanor::cuda
