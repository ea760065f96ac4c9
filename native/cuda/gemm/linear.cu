// Products go to cuBLASLt with their epilogue. Where cuBLASLt lacks the epilogue, it computes an
// f32 product and a kernel applies the epilogue. ATHANOR_CUBLASLT=none takes the engine's own
// kernels instead, which are slower and give a row the same bits in any batch. To pack a weight is
// to round it: a panel is the matrix in its stored layout, so one copy serves the products with it
// and with its transpose, and a bf16 weight needs no copy.
#include "kernels/linear.h"

#include <cstdlib>
#include <cstring>

#include "core/cuda_libraries.h"
#include "cuda/column_sum.h"
#include "cuda/gemm/epilogue.h"
#include "cuda/gemm/gemm.h"

namespace athanor::cuda {
namespace {

/// The epilogue of `sums`, an f32 product [m, n]. It does not accumulate: the product did.
template <class T>
__global__ void __launch_bounds__(kBlock)
    epilogue_kernel(const __grid_constant__ StoreEpilogue<T> store, const float* sums, int64_t count) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (at < count) store(sums[at], at / store.n, at % store.n);
}

void apply_epilogue(const GemmArgs& args, const float* sums) {
  GemmArgs g = args;
  g.epilogue.accumulate = false;
  for_dtype(g.out_dtype, [&](auto type) {
    using T = decltype(type);
    launch(epilogue_kernel<T>, Launch{blocks_for(g.m * g.n, kBlock), kBlock}, StoreEpilogue<T>(g), sums,
           g.m * g.n);
  });
}

bool has_epilogue(const Epilogue& e) {
  return e.bias != nullptr || e.addend != nullptr || e.preactivation != nullptr ||
         e.activation != Activation::kNone || e.gelu_input != nullptr;
}

/// Computes the product in f32, in the output or beside it, and then the epilogue.
bool multiply_then_apply(CublasLt& library, const GemmArgs& g) {
  const bool is_wide = g.out_dtype == DType::kF32;
  const Scratch sums(is_wide ? 0 : static_cast<size_t>(g.m * g.n) * sizeof(float));
  GemmArgs plain = g;
  plain.out = is_wide ? g.out : sums.as<void>();
  plain.out_dtype = DType::kF32;
  plain.epilogue = {};
  plain.epilogue.accumulate = g.epilogue.accumulate;
  plain.a_row_sums = nullptr;
  if (!library.multiply(plain)) return false;
  if (!is_wide || has_epilogue(g.epilogue)) apply_epilogue(g, static_cast<const float*>(plain.out));
  return true;
}

/// A warp per row.
template <class T>
__global__ void __launch_bounds__(kBlock)
    add_row_sums_kernel(float* out, const T* x, int64_t rows, int64_t columns, int64_t stride) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * (kBlock / kWarp) + threadIdx.x / kWarp;
  if (row >= rows) return;
  float total = 0;
  for (int64_t c = threadIdx.x % kWarp; c < columns; c += kWarp) total += widen(x[row * stride + c]);
  total = warp_sum(total);
  if (threadIdx.x % kWarp == 0) out[row] += total;
}

void add_row_sums(const GemmArgs& g) {
  const int64_t stride = g.a_stride != 0 ? g.a_stride : g.a_transposed ? g.m : g.k;
  if (g.a_transposed) return add_column_sums(g.dtype, g.a_row_sums, g.a, g.k, g.m, stride);
  for_dtype(g.dtype, [&](auto type) {
    using T = decltype(type);
    launch(add_row_sums_kernel<T>, Launch{blocks_for(g.m, kBlock / kWarp), kBlock}, g.a_row_sums,
           static_cast<const T*>(g.a), g.m, g.k, stride);
  });
}

/// Null where the user chose the engine's own kernels. cuBLASLt cannot reach the emulator's memory:
/// there it is the fake of the tests, where the variable names it, or null.
CublasLt* chosen_library() {
  static const std::unique_ptr<CublasLt> chosen = []() -> std::unique_ptr<CublasLt> {
    const LibraryPlaces places = cublaslt_places();
    const char* named = std::getenv(places.variable);
    const bool is_named = named != nullptr && *named != '\0';
    if (is_named ? std::strcmp(named, kNoLibrary) == 0 : kIsEmulated) return nullptr;
    return std::make_unique<CublasLt>(SharedLibrary(places));
  }();
  return chosen.get();
}

void gemm(const GemmArgs& args) { gemm_with(chosen_library(), args); }

size_t packed_bytes(int64_t k, int64_t n, DType dtype) {
  return static_cast<size_t>(k * n) * dtype_size(dtype);
}

void pack(void* panels, const void* b, DType b_dtype, int64_t k, int64_t n, bool, DType dtype) {
  if (dtype == b_dtype) return copy_on_device(panels, b, packed_bytes(k, n, dtype));
  for_dtype(b_dtype, [&](auto from) {
    for_dtype(dtype, [&](auto to) {
      map1(static_cast<decltype(to)*>(panels), static_cast<const decltype(from)*>(b), k * n, Identity{});
    });
  });
}

}  // namespace

void engine_gemm(const GemmArgs& args) {
  args.dtype == DType::kBF16 ? engine_gemm_bf16(args) : engine_gemm_f32(args);
}

void gemm_with(CublasLt* library, const GemmArgs& g) {
  if (g.m == 0) return;
  if (g.n != 0 && g.k != 0 && library != nullptr) {
    if (library->multiply(g)) return;
    if (!multiply_then_apply(*library, g)) engine_gemm(g);
  } else if (g.n != 0) {
    engine_gemm(g);
  }
  if (g.a_row_sums != nullptr && g.k != 0) add_row_sums(g);
}

const LinearKernels& linear_kernels() {
  static constexpr auto kTable =
      complete_table<LinearKernels>(gemm, packed_bytes, pack, gemm, /*packs_as_stored=*/true);
  return kTable;
}

}  // namespace athanor::cuda
