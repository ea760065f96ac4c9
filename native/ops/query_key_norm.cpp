// Queries and keys are taken out of the rows, so that each head, or all heads of a token together,
// are a row of the ordinary RMS norm.
#include "ops/query_key_norm.h"

#include "kernels/columns.h"
#include "ops/check.h"
#include "ops/norm.h"

namespace athanor::ops {
namespace {

int64_t row_bytes(const Tensor& t) { return t.dim(1) * static_cast<int64_t>(dtype_size(t.dtype())); }

std::byte* column(const Tensor& t, int64_t at) {
  return static_cast<std::byte*>(t.raw()) + at * static_cast<int64_t>(dtype_size(t.dtype()));
}

/// Columns [begin, begin + count) of x as rows of head_dim.
Tensor take_heads(const Tensor& x, int64_t begin, int64_t count, int64_t head_dim) {
  const Tensor out({x.dim(0), count}, x.dtype(), x.device());
  columns_kernels(x.device())
      .copy(out.raw(), row_bytes(out), column(x, begin), row_bytes(x), x.dim(0), row_bytes(out));
  return out.view({x.dim(0) * count / head_dim, head_dim});
}

/// Writes `from`, of as many elements per row of x, into x's columns from `begin` on.
void put_columns(const Tensor& x, int64_t begin, const Tensor& from) {
  if (x.dim(0) == 0) return;
  const int64_t width = static_cast<int64_t>(from.bytes()) / x.dim(0);
  columns_kernels(x.device()).copy(column(x, begin), row_bytes(x), from.raw(), width, x.dim(0), width);
}

/// The columns of x from `begin` on, into the same place of `to`.
void copy_rest(const Tensor& to, const Tensor& x, int64_t begin) {
  const int64_t width = (x.dim(1) - begin) * static_cast<int64_t>(dtype_size(x.dtype()));
  columns_kernels(x.device())
      .copy(column(to, begin), row_bytes(to), column(x, begin), row_bytes(x), x.dim(0), width);
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> query_key_norm_forward(
    const QueryKeyNormForwardInputs& in) {
  const auto& [qkv, query_gain, key_gain, heads, kv_heads, eps, offset] = in;
  check_float("qkv", qkv);
  expect(query_gain.rank() == 1 && query_gain.dim(0) > 0 && heads > 0 && kv_heads > 0, ErrorCode::kShape,
         "expected query_gain to be [head_dim] and heads above 0 but got ", query_gain.shape().text(), ", ",
         heads, " and ", kv_heads);
  const int64_t parts = heads + 2 * kv_heads, width = qkv.rank() == 2 ? qkv.dim(1) : 0;
  const bool is_full = query_gain.dim(0) * parts == heads * width;
  const int64_t head_dim = is_full ? query_gain.dim(0) / heads : query_gain.dim(0);
  check_shape("qkv", qkv, {qkv.rank() == 2 ? qkv.dim(0) : 0, parts * head_dim});
  check_shape("keyGain", key_gain, {is_full ? kv_heads * head_dim : head_dim});
  const int64_t query_width = heads * head_dim, key_width = kv_heads * head_dim;
  const Tensor queries = take_heads(qkv, 0, query_width, query_gain.dim(0));
  const Tensor keys = take_heads(qkv, query_width, key_width, key_gain.dim(0));
  const auto [query_y, query_sum, query_rstd] = rms_norm_forward(queries, {}, query_gain, eps, offset);
  const auto [key_y, key_sum, key_rstd] = rms_norm_forward(keys, {}, key_gain, eps, offset);
  const Tensor y(qkv.shape(), qkv.dtype(), qkv.device());
  put_columns(y, 0, query_y);
  put_columns(y, query_width, key_y);
  copy_rest(y, qkv, query_width + key_width);
  return {y, queries, keys, query_rstd, key_rstd};
}

Tensor query_key_norm_backward(const QueryKeyNormBackwardInputs& in) {
  const auto& [dy, queries, keys, query_gain, key_gain, query_rstd, key_rstd, dquery_gain, dkey_gain,
               offset] = in;
  expect(dy.rank() == 2 && queries.rank() == 2 && keys.rank() == 2 &&
             dy.numel() == queries.numel() + 2 * keys.numel(),
         ErrorCode::kShape, "expected dy to hold queries ", queries.shape().text(), " and twice keys ",
         keys.shape().text(), " but it is ", dy.shape().text());
  if (dy.dim(0) == 0) return dy;
  const int64_t query_width = queries.numel() / dy.dim(0), key_width = keys.numel() / dy.dim(0);
  const Tensor dqueries = rms_norm_backward({.dy = take_heads(dy, 0, query_width, queries.dim(1)),
                                             .dsum = std::nullopt,
                                             .sum = queries,
                                             .weight = query_gain,
                                             .rstd = query_rstd,
                                             .dweight = dquery_gain,
                                             .weight_offset = offset});
  const Tensor dkeys = rms_norm_backward({.dy = take_heads(dy, query_width, key_width, keys.dim(1)),
                                          .dsum = std::nullopt,
                                          .sum = keys,
                                          .weight = key_gain,
                                          .rstd = key_rstd,
                                          .dweight = dkey_gain,
                                          .weight_offset = offset});
  const Tensor dqkv(dy.shape(), dy.dtype(), dy.device());
  put_columns(dqkv, 0, dqueries);
  put_columns(dqkv, query_width, dkeys);
  copy_rest(dqkv, dy, query_width + key_width);
  return dqkv;
}

}  // namespace athanor::ops
