#include "ops/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/integers.h"
#include "kernels/attention.h"
#include "kernels/rope.h"
#include "ops/check.h"

namespace athanor::ops {
namespace {

constexpr int64_t kMaxHeadDim = 256;

void check_head_dim(int64_t head_dim) {
  expect(head_dim % 8 == 0 && head_dim >= 8 && head_dim <= kMaxHeadDim, ErrorCode::kShape,
         "takes head sizes that are multiples of 8 up to ", kMaxHeadDim, " but got ", head_dim);
}

/// The inputs of each of the three operations have these fields.
template <class Inputs>
AttentionShape check_attention(const Inputs& in) {
  const Tensor &qkv = in.qkv, &cu_seqlens = in.cu_seqlens;
  const int64_t heads = in.heads, kv_heads = in.kv_heads;
  check_float("qkv", qkv);
  check_dtype("cuSeqlens", cu_seqlens, DType::kI32);
  expect(heads > 0 && kv_heads > 0 && heads % kv_heads == 0, ErrorCode::kArgument, "expected the ", kv_heads,
         " key-value heads to divide the ", heads, " heads");
  expect(qkv.rank() == 2 && qkv.dim(1) % (heads + 2 * kv_heads) == 0, ErrorCode::kShape,
         "expected qkv to be [tokens, (heads + 2 kvHeads) * headDim] but it is ", qkv.shape().text());
  const int64_t head_dim = qkv.dim(1) / (heads + 2 * kv_heads);
  check_head_dim(head_dim);
  expect(cu_seqlens.rank() == 1 && cu_seqlens.dim(0) >= 1, ErrorCode::kShape,
         "expected cuSeqlens to be [sequences + 1] but it is ", cu_seqlens.shape().text());
  const int64_t sequences = cu_seqlens.dim(0) - 1;
  const int32_t* starts = cu_seqlens.host<int32_t>();
  expect(starts[0] == 0 && starts[sequences] == qkv.dim(0), ErrorCode::kArgument,
         "expected cuSeqlens to run from 0 to ", qkv.dim(0), " but it runs from ", starts[0], " to ",
         starts[sequences]);
  for (int64_t i = 0; i < sequences; ++i) {
    expect(starts[i] <= starts[i + 1], ErrorCode::kArgument, "expected cuSeqlens to rise but entry ", i + 1,
           " is ", starts[i + 1], " after ", starts[i]);
  }
  const int64_t window = in.window.value_or(kNoAttentionWindow);
  expect(window >= 1, ErrorCode::kArgument, "expected window to be at least 1 but got ", window);
  const double softcap = in.softcap.value_or(0);
  expect(!in.softcap || (softcap > 0 && std::isfinite(softcap)), ErrorCode::kArgument,
         "expected softcap to be above 0 but got ", softcap);
  return {.tokens = qkv.dim(0),
          .sequences = sequences,
          .cu_seqlens = cu_seqlens.data<int32_t>(),
          .heads = heads,
          .kv_heads = kv_heads,
          .head_dim = head_dim,
          .scale = static_cast<float>(in.scale),
          .dtype = qkv.dtype(),
          .window = std::min(window, kNoAttentionWindow),
          .softcap = static_cast<float>(softcap)};
}

}  // namespace

std::tuple<Tensor, Tensor> attention_forward(const AttentionForwardInputs& in) {
  const AttentionShape shape = check_attention(in);
  const Tensor& qkv = in.qkv;
  Tensor out({shape.tokens, in.heads * shape.head_dim}, qkv.dtype(), qkv.device());
  Tensor lse({shape.tokens, in.heads}, DType::kF32, qkv.device());
  attention_kernels(qkv.device()).forward(shape, qkv.raw(), out.raw(), lse.data<float>());
  return {out, lse};
}

Tensor attention_backward(const AttentionBackwardInputs& in) {
  const AttentionShape shape = check_attention(in);
  const Tensor &dout = in.dout, &qkv = in.qkv, &out = in.out, &lse = in.lse;
  const int64_t heads = in.heads;
  check_shape("out", out, {shape.tokens, heads * shape.head_dim});
  check_dtype("out", out, qkv.dtype());
  check_same(dout, out);
  check_dtype("lse", lse, DType::kF32);
  check_shape("lse", lse, {shape.tokens, heads});
  Tensor dqkv(qkv.shape(), qkv.dtype(), qkv.device());
  attention_kernels(qkv.device())
      .backward(shape, dout.raw(), qkv.raw(), out.raw(), lse.data<float>(), dqkv.raw());
  return dqkv;
}

std::tuple<Tensor, Tensor> kv_cache_create(int64_t slots, int64_t max_tokens, int64_t kv_heads,
                                           int64_t head_dim, DType dtype) {
  check_head_dim(head_dim);
  expect(slots > 0 && max_tokens > 0 && kv_heads > 0, ErrorCode::kArgument,
         "expected at least one slot, token and head but got ", slots, ", ", max_tokens, " and ", kv_heads);
  const Shape shape{slots, kv_heads, round_up(max_tokens, kAttentionKeyBlock),
                    round_up(head_dim, kAttentionHeadPadding)};
  Tensor keys(shape, dtype, default_device()), values(shape, dtype, default_device());
  check_float("dtype", keys);
  return {keys, values};
}

void check_cache_slots(const Tensor& slots, const Tensor& cache) {
  check_dtype("slots", slots, DType::kI32);
  const int32_t* slot_of = slots.host<int32_t>();
  const int64_t count = cache.rank() > 0 ? cache.dim(0) : 0;
  std::vector<bool> taken(static_cast<size_t>(count));
  for (int64_t i = 0; i < slots.numel(); ++i) {
    const int32_t slot = slot_of[i];
    expect(slot >= 0 && slot < count, ErrorCode::kArgument, "slot ", slot, " of sequence ", i,
           " is outside of the cache's ", count);
    expect(!taken[static_cast<size_t>(slot)], ErrorCode::kArgument, "slot ", slot, " is given twice");
    taken[static_cast<size_t>(slot)] = true;
  }
}

Tensor attention_cached(const AttentionCachedInputs& in) {
  const AttentionShape shape = check_attention(in);
  const Tensor &qkv = in.qkv, &keys = in.keys, &values = in.values, &slots = in.slots,
               &past_lengths = in.past_lengths;
  const int64_t max_tokens = in.max_tokens, kv_heads = in.kv_heads;
  check_dtype("keys", keys, qkv.dtype());
  check_same(keys, values);
  check_dtype("pastLengths", past_lengths, DType::kI32);
  check_shape("slots", slots, {shape.sequences});
  check_shape("pastLengths", past_lengths, {shape.sequences});
  const int64_t capacity = round_up(max_tokens, kAttentionKeyBlock);
  check_shape("keys", keys,
              {keys.rank() == 4 ? keys.dim(0) : 0, kv_heads, capacity,
               round_up(shape.head_dim, kAttentionHeadPadding)});
  check_cache_slots(slots, keys);
  const int32_t *slot_of = slots.host<int32_t>(), *past_of = past_lengths.host<int32_t>(),
                *starts = in.cu_seqlens.host<int32_t>();
  for (int64_t i = 0; i < shape.sequences; ++i) {
    const int32_t past = past_of[i];
    const int64_t added = starts[i + 1] - starts[i];
    expect(past >= 0 && past + added <= max_tokens, ErrorCode::kArgument, "slot ", slot_of[i], " holds ",
           past, " tokens and ", added, " more exceed its limit of ", max_tokens);
  }
  Tensor out({shape.tokens, in.heads * shape.head_dim}, qkv.dtype(), qkv.device());
  const AttentionCache cache{keys.raw(), values.raw(), slots.data<int32_t>(), past_lengths.data<int32_t>(),
                             capacity,   keys.dim(0)};
  attention_kernels(qkv.device()).cached(shape, cache, qkv.raw(), out.raw());
  keys.storage().mark_written();
  values.storage().mark_written();
  return out;
}

Tensor rope_table(int64_t max_positions, int64_t width, double theta,
                  const std::optional<std::vector<double>>& frequencies,
                  const std::optional<double>& magnitude) {
  expect(width > 0 && width % 2 == 0, ErrorCode::kShape, "expected an even width but got ", width);
  expect(!frequencies || static_cast<int64_t>(frequencies->size()) == width / 2, ErrorCode::kShape,
         "expected ", width / 2, " frequencies but got ", frequencies ? frequencies->size() : 0);
  expect(theta > 0, ErrorCode::kArgument, "expected theta above 0 but got ", theta);
  std::vector<float> numbers(static_cast<size_t>(max_positions * width));
  const int64_t half = width / 2;
  const double factor = magnitude.value_or(1);
  for (int64_t position = 0; position < max_positions; ++position) {
    float* row = numbers.data() + position * width;
    for (int64_t i = 0; i < half; ++i) {
      const double frequency = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(width)) *
                               (frequencies ? (*frequencies)[static_cast<size_t>(i)] : 1.0);
      const double angle = static_cast<double>(position) * frequency;
      row[i] = static_cast<float>(std::cos(angle) * factor);
      row[half + i] = static_cast<float>(std::sin(angle) * factor);
    }
  }
  const Tensor table({max_positions, width}, DType::kF32, default_device());
  table.write(numbers.data());
  return table;
}

