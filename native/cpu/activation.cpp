#include "kernels/activation.h"

#include "cpu/activation_math.h"
#include "cpu/loops.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

template <class Function>
void unary(DType dtype, void* y, const void* x, int64_t count, Function f) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    map1(static_cast<T*>(y), static_cast<const T*>(x), count, f);
  });
}

template <class Function>
void binary(DType dtype, void* out, const void* a, const void* b, int64_t count, Function f) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    map2(static_cast<T*>(out), static_cast<const T*>(a), static_cast<const T*>(b), count, f);
  });
}

void gelu_forward(DType dtype, void* y, const void* x, int64_t count) {
  unary(dtype, y, x, count, [](VecF v) { return gelu_tanh(v); });
}

void gelu_backward(DType dtype, void* dx, const void* dy, const void* x, int64_t count) {
  binary(dtype, dx, dy, x, count, [](VecF d, VecF v) { return d * gelu_tanh_slope(v); });
}

void gelu_erf_forward(DType dtype, void* y, const void* x, int64_t count) {
  unary(dtype, y, x, count, [](VecF v) { return gelu_erf(v); });
}

void gelu_erf_backward(DType dtype, void* dx, const void* dy, const void* x, int64_t count) {
  binary(dtype, dx, dy, x, count, [](VecF d, VecF v) { return d * gelu_erf_slope(v); });
}

void swiglu_forward(DType dtype, void* y, const void* gate_up, int64_t rows, int64_t channels) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    for_row_blocks(rows, channels, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const T* gate = static_cast<const T*>(gate_up) + row * 2 * channels;
        const T* up = gate + channels;
        T* out = static_cast<T*>(y) + row * channels;
        for_lanes(0, channels, [&](int64_t i, auto lanes) {
          store(out + i, silu(load(gate + i, lanes)) * load(up + i, lanes), lanes);
        });
      }
    });
  });
}

/// With s = sigmoid(gate): dup = dy * gate * s, dgate = dy * up * s * (1 + gate * (1 - s)).
void swiglu_backward(DType dtype, void* dgate_up, const void* dy, const void* gate_up, int64_t rows,
                     int64_t channels) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    for_row_blocks(rows, channels, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const T* gate = static_cast<const T*>(gate_up) + row * 2 * channels;
        const T* up = gate + channels;
        const T* out = static_cast<const T*>(dy) + row * channels;
        T* dgate = static_cast<T*>(dgate_up) + row * 2 * channels;
        T* dup = dgate + channels;
        for_lanes(0, channels, [&](int64_t i, auto lanes) {
          const VecF g = load(gate + i, lanes);
          const VecF d = load(out + i, lanes);
          const VecF s = sigmoid(g);
          store(dup + i, d * (g * s), lanes);
          store(dgate + i, d * load(up + i, lanes) * (s * fma(g, set1(1.0f) - s, set1(1.0f))), lanes);
        });
      }
    });
  });
}

void geglu_forward(DType dtype, void* y, const void* gate_up, int64_t rows, int64_t channels) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    for_row_blocks(rows, channels, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const T* gate = static_cast<const T*>(gate_up) + row * 2 * channels;
        T* out = static_cast<T*>(y) + row * channels;
        for_lanes(0, channels, [&](int64_t i, auto lanes) {
          store(out + i, gelu_tanh(load(gate + i, lanes)) * load(gate + channels + i, lanes), lanes);
        });
      }
    });
  });
}

void geglu_backward(DType dtype, void* dgate_up, const void* dy, const void* gate_up, int64_t rows,
                    int64_t channels) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    for_row_blocks(rows, channels, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const T* gate = static_cast<const T*>(gate_up) + row * 2 * channels;
        const T* out = static_cast<const T*>(dy) + row * channels;
        T* dgate = static_cast<T*>(dgate_up) + row * 2 * channels;
        for_lanes(0, channels, [&](int64_t i, auto lanes) {
          const VecF g = load(gate + i, lanes), d = load(out + i, lanes);
          const VecF dup = d * gelu_tanh(g);
          store(dgate + i, d * load(gate + channels + i, lanes) * gelu_tanh_slope(g), lanes);
          store(dgate + channels + i, dup, lanes);
        });
      }
    });
  });
}

// v < 0 ? 0 : v, in this order because NaN must stay NaN.
void relu_forward(DType dtype, void* y, const void* x, int64_t count) {
  unary(dtype, y, x, count, [](VecF v) { return v < zero() ? zero() : v; });
}

void relu_backward(DType dtype, void* dx, const void* dy, const void* y, int64_t count) {
  binary(dtype, dx, dy, y, count, [](VecF d, VecF v) { return v > zero() ? d : zero(); });
}

void tanh_forward(DType dtype, void* y, const void* x, int64_t count) {
  unary(dtype, y, x, count, [](VecF v) { return tanh(v); });
}

void tanh_backward(DType dtype, void* dx, const void* dy, const void* y, int64_t count) {
  binary(dtype, dx, dy, y, count, [](VecF d, VecF v) { return d * ((set1(1.0f) - v) * (set1(1.0f) + v)); });
}

void sigmoid_forward(DType dtype, void* y, const void* x, int64_t count) {
  unary(dtype, y, x, count, [](VecF v) { return sigmoid(v); });
}

void sigmoid_backward(DType dtype, void* dx, const void* dy, const void* y, int64_t count) {
  binary(dtype, dx, dy, y, count, [](VecF d, VecF v) { return d * (v * (set1(1.0f) - v)); });
}

}  // namespace

constinit const ActivationKernels activation_kernels_table = complete_table<ActivationKernels>(
    gelu_forward, gelu_backward, gelu_erf_forward, gelu_erf_backward, swiglu_forward, swiglu_backward,
    geglu_forward, geglu_backward, relu_forward, relu_backward, tanh_forward, tanh_backward, sigmoid_forward,
    sigmoid_backward);

}  // namespace athanor::cpu::ATHANOR_ISA
