#pragma once

#include <cstdint>

namespace athanor::test {

/// The one k for which the fake has no algorithm, as cuBLASLt has none for some shapes.
constexpr uint64_t kDepthWithoutAlgorithm = 77;

}  // namespace athanor::test
