// Activation contract: pointers of `dtype`, arithmetic in f32.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

struct ActivationKernels {
  /// GELU, tanh approximation: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
  void (*gelu_forward)(DType dtype, void* y, const void* x, int64_t count);
  void (*gelu_backward)(DType dtype, void* dx, const void* dy, const void* x, int64_t count);
  /// GELU itself: x times the normal distribution's cumulative function.
  void (*gelu_erf_forward)(DType dtype, void* y, const void* x, int64_t count);
  void (*gelu_erf_backward)(DType dtype, void* dx, const void* dy, const void* x, int64_t count);
  /// y[n, f] = silu(gate) * up, where a row of gate_up [n, 2 f] is gate then up.
  void (*swiglu_forward)(DType dtype, void* y, const void* gate_up, int64_t rows, int64_t channels);
  void (*swiglu_backward)(DType dtype, void* dgate_up, const void* dy, const void* gate_up, int64_t rows,
                          int64_t channels);
  /// As swiglu, with the tanh form of GELU in silu's place.
  void (*geglu_forward)(DType dtype, void* y, const void* gate_up, int64_t rows, int64_t channels);
  void (*geglu_backward)(DType dtype, void* dgate_up, const void* dy, const void* gate_up, int64_t rows,
                         int64_t channels);
  /// The backward passes of these three take the result y, not the input.
  void (*relu_forward)(DType dtype, void* y, const void* x, int64_t count);
  void (*relu_backward)(DType dtype, void* dx, const void* dy, const void* y, int64_t count);
  void (*tanh_forward)(DType dtype, void* y, const void* x, int64_t count);
  void (*tanh_backward)(DType dtype, void* dx, const void* dy, const void* y, int64_t count);
  void (*sigmoid_forward)(DType dtype, void* y, const void* x, int64_t count);
  void (*sigmoid_backward)(DType dtype, void* dx, const void* dy, const void* y, int64_t count);
};
ATHANOR_KERNEL_FAMILY(ActivationKernels, activation_kernels)

}  // namespace athanor
