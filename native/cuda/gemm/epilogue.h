// The Epilogue of kernels/linear.h on the device.
#pragma once

#include "cuda/activation_math.h"
#include "cuda/loops.h"
#include "kernels/linear.h"

namespace athanor::cuda {

/// The epilogue of an output of element type T and n columns.
template <class T>
struct StoreEpilogue {
  T* out;
  const float* bias;
  const T* addend;
  T* preactivation;
  const T* gelu_input;
  int64_t n;
  bool is_gelu, accumulates;

  explicit StoreEpilogue(const GemmArgs& g)
      : out(static_cast<T*>(g.out)),
        bias(g.epilogue.bias),
        addend(static_cast<const T*>(g.epilogue.addend)),
        preactivation(static_cast<T*>(g.epilogue.preactivation)),
        gelu_input(static_cast<const T*>(g.epilogue.gelu_input)),
        n(g.n),
        is_gelu(g.epilogue.activation == Activation::kGelu),
        accumulates(g.epilogue.accumulate) {}

  __device__ __forceinline__ void operator()(float value, int64_t row, int64_t column) const {
    const int64_t at = row * n + column;
    if (accumulates) value += widen(out[at]);
    if (bias != nullptr) value += bias[column];
    if (addend != nullptr) value += widen(addend[at]);
    if (preactivation != nullptr) preactivation[at] = narrow<T>(value);
    if (is_gelu) value = gelu_tanh(value);
    if (gelu_input != nullptr) value *= gelu_tanh_slope(widen(gelu_input[at]));
    out[at] = narrow<T>(value);
  }
};

}  // namespace athanor::cuda
