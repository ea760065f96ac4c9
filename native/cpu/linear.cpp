// Matrix products from packed panels. B is packed whole (weights once a step, by the caller; activations per
// call). A is packed where it is used: whole and up front when it is small enough to stay in L2, and then
// threads share out the columns (decoding, logits); else a block of rows at a time, and threads share out the
// rows (training).
#include "kernels/linear.h"

#include "core/allocator.h"
#include "cpu/gemm_tile.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

// Packed A that one thread works from: half of a 1 MiB L2, the other half being for the panel of B and the
// output.
constexpr int64_t kRowBlockBytes = 512 * 1024;
// Chains longer than this are cut, and continued from the f32 output: a panel of B (kColumns lanes a step) of
// 2,048 steps is 256 KiB.
constexpr int64_t kMaxSteps = 2048;
// Tasks a thread should find, so that a disturbed one does not leave the others waiting long.
constexpr int64_t kTasksPerThread = 4;

int64_t panel_lanes(int64_t steps, int width) { return steps * width + (width < kLanes ? kLanes : 0); }

struct Operand {
  const void* data;
  DType dtype;
  bool along_k;  // rows run along k: A as it is, B transposed
  int64_t stride;
};

/// Panels [first, last) of an operand with `extent` rows or columns, k elements from k0, into `out` one after
/// another.
void pack_panels(uint32_t* out, const Operand& x, DType lane_dtype, int width, int64_t extent, int64_t first,
                 int64_t last, int64_t k0, int64_t k) {
  const bool pairs = lane_dtype == DType::kBF16;
  const int64_t lanes = panel_lanes(step_count(k, lane_dtype), width);
  for (int64_t p = first; p < last; ++p, out += lanes) {
    const int present = static_cast<int>(std::min<int64_t>(width, extent - p * width));
    const int64_t offset = x.along_k ? p * width * x.stride + k0 : k0 * x.stride + p * width;
    if (x.dtype == DType::kF32) {
      const float* source = static_cast<const float*>(x.data) + offset;
      x.along_k ? pack_along_k(out, width, source, x.stride, present, k, pairs)
                : pack_across_k(out, width, source, x.stride, present, k, pairs);
    } else {
      const bf16* source = static_cast<const bf16*>(x.data) + offset;
      x.along_k ? pack_along_k(out, width, source, x.stride, present, k, pairs)
                : pack_across_k(out, width, source, x.stride, present, k, pairs);
    }
  }
}

Operand operand_a(const GemmArgs& g) {
  const int64_t dense = g.a_transposed ? g.m : g.k;
  return {g.a, g.dtype, !g.a_transposed, g.a_stride != 0 ? g.a_stride : dense};
}

/// A stretch of k: B's panels for it, and whether it is the chain's first and last.
struct Stretch {
  int64_t k0, k;
  const uint32_t* b;
  int64_t b_panel_lanes;
  bool first, last;
};

size_t element(DType dtype) { return dtype_size(dtype); }

template <class Pointer>
Pointer shifted(Pointer base, int64_t elements, DType dtype) {
  using Byte = std::conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>, const char, char>;
  return base ? static_cast<Byte*>(base) + elements * static_cast<int64_t>(element(dtype)) : base;
}

/// Rows [row, row + rows) times B's panel `panel`, from A's panels at `a`.
void multiply_panel(const GemmArgs& g, const Stretch& s, const uint32_t* a, int64_t row, int64_t rows,
                    int64_t panel) {
  const int64_t steps = step_count(s.k, g.dtype);
  const int64_t column = panel * kColumns;
  TileStore store{};
  store.dtype = g.out_dtype;
  store.stride = g.n;
  store.columns = static_cast<int>(std::min<int64_t>(kColumns, g.n - column));
  const bool pairs = g.dtype == DType::kBF16;
  for (int64_t r = 0; r < rows; r += kRows, a += panel_lanes(steps, kRows)) {
    const int64_t offset = (row + r) * g.n + column;
    store.out = shifted(g.out, offset, g.out_dtype);
    store.epilogue = {};
    store.epilogue.accumulate = g.epilogue.accumulate || !s.first;
    if (s.last) {
      store.epilogue.bias = g.epilogue.bias ? g.epilogue.bias + column : nullptr;
      store.epilogue.activation = g.epilogue.activation;
      store.epilogue.preactivation = shifted(g.epilogue.preactivation, offset, g.out_dtype);
      store.epilogue.gelu_input = shifted(g.epilogue.gelu_input, offset, g.out_dtype);
    }
    const int64_t tile_rows = std::min<int64_t>(kRows, rows - r);
    const TileFunction kernel = pairs ? tile_for<true>(tile_rows) : tile_for<false>(tile_rows);
    kernel(a, kRows, s.b + panel * s.b_panel_lanes, steps, store);
  }
}

