#include "cuda/gemm/cublaslt.h"

#include "core/error.h"
#include "cuda/loops.h"

namespace athanor::cuda {
namespace {

// NVIDIA's recommendation for Hopper; a plan takes as much as its algorithm needs.
constexpr uint64_t kMaxWorkspaceBytes = uint64_t{32} << 20;
// Rollouts bring a new number of rows with almost every batch: a plan is about 1 KiB.
constexpr size_t kMaxPlans = 4096;
// Auxiliary matrices have strides that are multiples of this many elements.
constexpr int64_t kAuxiliaryMultiple = 8;

struct Add {
  __device__ float operator()(float a, float b) const { return a + b; }
};

lt::DataType data_type(DType dtype) { return dtype == DType::kBF16 ? lt::kBF16 : lt::kF32; }

/// The largest power of two, up to 16, that an address is a multiple of: no load is wider.
uint32_t alignment_of(const void* pointer) {
  const auto low = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(pointer) & 15u);
  return low == 0 ? 16 : low & (~low + 1);
}

/// Whether cuBLASLt has the epilogue exactly as it is defined here.
bool is_epilogue_known(const GemmArgs& g) {
  const Epilogue& e = g.epilogue;
  const bool is_gelu = e.activation == Activation::kGelu;
  const void* auxiliary = e.gelu_input != nullptr ? e.gelu_input : e.preactivation;
  if (g.dtype == DType::kF32 && g.out_dtype != DType::kF32) return false;
  if (e.accumulate && e.addend != nullptr) return false;  // one C
  if (e.preactivation != nullptr && !is_gelu) return false;
  if (e.gelu_input != nullptr && (is_gelu || e.bias != nullptr)) return false;
  if (auxiliary != nullptr && (g.n % kAuxiliaryMultiple != 0 || !is_aligned(auxiliary))) return false;
  if (g.a_row_sums == nullptr) return true;
  return g.out_dtype == DType::kF32 && !is_gelu && e.gelu_input == nullptr && e.bias == nullptr;
}

uint32_t epilogue_flags(const GemmArgs& g) {
  const Epilogue& e = g.epilogue;
  if (g.a_row_sums != nullptr) return lt::kBiasGradientB;
  if (e.gelu_input != nullptr) return lt::kGeluGradient | lt::kAuxiliary;
  uint32_t flags = 0;
  if (e.bias != nullptr) flags |= lt::kBias;
  if (e.activation == Activation::kGelu) flags |= lt::kGelu;
  if (e.preactivation != nullptr) flags |= lt::kAuxiliary;
  return flags == 0 ? static_cast<uint32_t>(lt::kDefault) : flags;
}

}  // namespace

/// The pointers of one call.
struct CublasLt::Call {
  const void* c;          // never null: unread where beta is 0
  const void* bias;       // or where the bias gradient goes; may be null
  const void* auxiliary;  // may be null
  int64_t auxiliary_stride;
};

CublasLt::CublasLt(const SharedLibrary& library) : functions_(library) {
  const lt::Status status = functions_.create(&handle_);
  expect(status == lt::kSuccess, ErrorCode::kCudaUnavailable, library.path(),
         " could not start: ", functions_.status_string(status),
         "; the driver may be too old for it: set ATHANOR_CUBLASLT to an older one, or to none for the "
         "engine's own kernels");
}

void CublasLt::check(lt::Status status, const char* what) const {
  expect(status == lt::kSuccess, ErrorCode::kInternal, "cuBLASLt answered ", functions_.status_string(status),
         " to ", what);
}

template <class T>
void CublasLt::set(const Plan& plan, lt::DescriptorAttribute attribute, const T& value) const {
  check(functions_.descriptor_set(plan.descriptor.get(), attribute, &value, sizeof value), "an attribute");
}

CublasLt::Plan CublasLt::make_plan(const LtProblem& p, const Call& call) const {
  lt::Descriptor descriptor = nullptr;
  check(functions_.descriptor_create(&descriptor, lt::kComputeF32, lt::kF32), "a descriptor");
  const auto layout = [&](DType dtype, int64_t rows, int64_t columns, int64_t stride) {
    lt::Layout made = nullptr;
    check(functions_.layout_create(&made, data_type(dtype), static_cast<uint64_t>(rows),
                                   static_cast<uint64_t>(columns), stride),
          "a layout");
    return std::unique_ptr<lt::LayoutOpaque, lt::LayoutDestroy*>(made, functions_.layout_destroy);
  };
  const int64_t a_rows = p.b_transposed ? p.k : p.n, b_rows = p.a_transposed ? p.m : p.k;
  Plan plan{{descriptor, functions_.descriptor_destroy},
            layout(p.dtype, a_rows, p.b_transposed ? p.n : p.k, a_rows),
            layout(p.dtype, b_rows, p.a_transposed ? p.k : p.m, p.a_stride),
            layout(p.out_dtype, p.n, p.m, p.n),
            {},
            false};
  set(plan, lt::kOperationA, p.b_transposed ? lt::kTransposed : lt::kAsStored);
  set(plan, lt::kOperationB, p.a_transposed ? lt::kTransposed : lt::kAsStored);
  set(plan, lt::kEpilogue, p.epilogue);
  if (call.auxiliary != nullptr) set(plan, lt::kAuxiliaryStride, call.auxiliary_stride);
  set_pointers(plan, call);
  choose(plan, p);
  return plan;
}

