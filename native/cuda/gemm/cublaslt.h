// Products through cuBLASLt. It works in column-major order and computes our product transposed,
// out^T = op(B)^T op(A)^T: its A is our B and its rows are our columns. The memory is the same.
#pragma once

#include <array>
#include <compare>
#include <map>
#include <memory>
#include <mutex>

#include "cuda/gemm/cublaslt_abi.h"
#include "kernels/linear.h"

namespace athanor::cuda {

/// The key of an algorithm: equal problems run the same one, so the same call has the same bits.
struct LtProblem {
  int64_t m, n, k, a_stride;
  DType dtype, out_dtype;
  bool a_transposed, b_transposed;
  bool reads_c;  // the addend, or the old output
  uint32_t epilogue;
  std::array<uint32_t, 6> alignments;  // of a, b, c, out, bias and auxiliary, in bytes
  auto operator<=>(const LtProblem&) const = default;
};

class CublasLt {
 public:
  /// Throws ERR_CUDA_LIBRARY_MISSING for a library without the functions, ERR_CUDA_UNAVAILABLE for
  /// a library that needs a newer driver than this machine has.
  explicit CublasLt(const SharedLibrary& library);

  /// The product with its epilogue and row sums, accumulated in f32 without TF32. False, with
  /// nothing done, where cuBLASLt has no such epilogue or no algorithm for the shape. Biases are
  /// rounded to the output's dtype, because cuBLASLt takes no other.
  bool multiply(const GemmArgs& args);

  /// The number of problems with a plan.
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