void rope(const Tensor& qkv, const Tensor& positions, const Tensor& table, int64_t heads, int64_t kv_heads,
          bool inverse) {
  check_float("qkv", qkv);
  check_dtype("positions", positions, DType::kI32);
  check_dtype("table", table, DType::kF32);
  expect(table.rank() == 2, ErrorCode::kShape, "expected table to be [maxPositions, width] but it is ",
         table.shape().text());
  const int64_t parts = heads + 2 * kv_heads, width = table.dim(1);
  expect(qkv.rank() == 2 && parts > 0 && qkv.dim(1) % parts == 0 && qkv.dim(1) / parts >= width,
         ErrorCode::kShape, "expected qkv to be [tokens, ", parts, " * headDim] with heads of at least ",
         width, " but it is ", qkv.shape().text());
  const int64_t tokens = qkv.dim(0), head_dim = qkv.dim(1) / parts;
  check_shape("positions", positions, {tokens});
  for (int64_t i = 0; i < tokens; ++i) {
    const int32_t position = positions.host<int32_t>()[i];
    expect(position >= 0 && position < table.dim(0), ErrorCode::kArgument, "position ", position,
           " of token ", i, " is outside of the table of ", table.dim(0), " positions");
  }
  rope_kernels(qkv.device())
      .rotate({.dtype = qkv.dtype(),
               .rows = qkv.raw(),
               .positions = positions.data<int32_t>(),
               .table = table.data<float>(),
               .tokens = tokens,
               .row_width = qkv.dim(1),
               .heads = heads + kv_heads,
               .head_dim = head_dim,
               .width = width,
               .inverse = inverse});
  qkv.storage().mark_written();
}

}  // namespace athanor::ops