/// Threads share out the columns; every one reads all of A.
void multiply_by_columns(const GemmArgs& g, const Stretch& s) {
  const int64_t row_panels = ceil_div(g.m, kRows);
  const int64_t lanes = panel_lanes(step_count(s.k, g.dtype), kRows);
  auto* a = static_cast<uint32_t*>(thread_scratch(static_cast<size_t>(row_panels * lanes) * 4 + 64));
  pack_panels(a, operand_a(g), g.dtype, kRows, g.m, 0, row_panels, s.k0, s.k);
  const int64_t panels = ceil_div(g.n, kColumns);
  const int64_t group = std::max<int64_t>(1, ceil_div(panels, kTasksPerThread * num_threads()));
  parallel_for(ceil_div(panels, group), [&](int64_t task) {
    for (int64_t p = task * group; p < std::min(panels, (task + 1) * group); ++p)
      multiply_panel(g, s, a, 0, g.m, p);
  });
}

/// Threads share out blocks of rows; each packs its own.
void multiply_by_rows(const GemmArgs& g, const Stretch& s) {
  const int64_t row_panels = ceil_div(g.m, kRows);
  const int64_t lanes = panel_lanes(step_count(s.k, g.dtype), kRows);
  const int64_t fit = std::max<int64_t>(1, kRowBlockBytes / (lanes * 4));
  const int64_t fair = ceil_div(row_panels, kTasksPerThread * num_threads());
  const int64_t block = std::min(fit, fair);
  const int64_t panels = ceil_div(g.n, kColumns);
  parallel_for(ceil_div(row_panels, block), [&](int64_t task) {
    const int64_t first = task * block;
    const int64_t last = std::min(row_panels, first + block);
    auto* a = static_cast<uint32_t*>(thread_scratch(static_cast<size_t>(block * lanes) * 4 + 64));
    pack_panels(a, operand_a(g), g.dtype, kRows, g.m, first, last, s.k0, s.k);
    const int64_t row = first * kRows;
    const int64_t rows = std::min(g.m, last * kRows) - row;
    for (int64_t p = 0; p < panels; ++p) multiply_panel(g, s, a, row, rows, p);
  });
}

void multiply(const GemmArgs& g, const Stretch& s) {
  const int64_t a_bytes = g.m * step_count(s.k, g.dtype) * 4;
  const bool few_rows = g.m < kRows * kTasksPerThread * num_threads();
  if (a_bytes <= kRowBlockBytes && (few_rows || g.n >= 4 * g.m)) {
    multiply_by_columns(g, s);
  } else {
    multiply_by_rows(g, s);
  }
}

size_t packed_bytes(int64_t k, int64_t n, DType dtype) {
  return static_cast<size_t>(ceil_div(n, kColumns) * step_count(k, dtype) * kColumns) * 4;
}

/// A chain longer than kMaxSteps is cut into stretches; their panels lie one stretch after another.
int64_t stretch_length(DType dtype) { return kMaxSteps * lane_depth(dtype); }

void pack_stretch(uint32_t* out, const Operand& b, DType dtype, int64_t n, int64_t k0, int64_t k) {
  const int64_t panels = ceil_div(n, kColumns);
  const int64_t lanes = step_count(k, dtype) * kColumns;
  const int64_t group = 8;
  parallel_for(ceil_div(panels, group), [&](int64_t task) {
    const int64_t first = task * group;
    pack_panels(out + first * lanes, b, dtype, kColumns, n, first, std::min(panels, first + group), k0, k);
  });
}

void pack(void* panels, const float* b, int64_t k, int64_t n, bool b_transposed, DType dtype) {
  const Operand operand{b, DType::kF32, b_transposed, b_transposed ? k : n};
  auto* out = static_cast<uint32_t*>(panels);
  for (int64_t k0 = 0; k0 < k; k0 += stretch_length(dtype)) {
    const int64_t length = std::min(stretch_length(dtype), k - k0);
    pack_stretch(out, operand, dtype, n, k0, length);
    out += ceil_div(n, kColumns) * step_count(length, dtype) * kColumns;
  }
}

