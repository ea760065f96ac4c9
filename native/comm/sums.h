// Sums over ranks, in rank order.
#pragma once

#include <cstddef>
#include <vector>

#include "core/dtype.h"

namespace athanor::comm {

/// out[i] = parts[0][i] + parts[1][i] + ... for f32 or bf16, from left to right; bf16 is widened,
/// summed in f32 and rounded once. `out` may be one of the parts.
void sum_in_order(DType dtype, const std::vector<const std::byte*>& parts, std::byte* out, size_t elements);

}  // namespace athanor::comm
