#include "ops/linear.h"

#include <mutex>
#include <vector>

#include "ops/check.h"

namespace athanor::ops {
namespace {

// A copy is identified by its weight's start and shape, since a storage may hold several weights,
// and by the kernels that packed it, since each instruction set has a layout of its own.
struct PackedPanels {
  const LinearKernels* kernels;
  DType dtype;
  bool transposed;
  const void* source;
  int64_t rows, columns;
  uint64_t version = 0;
  std::unique_ptr<Storage> panels;
};

class PackedWeights : public StorageAttachment {
 public:
  PackedPanels& find(const LinearKernels& kernels, const Tensor& weight, DType dtype, bool transposed) {
    for (PackedPanels& entry : entries_) {
      if (entry.kernels == &kernels && entry.dtype == dtype && entry.transposed == transposed &&
          entry.source == weight.raw() && entry.rows == weight.dim(0) && entry.columns == weight.dim(1))
        return entry;
    }
    return entries_.emplace_back(
        PackedPanels{&kernels, dtype, transposed, weight.raw(), weight.dim(0), weight.dim(1), 0, nullptr});
  }
  std::mutex mutex;

 private:
  std::vector<PackedPanels> entries_;
};

void check_matrix(const char* name, const Tensor& t) {
  expect(t.rank() == 2, ErrorCode::kShape, "expected ", name, " to be a matrix but it is ", t.shape().text());
}

void check_weight(const Tensor& weight) {
  check_float("weight", weight);
  check_matrix("weight", weight);
}

void check_addend(const std::optional<Tensor>& addend, DType dtype, const Shape& shape) {
  if (!addend) return;
  check_dtype("addend", *addend, dtype);
  check_shape("addend", *addend, shape);
}

}  // namespace

const void* packed_weight(const Tensor& weight, DType dtype, bool transposed) {
  const LinearKernels& kernels = linear_kernels(weight.device());
  if (kernels.packs_as_stored && weight.dtype() == dtype) return weight.raw();
  Storage& storage = weight.storage();
  if (!storage.attachment) storage.attachment = std::make_unique<PackedWeights>();
  auto& cache = static_cast<PackedWeights&>(*storage.attachment);
  std::lock_guard lock(cache.mutex);
  PackedPanels& entry = cache.find(kernels, weight, dtype, transposed && !kernels.packs_as_stored);
  const int64_t k = weight.dim(transposed ? 1 : 0);
  const int64_t n = weight.dim(transposed ? 0 : 1);
  // A storage's version starts at 0, so an entry remembers one more than the version
  // that it packed.
  if (entry.version != storage.version() + 1) {
    const size_t bytes = kernels.packed_bytes(k, n, dtype);
    if (!entry.panels) entry.panels = std::make_unique<Storage>(bytes, weight.device());
    kernels.pack(entry.panels->data(), weight.raw(), weight.dtype(), k, n, transposed, dtype);
    entry.version = storage.version() + 1;
  }
  return entry.panels->data();
}

void release_packed(const Tensor& weight) { weight.storage().attachment.reset(); }

std::tuple<Tensor, std::optional<Tensor>> linear_forward(const LinearForwardInputs& given) {
  const auto& [x, weight, bias, activation, save_preactivation, addend] = given;
  check_float("x", x);
  check_matrix("x", x);
  check_weight(weight);
  const int64_t n = x.dim(0), in = weight.dim(1), out = weight.dim(0);
  check_shape("x", x, {n, in});
  if (bias) {
    check_dtype("bias", *bias, DType::kF32);
    check_shape("bias", *bias, {out});
  }
  check_addend(addend, x.dtype(), {n, out});
  Tensor y({n, out}, x.dtype(), x.device());
  std::optional<Tensor> preactivation;
  if (save_preactivation) preactivation = Tensor({n, out}, x.dtype(), x.device());
  GemmArgs args{.m = n,
                .n = out,
                .k = in,
                .dtype = x.dtype(),
                .a = x.raw(),
                .b = packed_weight(weight, x.dtype(), true),
                .b_transposed = true,
                .out = y.raw(),
                .out_dtype = x.dtype()};
  args.epilogue.bias = bias ? bias->data<float>() : nullptr;
  args.epilogue.addend = addend ? addend->raw() : nullptr;
  args.epilogue.activation = activation;
  args.epilogue.preactivation = preactivation ? preactivation->raw() : nullptr;
  linear_kernels(x.device()).gemm_packed(args);
  return {y, preactivation};
}

Tensor linear_backward_input(const Tensor& dy, const Tensor& weight,
                             const std::optional<Tensor>& preactivation,
                             const std::optional<Tensor>& addend) {
  check_float("dy", dy);
  check_matrix("dy", dy);
  check_weight(weight);
  const int64_t n = dy.dim(0), in = weight.dim(1), out = weight.dim(0);
  check_shape("dy", dy, {n, out});
  if (preactivation) {
    check_dtype("preactivation", *preactivation, dy.dtype());
    check_shape("preactivation", *preactivation, {n, in});
  }
  check_addend(addend, dy.dtype(), {n, in});
  Tensor dx({n, in}, dy.dtype(), dy.device());
  GemmArgs args{.m = n,
                .n = in,
                .k = out,
                .dtype = dy.dtype(),
                .a = dy.raw(),
                .b = packed_weight(weight, dy.dtype(), false),
                .out = dx.raw(),
                .out_dtype = dy.dtype()};
  args.epilogue.addend = addend ? addend->raw() : nullptr;
  args.epilogue.gelu_input = preactivation ? preactivation->raw() : nullptr;
  linear_kernels(dy.device()).gemm_packed(args);
  return dx;
}

void linear_backward_weight(const Tensor& dy, const Tensor& x, const Tensor& dweight,
                            const std::optional<Tensor>& dbias, std::optional<bool> overwrite) {
  check_float("dy", dy);
  check_matrix("dy", dy);
  check_matrix("x", x);
  check_dtype("x", x, dy.dtype());
  check_dtype("dweight", dweight, DType::kF32);
  const int64_t n = dy.dim(0), out = dy.dim(1), in = x.dim(1);
  check_shape("x", x, {n, in});
  check_shape("dweight", dweight, {out, in});
  if (dbias) {
    check_dtype("dbias", *dbias, DType::kF32);
    check_shape("dbias", *dbias, {out});
  }
  linear_kernels(dy.device())
      .gemm({.m = out,
             .n = in,
             .k = n,
             .dtype = dy.dtype(),
             .a = dy.raw(),
             .a_transposed = true,
             .b = x.raw(),
             .out = dweight.raw(),
             .out_dtype = DType::kF32,
             .epilogue = {.accumulate = !overwrite.value_or(false)},
             .a_row_sums = dbias ? dbias->data<float>() : nullptr});
  dweight.storage().mark_written();
  if (dbias) dbias->storage().mark_written();
}

Tensor gemm(const Tensor& a, const Tensor& b, bool a_transposed, bool b_transposed, DType out_dtype) {
  check_float("a", a);
  check_matrix("a", a);
  check_matrix("b", b);
  check_dtype("b", b, a.dtype());
  const int64_t m = a.dim(a_transposed ? 1 : 0), k = a.dim(a_transposed ? 0 : 1),
                n = b.dim(b_transposed ? 0 : 1);
  expect(b.dim(b_transposed ? 1 : 0) == k, ErrorCode::kShape, "expected inner sizes to agree but they are ",
         k, " and ", b.dim(b_transposed ? 1 : 0));
  expect(out_dtype == DType::kF32 || out_dtype == DType::kBF16, ErrorCode::kDtype,
         "expected an f32 or bf16 result but got ", dtype_name(out_dtype));
  Tensor out({m, n}, out_dtype, a.device());
  linear_kernels(a.device())
      .gemm({.m = m,
             .n = n,
             .k = k,
             .dtype = a.dtype(),
             .a = a.raw(),
             .a_transposed = a_transposed,
             .b = b.raw(),
             .b_transposed = b_transposed,
             .out = out.raw(),
             .out_dtype = out_dtype});
  return out;
}

}  // namespace athanor::ops