/// Narrow outputs of a cut chain are summed in an f32 copy of the output and rounded once.
template <class Body>
void with_wide_output(const GemmArgs& g, Body&& body) {
  if (g.out_dtype == DType::kF32 || g.k <= stretch_length(g.dtype)) return body(g);
  GemmArgs wide = g;
  const size_t bytes = static_cast<size_t>(g.m * g.n) * 4;
  void* buffer = host_allocate(bytes);
  wide.out = buffer;
  wide.out_dtype = DType::kF32;
  wide.epilogue = {};
  body(wide);
  parallel_for(g.m, [&](int64_t row) {
    TileStore store{};
    store.dtype = g.out_dtype;
    store.stride = g.n;
    store.epilogue = g.epilogue;
    store.out = g.out;
    for (int64_t c = 0; c < g.n; c += kLanes) {
      const int count = static_cast<int>(std::min<int64_t>(kLanes, g.n - c));
      const VecF value = load_partial(static_cast<const float*>(buffer) + row * g.n + c, count);
      finish<bf16>(value, store, row, static_cast<int>(c), count);
    }
  });
  host_free(buffer, bytes);
}

void gemm_packed(const GemmArgs& args) {
  with_wide_output(args, [](const GemmArgs& g) {
    auto* panels = static_cast<const uint32_t*>(g.b);
    for (int64_t k0 = 0; k0 == 0 || k0 < g.k; k0 += stretch_length(g.dtype)) {
      const int64_t length = std::min(stretch_length(g.dtype), g.k - k0);
      const int64_t lanes = step_count(length, g.dtype) * kColumns;
      multiply(g, {k0, length, panels, lanes, k0 == 0, k0 + length == g.k});
      panels += ceil_div(g.n, kColumns) * lanes;
    }
  });
}

void gemm(const GemmArgs& args) {
  with_wide_output(args, [](const GemmArgs& g) {
    const Operand b{g.b, g.dtype, g.b_transposed, g.b_transposed ? g.k : g.n};
    const size_t bytes = packed_bytes(std::min(g.k, stretch_length(g.dtype)), g.n, g.dtype);
    auto* panels = static_cast<uint32_t*>(host_allocate(bytes));
    for (int64_t k0 = 0; k0 == 0 || k0 < g.k; k0 += stretch_length(g.dtype)) {
      const int64_t length = std::min(stretch_length(g.dtype), g.k - k0);
      pack_stretch(panels, b, g.dtype, g.n, k0, length);
      const int64_t lanes = step_count(length, g.dtype) * kColumns;
      multiply(g, {k0, length, panels, lanes, k0 == 0, k0 + length == g.k});
    }
    host_free(panels, bytes);
  });
}

/// Four vectors of columns a task: two cache lines of a bf16 row, and enough chains to hide the add's
/// latency.
template <class T>
void add_sums(float* sums, const T* x, int64_t rows, int64_t columns) {
  constexpr int64_t kBlockRows = 256;
  constexpr int kVectors = 4;
  constexpr int64_t kWidth = kVectors * kLanes;
  parallel_for(ceil_div(columns, kWidth), [&](int64_t task) {
    const int64_t c0 = task * kWidth;
    VecF total[kVectors];
    for (int v = 0; v < kVectors; ++v) total[v] = zero();
    for (int64_t r0 = 0; r0 < rows; r0 += kBlockRows) {
      VecF block[kVectors];
      for (int v = 0; v < kVectors; ++v) block[v] = zero();
      for (int64_t r = r0; r < std::min(rows, r0 + kBlockRows); ++r) {
        const T* p = x + r * columns + c0;
        for (int v = 0; v < kVectors; ++v) {
          const int64_t left = columns - c0 - v * kLanes;
          if (left >= kLanes)
            block[v] += load(p + v * kLanes);
          else if (left > 0)
            block[v] += load_partial(p + v * kLanes, static_cast<int>(left));
        }
      }
      for (int v = 0; v < kVectors; ++v) total[v] += block[v];
    }
    for (int v = 0; v < kVectors; ++v) {
      const int count = static_cast<int>(std::min<int64_t>(kLanes, columns - c0 - v * kLanes));
      if (count <= 0) break;
      float* p = sums + c0 + v * kLanes;
      store_partial(p, load_partial(p, count) + total[v], count);
    }
  });
}

void add_column_sums(float* sums, const void* x, DType dtype, int64_t rows, int64_t columns) {
  if (dtype == DType::kF32) {
    add_sums(sums, static_cast<const float*>(x), rows, columns);
  } else {
    add_sums(sums, static_cast<const bf16*>(x), rows, columns);
  }
}

}  // namespace

const LinearKernels linear_kernels_table = {gemm, packed_bytes, pack, gemm_packed, add_column_sums};

}  // namespace athanor::cpu::ATHANOR_ISA
