#include "kernels/activation.h"

#include "cuda/activation_math.h"
#include "cuda/loops.h"

namespace athanor::cuda {
namespace {

template <class Function>
void unary(DType dtype, void* y, const void* x, int64_t count) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    map1(static_cast<T*>(y), static_cast<const T*>(x), count, Function{});
  });
}

template <class Function>
void binary(DType dtype, void* out, const void* a, const void* b, int64_t count) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    map2(static_cast<T*>(out), static_cast<const T*>(a), static_cast<const T*>(b), count, Function{});
  });
}

struct Gelu {
  __device__ float operator()(float x) const { return gelu_tanh(x); }
};
struct GeluSlope {
  __device__ float operator()(float dy, float x) const { return dy * gelu_tanh_slope(x); }
};

struct GeluErf {
  __device__ float operator()(float x) const { return gelu_erf(x); }
};
struct GeluErfSlope {
  __device__ float operator()(float dy, float x) const { return dy * gelu_erf_slope(x); }
};

/// Gates: a product with `up`, and the gradients of both factors from that of the product.
struct SiluGate {
  static __device__ float product(float gate, float up) { return up * (gate * sigmoid(gate)); }
  /// With s = sigmoid(gate): dup = d * gate * s, dgate = d * up * s * (1 + gate * (1 - s)).
  static __device__ void gradients(float d, float& gate, float& up) {
    const float s = sigmoid(gate);
    const float dgate = d * up * s * (1.0f + gate * (1.0f - s));
    up = d * gate * s;
    gate = dgate;
  }
};
struct GeluGate {
  static __device__ float product(float gate, float up) { return up * gelu_tanh(gate); }
  static __device__ void gradients(float d, float& gate, float& up) {
    const float dgate = d * up * gelu_tanh_slope(gate);
    up = d * gelu_tanh(gate);
    gate = dgate;
  }
};

/// A thread per vector of a row's channels. Three streams of `width` channels are moved for 10
/// operations each, so it is bound by memory, as every map.
template <int kWidth, class T, class Gate>
__global__ void __launch_bounds__(kBlock)
    gated_forward_kernel(T* y, const T* gate_up, int64_t rows, int64_t channels) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x) * kWidth;
  if (i >= rows * channels) return;
  const int64_t row = i / channels, c = i % channels;
  float gate[kWidth], up[kWidth];
  load(gate, gate_up + row * 2 * channels + c);
  load(up, gate_up + (row * 2 + 1) * channels + c);
#pragma unroll
  for (int k = 0; k < kWidth; ++k) up[k] = Gate::product(gate[k], up[k]);
  store(y + i, up);
}

template <class Gate>
void gated_forward(DType dtype, void* y, const void* gate_up, int64_t rows, int64_t channels) {
  if (rows * channels == 0) return;
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    for_width(are_vector_rows(channels, y, gate_up), [&](auto width) {
      launch(gated_forward_kernel<width, T, Gate>,
             Launch{blocks_for(rows * channels, kBlock * width), kBlock}, static_cast<T*>(y),
             static_cast<const T*>(gate_up), rows, channels);
    });
  });
}

template <int kWidth, class T, class Gate>
__global__ void __launch_bounds__(kBlock)
    gated_backward_kernel(T* dgate_up, const T* dy, const T* gate_up, int64_t rows, int64_t channels) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x) * kWidth;
  if (i >= rows * channels) return;
  const int64_t row = i / channels, c = i % channels;
  const int64_t gate_at = row * 2 * channels + c, up_at = gate_at + channels;
  float gate[kWidth], up[kWidth], d[kWidth];
  load(gate, gate_up + gate_at);
  load(up, gate_up + up_at);
  load(d, dy + i);
#pragma unroll
  for (int k = 0; k < kWidth; ++k) Gate::gradients(d[k], gate[k], up[k]);
  store(dgate_up + gate_at, gate);
  store(dgate_up + up_at, up);
}

template <class Gate>
void gated_backward(DType dtype, void* dgate_up, const void* dy, const void* gate_up, int64_t rows,
                    int64_t channels) {
  if (rows * channels == 0) return;
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    for_width(are_vector_rows(channels, dgate_up, dy, gate_up), [&](auto width) {
      launch(gated_backward_kernel<width, T, Gate>,
             Launch{blocks_for(rows * channels, kBlock * width), kBlock}, static_cast<T*>(dgate_up),
             static_cast<const T*>(dy), static_cast<const T*>(gate_up), rows, channels);
    });
  });
}

struct Relu {
  // In this order because NaN must stay NaN.
  __device__ float operator()(float x) const { return x < 0.0f ? 0.0f : x; }
};
struct ReluSlope {
  __device__ float operator()(float dy, float y) const { return y > 0.0f ? dy : 0.0f; }
};
struct Tanh {
  __device__ float operator()(float x) const { return tanhf(x); }
};
struct TanhSlope {
  __device__ float operator()(float dy, float y) const { return dy * ((1.0f - y) * (1.0f + y)); }
};
struct Sigmoid {
  __device__ float operator()(float x) const { return sigmoid(x); }
};
struct SigmoidSlope {
  __device__ float operator()(float dy, float y) const { return dy * (y * (1.0f - y)); }
};

}  // namespace

const ActivationKernels& activation_kernels() {
  static constexpr auto kTable = complete_table<ActivationKernels>(
      unary<Gelu>, binary<GeluSlope>, unary<GeluErf>, binary<GeluErfSlope>, gated_forward<SiluGate>,
      gated_backward<SiluGate>, gated_forward<GeluGate>, gated_backward<GeluGate>, unary<Relu>,
      binary<ReluSlope>, unary<Tanh>, binary<TanhSlope>, unary<Sigmoid>, binary<SigmoidSlope>);
  return kTable;
}

}  // namespace athanor::cuda