void CublasLt::set_pointers(const Plan& plan, const Call& call) const {
  if (call.bias != nullptr) set(plan, lt::kBiasPointer, call.bias);
  if (call.auxiliary != nullptr) set(plan, lt::kAuxiliaryPointer, call.auxiliary);
}

void CublasLt::choose(Plan& plan, const LtProblem& p) const {
  lt::Preference made = nullptr;
  check(functions_.preference_create(&made), "a preference");
  const std::unique_ptr<lt::PreferenceOpaque, lt::PreferenceDestroy*> preference(
      made, functions_.preference_destroy);
  const auto prefer = [&](lt::PreferenceAttribute attribute, const auto& value) {
    check(functions_.preference_set(preference.get(), attribute, &value, sizeof value), "a preference");
  };
  prefer(lt::kMaxWorkspaceBytes, kMaxWorkspaceBytes);
  // Where an algorithm cuts a sum along k, the parts are added in f32, in a fixed order.
  prefer(lt::kReductionSchemes, lt::kReduceInComputeType);
  prefer(lt::kAlignmentA, p.alignments[1]);
  prefer(lt::kAlignmentB, p.alignments[0]);
  prefer(lt::kAlignmentC, p.alignments[2]);
  prefer(lt::kAlignmentD, p.alignments[3]);
  int count = 0;
  const lt::Status status =
      functions_.get_heuristic(handle_, plan.descriptor.get(), plan.a.get(), plan.b.get(), plan.out.get(),
                               plan.out.get(), preference.get(), 1, &plan.choice, &count);
  if (status != lt::kNotSupported && status != lt::kInvalidValue) check(status, "a heuristic");
  plan.found = status == lt::kSuccess && count > 0 && plan.choice.state == lt::kSuccess;
}

CublasLt::Plan& CublasLt::plan_for(const LtProblem& problem, const Call& call) {
  const auto known = plans_.find(problem);
  if (known != plans_.end()) return known->second;
  if (plans_.size() >= kMaxPlans) plans_.clear();
  return plans_.emplace(problem, make_plan(problem, call)).first->second;
}

bool CublasLt::multiply(const GemmArgs& g) {
  if (!is_epilogue_known(g)) return false;
  const Epilogue& e = g.epilogue;
  const bool narrows_bias = e.bias != nullptr && g.out_dtype == DType::kBF16;
  const Scratch bias(narrows_bias ? static_cast<size_t>(g.n) * sizeof(bf16) : 0);
  const Scratch row_sums(g.a_row_sums != nullptr ? static_cast<size_t>(g.m) * sizeof(float) : 0);
  Call call{e.accumulate || e.addend == nullptr ? g.out : e.addend, e.bias,
            e.gelu_input != nullptr ? e.gelu_input : e.preactivation, g.n};
  if (narrows_bias) call.bias = bias.as<void>();
  if (g.a_row_sums != nullptr) call.bias = row_sums.as<void>();

  const int64_t dense = g.a_transposed ? g.m : g.k;
  const LtProblem problem{g.m,
                          g.n,
                          g.k,
                          g.a_stride != 0 ? g.a_stride : dense,
                          g.dtype,
                          g.out_dtype,
                          g.a_transposed,
                          g.b_transposed,
                          e.accumulate || e.addend != nullptr,
                          epilogue_flags(g),
                          {alignment_of(g.a), alignment_of(g.b), alignment_of(call.c), alignment_of(g.out),
                           alignment_of(call.bias), alignment_of(call.auxiliary)}};
  const std::lock_guard lock(mutex_);
  const Plan& plan = plan_for(problem, call);
  if (!plan.found) return false;
  if (narrows_bias) map1(bias.as<bf16>(), e.bias, g.n, Identity{});
  set_pointers(plan, call);
  const Scratch workspace(plan.choice.workspace_bytes);
  const float alpha = 1.0f, beta = problem.reads_c ? 1.0f : 0.0f;
  check(functions_.multiply(handle_, plan.descriptor.get(), &alpha, g.b, plan.a.get(), g.a, plan.b.get(),
                            &beta, call.c, plan.out.get(), g.out, plan.out.get(), &plan.choice.algorithm,
                            workspace.as<void>(), plan.choice.workspace_bytes, current_stream()),
        "a product");
  if (g.a_row_sums != nullptr) map2(g.a_row_sums, g.a_row_sums, row_sums.as<const float>(), g.m, Add{});
  return true;
}

}  // namespace athanor::cuda
