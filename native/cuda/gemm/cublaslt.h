// Products through cuBLASLt. It thinks in columns: what it computes is our product transposed, out^T =
// op(B)^T op(A)^T, so that its A is our B and its rows are our columns; memory is the same either way.
#pragma once

#include <array>
#include <compare>
#include <map>
#include <memory>
#include <mutex>

#include "cuda/gemm/cublaslt_abi.h"
#include "kernels/linear.h"

namespace athanor::cuda {

/// What chooses an algorithm: equal problems run the same one, so the same call has the same bits.
struct LtProblem {
  int64_t m, n, k, a_stride;
  DType dtype, out_dtype;
  bool a_transposed, b_transposed;
  bool reads_c;  // the addend, or what is accumulated to
  uint32_t epilogue;
  std::array<uint32_t, 6> alignments;  // of a, b, c, out, bias and auxiliary, in bytes
  auto operator<=>(const LtProblem&) const = default;
};

class CublasLt {
 public:
  /// Throws ERR_CUDA_LIBRARY_MISSING for a library without the functions, ERR_CUDA_UNAVAILABLE for one that
  /// this machine's driver is too old for.
  explicit CublasLt(const SharedLibrary& library);

  /// The product with its epilogue and row sums, accumulated in f32 without TF32. False, with nothing done,
  /// where cuBLASLt has no such epilogue or no algorithm for the shape. Biases are rounded to the output's
  /// dtype, the only one that it takes.
  bool multiply(const GemmArgs& args);

  /// Problems that an algorithm was looked up for.
  size_t plan_count() const { return plans_.size(); }

 private:
  struct Plan {
    std::unique_ptr<lt::DescriptorOpaque, lt::DescriptorDestroy*> descriptor;
    std::unique_ptr<lt::LayoutOpaque, lt::LayoutDestroy*> a, b, out;
    lt::Heuristic choice;
    bool found;
  };
  struct Call;

  void check(lt::Status status, const char* what) const;
  template <class T>
  void set(const Plan& plan, lt::DescriptorAttribute attribute, const T& value) const;
  Plan make_plan(const LtProblem& problem, const Call& call) const;
  void set_pointers(const Plan& plan, const Call& call) const;
  void choose(Plan& plan, const LtProblem& problem) const;
  Plan& plan_for(const LtProblem& problem, const Call& call);

  lt::Functions functions_;
  lt::Handle handle_ = nullptr;
  std::mutex mutex_;
  std::map<LtProblem, Plan> plans_;
};

}  // namespace athanor::cuda
