// A stand-in for cuBLASLt over host memory, so that the calls of cuda/gemm/cublaslt.cu run where
// there is no GPU. It refuses calls that the documentation forbids, and an algorithm that was
// chosen for another problem.
#include <cmath>
#include <cstring>
#include <new>

#include "core/dtype.h"
#include "cuda/gemm/cublaslt_abi.h"
#include "test/fake/fake_cublaslt.h"

namespace athanor::cuda::lt {

struct HandleOpaque {};

struct LayoutOpaque {
  DataType type;
  uint64_t rows, columns;
  int64_t stride;

  bool is_valid() const { return stride >= static_cast<int64_t>(rows) && rows > 0 && columns > 0; }
  /// Element (row, column) of a column-major matrix.
  double get(const void* data, uint64_t row, uint64_t column) const {
    const size_t at = column * static_cast<size_t>(stride) + row;
    return type == kBF16 ? to_float(static_cast<const bf16*>(data)[at]) : static_cast<const float*>(data)[at];
  }
  void set(void* data, uint64_t row, uint64_t column, double value) const {
    const size_t at = column * static_cast<size_t>(stride) + row;
    if (type == kBF16) {
      static_cast<bf16*>(data)[at] = from_float<bf16>(static_cast<float>(value));
    } else {
      static_cast<float*>(data)[at] = static_cast<float>(value);
    }
  }
};

struct DescriptorOpaque {
  int32_t operation_a = kAsStored, operation_b = kAsStored;
  uint32_t epilogue = kDefault;
  void* bias = nullptr;
  void* auxiliary = nullptr;
  int64_t auxiliary_stride = 0;
};

struct PreferenceOpaque {
  uint64_t max_workspace = 0;
  uint32_t schemes = 7;
  uint32_t alignments[4] = {256, 256, 256, 256};
};

namespace {

bool is_multiple(const void* pointer, uint64_t bytes) {
  return reinterpret_cast<uintptr_t>(pointer) % bytes == 0;
}

/// The largest power of two up to 16 that an address is a multiple of.
uint64_t alignment_of(const void* pointer) {
  uint64_t bytes = 16;
  while (!is_multiple(pointer, bytes)) bytes /= 2;
  return bytes;
}

uint64_t mix(uint64_t hash, uint64_t value) { return (hash ^ value) * 0x100000001b3; }

uint64_t mix(uint64_t hash, const LayoutOpaque& x) {
  return mix(mix(mix(mix(hash, x.type), x.rows), x.columns), static_cast<uint64_t>(x.stride));
}

/// The problem that an algorithm is chosen for, without the alignments of pointers.
uint64_t fingerprint(const DescriptorOpaque& d, const LayoutOpaque& a, const LayoutOpaque& b,
                     const LayoutOpaque& out) {
  uint64_t hash = mix(mix(0xcbf29ce484222325, static_cast<uint64_t>(d.operation_a)),
                      static_cast<uint64_t>(d.operation_b));
  hash = mix(mix(hash, d.epilogue), static_cast<uint64_t>(d.auxiliary_stride));
  hash = mix(mix(hash, alignment_of(d.bias)), alignment_of(d.auxiliary));
  return mix(mix(mix(hash, a), b), out);
}

bool is_epilogue(uint32_t e) {
  switch (e) {
    case kDefault:
    case kBias:
    case kGelu:
    case kGelu | kBias:
    case kGelu | kAuxiliary:
    case kGelu | kAuxiliary | kBias:
    case kGeluGradient | kAuxiliary:
    case kBiasGradientB: return true;
    default: return false;
  }
}

Status check_epilogue(const DescriptorOpaque& d, const LayoutOpaque& out) {
  if (!is_epilogue(d.epilogue)) return kInvalidValue;
  if ((d.epilogue & (kBias | kBiasGradientB)) != 0 && d.bias == nullptr) return kInvalidValue;
  if ((d.epilogue & kAuxiliary) == 0) return kSuccess;
  if (d.auxiliary == nullptr || !is_multiple(d.auxiliary, 16)) return kInvalidValue;
  if (d.auxiliary_stride % 8 != 0 || d.auxiliary_stride < static_cast<int64_t>(out.rows))
    return kInvalidValue;
  return out.type == kF32 ? kNotSupported : kSuccess;  // so that callers must have another way
}

Status check_problem(const DescriptorOpaque& d, const LayoutOpaque& a, const LayoutOpaque& b,
                     const LayoutOpaque& out) {
  if (!a.is_valid() || !b.is_valid() || !out.is_valid()) return kInvalidValue;
  const bool a_t = d.operation_a == kTransposed, b_t = d.operation_b == kTransposed;
  const uint64_t k = a_t ? a.rows : a.columns;
  if ((a_t ? a.columns : a.rows) != out.rows || (b_t ? b.rows : b.columns) != out.columns)
    return kInvalidValue;
  if ((b_t ? b.columns : b.rows) != k) return kInvalidValue;
  if (a.type != b.type || (a.type == kF32 && out.type != kF32)) return kNotSupported;
  if (k == test::kDepthWithoutAlgorithm) return kNotSupported;
  return check_epilogue(d, out);
}

double gelu(double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }

double gelu_slope(double x) {
  const double t = std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
}

double finished(const DescriptorOpaque& d, const LayoutOpaque& out, double value, uint64_t i, uint64_t j) {
  const LayoutOpaque vector{out.type, out.rows, 1, static_cast<int64_t>(out.rows)};
  const LayoutOpaque auxiliary{out.type, out.rows, out.columns, d.auxiliary_stride};
  if ((d.epilogue & kBias) != 0) value += vector.get(d.bias, i, 0);
  if ((d.epilogue & kGeluGradient) != 0) return value * gelu_slope(auxiliary.get(d.auxiliary, i, j));
  if ((d.epilogue & kAuxiliary) != 0) auxiliary.set(d.auxiliary, i, j, value);
  return (d.epilogue & kGelu) != 0 ? gelu(value) : value;
}

template <class T>
Status create(T** made) {
  *made = new (std::nothrow) T{};
  return *made != nullptr ? kSuccess : kNotInitialized;
}

template <class Field>
Status assign(Field& field, const void* value, size_t bytes) {
  if (bytes != sizeof field) return kInvalidValue;
  std::memcpy(&field, value, bytes);
  return kSuccess;
}

}  // namespace

extern "C" {

size_t cublasLtGetVersion() { return 130101; }
const char* cublasLtGetStatusString(Status status) {
  return status == kInvalidValue ? "CUBLAS_STATUS_INVALID_VALUE" : "CUBLAS_STATUS_NOT_SUPPORTED";
}
Status cublasLtCreate(Handle* handle) { return create(handle); }

Status cublasLtMatmulDescCreate(Descriptor* made, ComputeType compute, DataType scale) {
  if (compute != kComputeF32 || scale != kF32) return kNotSupported;
  return create(made);
}
Status cublasLtMatmulDescSetAttribute(Descriptor d, DescriptorAttribute attribute, const void* value,
                                      size_t bytes) {
  switch (attribute) {
    case kOperationA: return assign(d->operation_a, value, bytes);
    case kOperationB: return assign(d->operation_b, value, bytes);
    case kEpilogue: return assign(d->epilogue, value, bytes);
    case kBiasPointer: return assign(d->bias, value, bytes);
    case kAuxiliaryPointer: return assign(d->auxiliary, value, bytes);
    case kAuxiliaryStride: return assign(d->auxiliary_stride, value, bytes);
  }
  return kInvalidValue;
}
Status cublasLtMatmulDescDestroy(Descriptor d) {
  delete d;
  return kSuccess;
}

Status cublasLtMatrixLayoutCreate(Layout* made, DataType type, uint64_t rows, uint64_t columns,
                                  int64_t stride) {
  const Status status = create(made);
  if (status == kSuccess) **made = {type, rows, columns, stride};
  return status;
}
Status cublasLtMatrixLayoutDestroy(Layout x) {
  delete x;
  return kSuccess;
}

Status cublasLtMatmulPreferenceCreate(Preference* made) { return create(made); }
Status cublasLtMatmulPreferenceSetAttribute(Preference p, PreferenceAttribute attribute, const void* value,
                                            size_t bytes) {
  switch (attribute) {
    case kMaxWorkspaceBytes: return assign(p->max_workspace, value, bytes);
    case kReductionSchemes: return assign(p->schemes, value, bytes);
    case kAlignmentA:
    case kAlignmentB:
    case kAlignmentC:
    case kAlignmentD: return assign(p->alignments[attribute - kAlignmentA], value, bytes);
  }
  return kInvalidValue;
}
Status cublasLtMatmulPreferenceDestroy(Preference p) {
  delete p;
  return kSuccess;
}

Status cublasLtMatmulAlgoGetHeuristic(Handle, Descriptor d, Layout a, Layout b, Layout c, Layout out,
                                      Preference p, int requested, Heuristic* results, int* returned) {
  *returned = 0;
  if (requested < 1 || fingerprint(*d, *a, *b, *c) != fingerprint(*d, *a, *b, *out)) return kInvalidValue;
  if (const Status status = check_problem(*d, *a, *b, *out); status != kSuccess) return status;
  results[0] = {};
  results[0].algorithm.data[0] = fingerprint(*d, *a, *b, *out);
  for (int i = 0; i < 4; ++i) results[0].algorithm.data[1 + i] = p->alignments[i];
  results[0].workspace_bytes = p->max_workspace < 512 ? 0 : 512;
  *returned = 1;
  return kSuccess;
}

Status cublasLtMatmul(Handle handle, Descriptor d, const void* alpha, const void* a, Layout a_layout,
                      const void* b, Layout b_layout, const void* beta, const void* c, Layout c_layout,
                      void* out, Layout out_layout, const Algorithm* algorithm, void* workspace,
                      size_t workspace_bytes, void*) {
  if (handle == nullptr || algorithm->data[0] != fingerprint(*d, *a_layout, *b_layout, *out_layout)) {
    return kInvalidValue;
  }
  const void* pointers[4] = {a, b, c, out};
  for (int i = 0; i < 4; ++i) {
    if (pointers[i] == nullptr || !is_multiple(pointers[i], algorithm->data[1 + i])) return kInvalidValue;
  }
  if (workspace == nullptr || workspace_bytes < 512) return kInvalidValue;
  std::memset(workspace, 0xff, workspace_bytes);

  const float scale = *static_cast<const float*>(alpha), keep = *static_cast<const float*>(beta);
  const auto a_at = [&](uint64_t i, uint64_t k) {
    return d->operation_a == kTransposed ? a_layout->get(a, k, i) : a_layout->get(a, i, k);
  };
  const auto b_at = [&](uint64_t k, uint64_t j) {
    return d->operation_b == kTransposed ? b_layout->get(b, j, k) : b_layout->get(b, k, j);
  };
  const uint64_t depth = d->operation_a == kTransposed ? a_layout->rows : a_layout->columns;
  for (uint64_t j = 0; j < out_layout->columns; ++j) {
    double gradient = 0;
    for (uint64_t k = 0; k < depth; ++k) gradient += b_at(k, j);
    if (d->epilogue == kBiasGradientB) static_cast<float*>(d->bias)[j] = static_cast<float>(gradient);
    for (uint64_t i = 0; i < out_layout->rows; ++i) {
      double value = 0;
      for (uint64_t k = 0; k < depth; ++k) value += a_at(i, k) * b_at(k, j);
      value *= scale;
      if (keep != 0) value += keep * c_layout->get(c, i, j);
      out_layout->set(out, i, j, finished(*d, *out_layout, value, i, j));
    }
  }
  return kSuccess;
}

}  // extern "C"

}  // namespace athanor::cuda::lt
