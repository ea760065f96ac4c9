// The part of cuBLASLt's binary interface that is used, declared by hand so that building needs no
// NVIDIA header; native/test/abi compares it with the real one where that is present. The same in
// 12 and 13.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/shared_library.h"

namespace athanor::cuda::lt {

enum Status : int { kSuccess = 0, kNotInitialized = 1, kInvalidValue = 7, kNotSupported = 15 };
enum DataType : int { kF32 = 0, kBF16 = 14 };
enum ComputeType : int { kComputeF32 = 68 };
enum Operation : int32_t { kAsStored = 0, kTransposed = 1 };
enum ReductionScheme : uint32_t { kReduceInComputeType = 2 };

/// Flags; those of one epilogue are joined.
enum Epilogue : uint32_t {
  kDefault = 1,
  kBias = 4,
  kGelu = 32,
  kGeluGradient = 64,
  kAuxiliary = 128,
  kBiasGradientB = 512,
};

enum DescriptorAttribute : int {
  kOperationA = 3,
  kOperationB = 4,
  kEpilogue = 7,
  kBiasPointer = 8,
  kAuxiliaryPointer = 11,
  kAuxiliaryStride = 12,
};
enum PreferenceAttribute : int {
  kMaxWorkspaceBytes = 1,
  kReductionSchemes = 3,
  kAlignmentA = 5,
  kAlignmentB = 6,
  kAlignmentC = 7,
  kAlignmentD = 8,
};

using Handle = struct HandleOpaque*;
using Descriptor = struct DescriptorOpaque*;
using Layout = struct LayoutOpaque*;
using Preference = struct PreferenceOpaque*;

struct Algorithm {
  uint64_t data[8];
};
struct Heuristic {
  Algorithm algorithm;
  size_t workspace_bytes;
  Status state;
  float waves;
  int reserved[4];
};

using GetVersion = size_t();
using GetStatusString = const char*(Status);
using Create = Status(Handle*);
using DescriptorCreate = Status(Descriptor*, ComputeType, DataType scale);
using DescriptorSet = Status(Descriptor, DescriptorAttribute, const void* value, size_t bytes);
using DescriptorDestroy = Status(Descriptor);
using LayoutCreate = Status(Layout*, DataType, uint64_t rows, uint64_t columns, int64_t stride);
using LayoutDestroy = Status(Layout);
using PreferenceCreate = Status(Preference*);
using PreferenceSet = Status(Preference, PreferenceAttribute, const void* value, size_t bytes);
using PreferenceDestroy = Status(Preference);
using GetHeuristic = Status(Handle, Descriptor, Layout a, Layout b, Layout c, Layout d, Preference,
                            int requested, Heuristic* results, int* returned);
using Multiply = Status(Handle, Descriptor, const void* alpha, const void* a, Layout, const void* b, Layout,
                        const void* beta, const void* c, Layout, void* d, Layout, const Algorithm*,
                        void* workspace, size_t workspace_bytes, void* stream);

struct Functions {
  explicit Functions(const SharedLibrary& library)
      : status_string(library.function<GetStatusString>("cublasLtGetStatusString")),
        create(library.function<Create>("cublasLtCreate")),
        descriptor_create(library.function<DescriptorCreate>("cublasLtMatmulDescCreate")),
        descriptor_set(library.function<DescriptorSet>("cublasLtMatmulDescSetAttribute")),
        descriptor_destroy(library.function<DescriptorDestroy>("cublasLtMatmulDescDestroy")),
        layout_create(library.function<LayoutCreate>("cublasLtMatrixLayoutCreate")),
        layout_destroy(library.function<LayoutDestroy>("cublasLtMatrixLayoutDestroy")),
        preference_create(library.function<PreferenceCreate>("cublasLtMatmulPreferenceCreate")),
        preference_set(library.function<PreferenceSet>("cublasLtMatmulPreferenceSetAttribute")),
        preference_destroy(library.function<PreferenceDestroy>("cublasLtMatmulPreferenceDestroy")),
        get_heuristic(library.function<GetHeuristic>("cublasLtMatmulAlgoGetHeuristic")),
        multiply(library.function<Multiply>("cublasLtMatmul")) {}

  GetStatusString* status_string;
  Create* create;
  DescriptorCreate* descriptor_create;
  DescriptorSet* descriptor_set;
  DescriptorDestroy* descriptor_destroy;
  LayoutCreate* layout_create;
  LayoutDestroy* layout_destroy;
  PreferenceCreate* preference_create;
  PreferenceSet* preference_set;
  PreferenceDestroy* preference_destroy;
  GetHeuristic* get_heuristic;
  Multiply* multiply;
};

}  // namespace athanor::cuda::lt
