#include "ops/embedding.h"

#include "kernels/embedding.h"
#include "ops/check.h"

namespace athanor::ops {
namespace {

void check_table(const char* name, const Tensor& table) {
  check_float(name, table);
  expect(table.rank() == 2, ErrorCode::kShape, "expected ", name, " to be [rows, channels] but it is ",
         table.shape().text());
}

void check_pair(const Tensor& tokens, const std::optional<Tensor>& positions, const Tensor& token_table,
                const std::optional<Tensor>& position_table) {
  check_table("the token table", token_table);
  check_indices("token", tokens, token_table.dim(0));
  expect(positions.has_value() == position_table.has_value(), ErrorCode::kArgument,
         "expected positions and a position table together, or neither");
  if (!positions) return;
  check_table("the position table", *position_table);
  check_dtype("the position table", *position_table, token_table.dtype());
  check_shape("the position table", *position_table, {position_table->dim(0), token_table.dim(1)});
  check_shape("positions", *positions, tokens.shape());
  check_indices("position", *positions, position_table->dim(0));
}

Shape embedded_shape(const Tensor& tokens, int64_t channels) {
  Shape shape = tokens.shape();
  shape.push_back(channels);
  return shape;
}

}  // namespace

Tensor embedding_forward(const Tensor& tokens, const std::optional<Tensor>& positions,
                         const Tensor& token_table, const std::optional<Tensor>& position_table,
                         DType dtype) {
  check_pair(tokens, positions, token_table, position_table);
  expect(dtype == DType::kF32 || dtype == DType::kBF16, ErrorCode::kDtype, "expected f32 or bf16 but got ",
         dtype_name(dtype));
  Tensor y(embedded_shape(tokens, token_table.dim(1)), dtype, tokens.device());
  embedding_kernels(tokens.device())
      .embedding_forward({.dtype = dtype,
                          .y = y.raw(),
                          .tokens = tokens.data<int32_t>(),
                          .positions = positions ? positions->data<int32_t>() : nullptr,
                          .table_dtype = token_table.dtype(),
                          .token_table = token_table.raw(),
                          .position_table = position_table ? position_table->raw() : nullptr,
                          .rows = tokens.numel(),
                          .channels = token_table.dim(1)});
  return y;
}

void embedding_backward(const Tensor& dy, const Tensor& tokens, const std::optional<Tensor>& positions,
                        const Tensor& dtoken_table, const std::optional<Tensor>& dposition_table) {
  check_float("dy", dy);
  check_dtype("the token table", dtoken_table, DType::kF32);
  check_pair(tokens, positions, dtoken_table, dposition_table);
  check_shape("dy", dy, embedded_shape(tokens, dtoken_table.dim(1)));
  const auto scatter = embedding_kernels(dy.device()).embedding_backward;
  scatter(dy.dtype(), dtoken_table.data<float>(), dy.raw(), tokens.data<int32_t>(), tokens.numel(),
          dtoken_table.dim(1));
  dtoken_table.storage().mark_written();
  if (!positions) return;
  scatter(dy.dtype(), dposition_table->data<float>(), dy.raw(), positions->data<int32_t>(), tokens.numel(),
          dtoken_table.dim(1));
  dposition_table->storage().mark_written();
}

}  // namespace athanor::ops
