// Compiles only where cuda/gemm/cublaslt_abi.h agrees with NVIDIA's header.
#include <cublasLt.h>

#include <cstddef>
#include <type_traits>

#include "cuda/gemm/cublaslt_abi.h"

namespace athanor::cuda {
namespace {

#define SAME_VALUE(ours, theirs) static_assert(static_cast<int>(ours) == static_cast<int>(theirs))

SAME_VALUE(lt::kSuccess, CUBLAS_STATUS_SUCCESS);
SAME_VALUE(lt::kNotInitialized, CUBLAS_STATUS_NOT_INITIALIZED);
SAME_VALUE(lt::kInvalidValue, CUBLAS_STATUS_INVALID_VALUE);
SAME_VALUE(lt::kNotSupported, CUBLAS_STATUS_NOT_SUPPORTED);
SAME_VALUE(lt::kF32, CUDA_R_32F);
SAME_VALUE(lt::kBF16, CUDA_R_16BF);
SAME_VALUE(lt::kComputeF32, CUBLAS_COMPUTE_32F);
SAME_VALUE(lt::kAsStored, CUBLAS_OP_N);
SAME_VALUE(lt::kTransposed, CUBLAS_OP_T);
SAME_VALUE(lt::kReduceInComputeType, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
SAME_VALUE(lt::kDefault, CUBLASLT_EPILOGUE_DEFAULT);
SAME_VALUE(lt::kBias, CUBLASLT_EPILOGUE_BIAS);
SAME_VALUE(lt::kGelu, CUBLASLT_EPILOGUE_GELU);
SAME_VALUE(lt::kGelu | lt::kAuxiliary, CUBLASLT_EPILOGUE_GELU_AUX);
SAME_VALUE(lt::kGelu | lt::kBias, CUBLASLT_EPILOGUE_GELU_BIAS);
SAME_VALUE(lt::kGelu | lt::kAuxiliary | lt::kBias, CUBLASLT_EPILOGUE_GELU_AUX_BIAS);
SAME_VALUE(lt::kGeluGradient | lt::kAuxiliary, CUBLASLT_EPILOGUE_DGELU);
SAME_VALUE(lt::kBiasGradientB, CUBLASLT_EPILOGUE_BGRADB);
SAME_VALUE(lt::kOperationA, CUBLASLT_MATMUL_DESC_TRANSA);
SAME_VALUE(lt::kOperationB, CUBLASLT_MATMUL_DESC_TRANSB);
SAME_VALUE(lt::kEpilogue, CUBLASLT_MATMUL_DESC_EPILOGUE);
SAME_VALUE(lt::kBiasPointer, CUBLASLT_MATMUL_DESC_BIAS_POINTER);
SAME_VALUE(lt::kAuxiliaryPointer, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER);
SAME_VALUE(lt::kAuxiliaryStride, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD);
SAME_VALUE(lt::kMaxWorkspaceBytes, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
SAME_VALUE(lt::kReductionSchemes, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK);
SAME_VALUE(lt::kAlignmentA, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
SAME_VALUE(lt::kAlignmentB, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES);
SAME_VALUE(lt::kAlignmentC, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES);
SAME_VALUE(lt::kAlignmentD, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);

static_assert(sizeof(lt::Algorithm) == sizeof(cublasLtMatmulAlgo_t));
static_assert(sizeof(lt::Heuristic) == sizeof(cublasLtMatmulHeuristicResult_t));
static_assert(offsetof(lt::Heuristic, algorithm) == offsetof(cublasLtMatmulHeuristicResult_t, algo));
static_assert(offsetof(lt::Heuristic, workspace_bytes) ==
              offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize));
static_assert(offsetof(lt::Heuristic, state) == offsetof(cublasLtMatmulHeuristicResult_t, state));

/// Whether arguments are passed the same way: pointers as pointers, numbers and enumerations
/// of one size.
template <class A, class B>
constexpr bool kIsPassedAlike = std::is_pointer_v<A> == std::is_pointer_v<B> && sizeof(A) == sizeof(B) &&
                                std::is_floating_point_v<A> == std::is_floating_point_v<B>;

template <class Ours, class Theirs>
struct IsCalledAlike : std::false_type {};
template <class R, class... A, class S, class... B>
  requires(sizeof...(A) == sizeof...(B))
struct IsCalledAlike<R(A...), S(B...)>
    : std::bool_constant<kIsPassedAlike<R, S> && (kIsPassedAlike<A, B> && ...)> {};

#define SAME_CALL(Ours, theirs) static_assert(IsCalledAlike<Ours, decltype(theirs)>::value)

SAME_CALL(lt::GetVersion, cublasLtGetVersion);
SAME_CALL(lt::GetStatusString, cublasLtGetStatusString);
SAME_CALL(lt::Create, cublasLtCreate);
SAME_CALL(lt::DescriptorCreate, cublasLtMatmulDescCreate);
SAME_CALL(lt::DescriptorSet, cublasLtMatmulDescSetAttribute);
SAME_CALL(lt::DescriptorDestroy, cublasLtMatmulDescDestroy);
SAME_CALL(lt::LayoutCreate, cublasLtMatrixLayoutCreate);
SAME_CALL(lt::LayoutDestroy, cublasLtMatrixLayoutDestroy);
SAME_CALL(lt::PreferenceSet, cublasLtMatmulPreferenceSetAttribute);
SAME_CALL(lt::PreferenceCreate, cublasLtMatmulPreferenceCreate);
SAME_CALL(lt::PreferenceDestroy, cublasLtMatmulPreferenceDestroy);
SAME_CALL(lt::GetHeuristic, cublasLtMatmulAlgoGetHeuristic);
SAME_CALL(lt::Multiply, cublasLtMatmul);

}  // namespace
}  // namespace athanor::cuda
