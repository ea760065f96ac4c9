#pragma once

#include <optional>

#include "core/tensor.h"

namespace athanor::ops {

/// token_table[tokens] + position_table[positions] -> [.., d] of dtype; tokens and positions i32 of
/// one shape, tables [V, d] and [P, d], both f32 or both bf16. Positions and their table come
/// together or not at all. Throws ERR_ARGUMENT that names the index, where it is and the table's
/// size when one is out of range.
Tensor embedding_forward(const Tensor& tokens, const std::optional<Tensor>& positions,
                         const Tensor& token_table, const std::optional<Tensor>& position_table, DType dtype);
/// f32 dtoken_table += dy by token, dposition_table += dy by position, each in the order
/// of the rows.
void embedding_backward(const Tensor& dy, const Tensor& tokens, const std::optional<Tensor>& positions,
                        const Tensor& dtoken_table, const std::optional<Tensor>& dposition_table);

}  // namespace athanor::ops
