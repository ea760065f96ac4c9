// Matrix products from packed panels. B is packed whole (weights by the caller, once per step;
// activations once per call). A is packed where it is used. Where B stays in the shared cache,
// threads share out blocks of rows; where B is larger (logits) or rows are few (decoding), they
// share out the columns of one block of rows, so that B is read from memory once per block.
#include "kernels/linear.h"

#include <atomic>

#include "core/allocator.h"
#include "cpu/gemm_tile.h"
#include "cpu/operand.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

// Packed A that one thread works from: half of a 1 MiB L2, the other half being for the panel of B
// and the output.
constexpr int64_t kRowBlockBytes = 512 * 1024;
// A larger B is assumed to leave the last-level cache between two blocks of rows.
constexpr int64_t kSharedBytes = int64_t{8} << 20;
// Every thread packs a B of at most this size, which a core's L2 holds, for itself. To share one
// packed copy would be slower: lines that another core has just written come one by one from its
// cache, and the next call has to take them back before it packs into the same memory.
constexpr size_t kOwnBytes = size_t{1} << 20;
// Longer chains are cut and continued from the f32 output: a panel of B (kColumns lanes per step)
// of 2,048 steps is 256 KiB.
constexpr int64_t kMaxSteps = 2048;
// Tasks per thread: several, so that a disturbed thread does not make the others wait for long.
constexpr int64_t kTasksPerThread = 4;

/// Cuts `items` into parts of at most `most` each. The parts are as equal as possible, and each
/// thread gets the same number of them, so that no thread waits for the others.
struct Split {
  int64_t items, parts;
  Split(int64_t count, int64_t most) : items(count) {
    const int64_t threads = num_threads();
    const int64_t turns = ceil_divide(ceil_divide(items, larger<int64_t>(1, most)), threads);
    parts = larger<int64_t>(1, smaller(items, turns * threads));
  }
  int64_t begin(int64_t part) const { return part * items / parts; }
  int64_t end(int64_t part) const { return begin(part + 1); }
  int64_t largest() const { return ceil_divide(items, parts); }
};

/// Memory from the allocator for the length of a call.
class Buffer {
 public:
  explicit Buffer(size_t bytes) : data_(host_allocate(bytes)), bytes_(bytes) {}
  ~Buffer() { host_free(data_, bytes_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_;
  size_t bytes_;
};

Operand operand_a(const GemmArgs& g) {
  const int64_t dense = g.a_transposed ? g.m : g.k;
  return {g.a, g.dtype, !g.a_transposed, g.a_stride != 0 ? g.a_stride : dense, g.m};
}

/// A slice of k: B's panels for it, and whether it is the first and the last of its chain.
struct KSlice {
  int64_t k0, k;
  const uint32_t* b;
  bool first, last;
};

template <class Pointer>
Pointer shifted(Pointer base, int64_t elements, DType dtype) {
  using Byte = std::conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>, const char, char>;
  return base ? static_cast<Byte*>(base) + elements * static_cast<int64_t>(dtype_size(dtype)) : base;
}

/// Asks for the lines of f32 output that the next tile starts its chains from.
void prefetch_rows(const GemmArgs& g, int64_t row, int64_t column) {
  const auto* out = static_cast<const float*>(g.out) + row * g.n + column;
  for (int64_t r = 0; r < smaller<int64_t>(kRows, g.m - row); ++r)
    for (int c = 0; c < kColumns; c += 16) __builtin_prefetch(out + r * g.n + c, 1);
}

/// Where the tile at (row, column) is stored, and with which epilogue.
TileStore tile_store(const GemmArgs& g, const KSlice& s, int64_t row, int64_t column) {
  const int64_t offset = row * g.n + column;
  TileStore store{};
  store.out = shifted(g.out, offset, g.out_dtype);
  store.dtype = g.out_dtype;
  store.stride = g.n;
  store.columns = static_cast<int>(smaller<int64_t>(kColumns, g.n - column));
  store.epilogue.accumulate = g.epilogue.accumulate || !s.first;
  if (s.last) {
    store.epilogue.bias = g.epilogue.bias ? g.epilogue.bias + column : nullptr;
    store.epilogue.addend = shifted(g.epilogue.addend, offset, g.out_dtype);
    store.epilogue.activation = g.epilogue.activation;
    store.epilogue.preactivation = shifted(g.epilogue.preactivation, offset, g.out_dtype);
    store.epilogue.gelu_input = shifted(g.epilogue.gelu_input, offset, g.out_dtype);
  }
  return store;
}

/// Rows [row, row + rows) times B's panel `panel`, from A's panels at `a`. Meanwhile it prefetches
/// the panel `next`, a little at each step. With few rows a weight is used once and comes from
/// memory; the hardware's prefetch stops at each 4 KiB page, and a prefetch of the whole panel at
/// once would hold up the loads of the product.
void multiply_panel(const GemmArgs& g, const KSlice& s, const uint32_t* a, int height, int64_t row,
                    int64_t rows, int64_t panel, int64_t next) {
  const int64_t steps = step_count(s.k, g.dtype);
  const uint32_t* b = s.b + panel * panel_lanes(steps, kColumns);
  const uint32_t* ahead = s.b + next * panel_lanes(steps, kColumns);
  const int64_t ahead_lanes = ceil_divide(kColumns, ceil_divide(rows, height));
  const int64_t column = panel * kColumns;
  const bool pairs = g.dtype == DType::kBF16;
  for (int64_t r = 0; r < rows; r += height, a += panel_lanes(steps, height), ahead += steps * ahead_lanes) {
    TileStore store = tile_store(g, s, row + r, column);
    store.ahead = ahead;
    store.ahead_lanes = ahead_lanes;
    if (store.epilogue.accumulate && r + height < rows) prefetch_rows(g, row + r + height, column);
    const int64_t tile_rows = smaller<int64_t>(height, rows - r);
    const TileFunction kernel = pairs ? tile_for<true>(tile_rows) : tile_for<false>(tile_rows);
    kernel(a, height, b, steps, store);
  }
}

// Panels that one row is multiplied with at once: 8 chains cover the latency of a multiply-add at
// two per cycle.
constexpr int kRowPanels = 4;
// A task of one row reads at most about this much, which takes a core 17 us: at the end of each
// product of a large model a thread waits for half a task on average.
constexpr int64_t kRowTaskBytes = 512 * 1024;

/// Whether A is one row that lies in memory as lanes along k.
bool is_plain_row(const GemmArgs& g, const KSlice& s) {
  return g.m == 1 && !g.a_transposed && g.a_row_sums == nullptr && s.k % lane_depth(g.dtype) == 0;
}

template <bool kPairs>
void multiply_row_panels(const GemmArgs& g, const KSlice& s, const uint32_t* a, int64_t panel,
                         int64_t count) {
  const int64_t steps = step_count(s.k, g.dtype), lanes = panel_lanes(steps, kColumns);
  TileStore stores[kRowPanels];
  for (int64_t p = 0; p < count; ++p) stores[p] = tile_store(g, s, 0, (panel + p) * kColumns);
  const uint32_t* b = s.b + panel * lanes;
  switch (count) {
    case 4: return row_tile<kPairs, 4>(a, b, lanes, steps, stores);
    case 3: return row_tile<kPairs, 3>(a, b, lanes, steps, stores);
    case 2: return row_tile<kPairs, 2>(a, b, lanes, steps, stores);
    default: return row_tile<kPairs, 1>(a, b, lanes, steps, stores);
  }
}

/// Decoding one sequence: nothing is packed, and threads share out the panels.
void multiply_row(const GemmArgs& g, const KSlice& s) {
  const auto* a = static_cast<const uint32_t*>(shifted(g.a, s.k0, g.dtype));
  const int64_t panels = ceil_divide(g.n, kColumns);
  const int64_t bytes = panel_lanes(step_count(s.k, g.dtype), kColumns) * 4;
  const int64_t fair = ceil_divide(panels, kTasksPerThread * num_threads());
  const int64_t most = smaller(fair, larger<int64_t>(1, kRowTaskBytes / bytes));
  const int64_t group =
      panels >= kRowPanels * kTasksPerThread * num_threads()
          ? ceil_divide(most, kRowPanels) * kRowPanels
          : Split(panels, smaller<int64_t>(kRowPanels, ceil_divide(panels, num_threads()))).largest();
  parallel_for(ceil_divide(panels, group), [&](int64_t task) {
    const int64_t last = smaller(panels, (task + 1) * group);
    for (int64_t p = task * group; p < last; p += kRowPanels) {
      const int64_t count = smaller<int64_t>(kRowPanels, last - p);
      g.dtype == DType::kBF16 ? multiply_row_panels<true>(g, s, a, p, count)
                              : multiply_row_panels<false>(g, s, a, p, count);
    }
  });
}

/// A's panels [first, last) of `height` rows of a slice, and their part of A's row sums.
void pack_rows(const GemmArgs& g, const KSlice& s, uint32_t* a, int height, int64_t first, int64_t last) {
  pack_panels(a, operand_a(g), g.dtype, height, first, last, s.k0, s.k);
  if (g.a_row_sums == nullptr) return;
  const int64_t steps = step_count(s.k, g.dtype);
  for (int64_t p = first; p < last; ++p, a += panel_lanes(steps, height)) {
    const int rows = static_cast<int>(smaller<int64_t>(height, g.m - p * height));
    add_row_sums(g.a_row_sums + p * height, a, height, rows, steps, g.dtype);
  }
}

uint32_t* scratch_lanes(int64_t lanes) {
  return static_cast<uint32_t*>(thread_scratch(static_cast<size_t>(lanes) * 4 + 64));
}

void multiply_by_columns(const GemmArgs& g, const KSlice& s) {
  const int64_t row_panels = ceil_divide(g.m, kRows);
  // As equal as possible: a last tile of few rows would wait for its multiply-adds.
  const int height = static_cast<int>(ceil_divide(g.m, larger<int64_t>(1, row_panels)));
  const int64_t lanes = panel_lanes(step_count(s.k, g.dtype), height);
  const int64_t fit = larger<int64_t>(1, kRowBlockBytes / (lanes * 4));
  const int64_t block = ceil_divide(row_panels, larger<int64_t>(1, ceil_divide(row_panels, fit)));
  const int64_t panels = ceil_divide(g.n, kColumns);
  const Split split(panels, ceil_divide(panels, kTasksPerThread * num_threads()));
  uint32_t* a = scratch_lanes(block * lanes);
  for (int64_t first = 0; first < row_panels; first += block) {
    const int64_t last = smaller(row_panels, first + block);
    parallel_for(last - first,
                 [&](int64_t p) { pack_rows(g, s, a + p * lanes, height, first + p, first + p + 1); });
    const int64_t row = first * height;
    const int64_t rows = smaller(g.m, last * height) - row;
    parallel_for(split.parts, [&](int64_t task) {
      const int64_t end = split.end(task);
      for (int64_t p = split.begin(task); p < end; ++p) {
        // After its last panel, a thread's next task is probably this many panels later.
        const int64_t next = p + 1 < end ? p + 1 : split.begin(task + num_threads());
        multiply_panel(g, s, a, height, row, rows, p, next < panels ? next : p);
      }
    });
  }
}

Split split_rows(const GemmArgs& g, int64_t panel) {
  const int64_t row_panels = ceil_divide(g.m, kRows);
  const int64_t fit = larger<int64_t>(1, kRowBlockBytes / (panel * 4));
  return Split(row_panels, smaller(fit, ceil_divide(row_panels, kTasksPerThread * num_threads())));
}

/// A's panels [first, last), packed at `a`, times all of B.
void multiply_row_part(const GemmArgs& g, const KSlice& s, uint32_t* a, int64_t first, int64_t last) {
  pack_rows(g, s, a, kRows, first, last);
  const int64_t row = first * kRows;
  const int64_t rows = smaller(g.m, last * kRows) - row;
  const int64_t panels = ceil_divide(g.n, kColumns);
  for (int64_t p = 0; p < panels; ++p)
    multiply_panel(g, s, a, kRows, row, rows, p, smaller(p + 1, panels - 1));
}

void multiply_by_rows(const GemmArgs& g, const KSlice& s) {
  const int64_t lanes = panel_lanes(step_count(s.k, g.dtype), kRows);
  const Split split = split_rows(g, lanes);
  parallel_for(split.parts, [&](int64_t part) {
    multiply_row_part(g, s, scratch_lanes(split.largest() * lanes), split.begin(part), split.end(part));
  });
}

/// The same for a small B that is not packed: each thread that has a part packs all of
/// B for itself.
void pack_and_multiply_by_rows(const GemmArgs& g, const Operand& b, const KSlice& s) {
  const int64_t steps = step_count(s.k, g.dtype), panels = ceil_divide(g.n, kColumns);
  const int64_t lanes = panel_lanes(steps, kRows), b_lanes = panels * panel_lanes(steps, kColumns);
  const Split split = split_rows(g, lanes);
  std::atomic<int64_t> next{0};
  parallel_for(smaller<int64_t>(split.parts, num_threads()), [&](int64_t) {
    int64_t part = next.fetch_add(1, std::memory_order_relaxed);
    if (part >= split.parts) return;
    uint32_t* own = scratch_lanes(b_lanes + split.largest() * lanes);
    pack_panels(own, b, g.dtype, kColumns, 0, panels, s.k0, s.k);
    const KSlice mine{s.k0, s.k, own, s.first, s.last};
    for (; part < split.parts; part = next.fetch_add(1, std::memory_order_relaxed))
      multiply_row_part(g, mine, own + b_lanes, split.begin(part), split.end(part));
  });
}

bool has_few_rows(const GemmArgs& g) { return g.m < kRows * kTasksPerThread * num_threads(); }

void multiply(const GemmArgs& g, const KSlice& s) {
  if (is_plain_row(g, s)) return multiply_row(g, s);
  const bool large_b = g.n * step_count(s.k, g.dtype) * 4 > kSharedBytes;
  if (has_few_rows(g) || large_b) {
    multiply_by_columns(g, s);
  } else {
    multiply_by_rows(g, s);
  }
}

size_t packed_bytes(int64_t k, int64_t n, DType dtype) {
  return static_cast<size_t>(ceil_divide(n, kColumns) * step_count(k, dtype) * kColumns) * 4;
}

/// A chain longer than kMaxSteps is cut into slices; their panels lie one slice after another.
int64_t slice_length(DType dtype) { return kMaxSteps * lane_depth(dtype); }

/// Calls body(k0, length) for each slice of k, at least once.
template <class Body>
void for_slices(int64_t k, DType dtype, Body&& body) {
  int64_t k0 = 0;
  do {
    const int64_t length = smaller(slice_length(dtype), k - k0);
    body(k0, length);
    k0 += length;
  } while (k0 < k);
}

/// A task reads contiguous memory: panels where they run along k, else runs of rows
/// through all panels.
void pack_slice(uint32_t* out, const Operand& b, DType dtype, int64_t k0, int64_t k) {
  const int64_t panels = ceil_divide(b.extent, kColumns);
  const int64_t lanes = panel_lanes(step_count(k, dtype), kColumns);
  if (b.along_k) {
    parallel_for(panels,
                 [&](int64_t p) { pack_panels(out + p * lanes, b, dtype, kColumns, p, p + 1, k0, k); });
  } else {
    parallel_for(ceil_divide(k, kPackRun),
                 [&](int64_t task) { pack_run(out, b, dtype, kColumns, 0, panels, k0, k, task * kPackRun); });
  }
}

void pack(void* panels, const void* b, DType b_dtype, int64_t k, int64_t n, bool b_transposed, DType dtype) {
  const Operand operand{b, b_dtype, b_transposed, b_transposed ? k : n, n};
  auto* out = static_cast<uint32_t*>(panels);
  for_slices(k, dtype, [&](int64_t k0, int64_t length) {
    pack_slice(out, operand, dtype, k0, length);
    out += packed_bytes(length, n, dtype) / 4;
  });
}

/// Narrow outputs of a cut chain are summed in an f32 copy of the output and rounded once.
template <class Body>
void with_wide_output(const GemmArgs& g, Body&& body) {
  if (g.out_dtype == DType::kF32 || g.k <= slice_length(g.dtype)) return body(g);
  const Buffer sums(static_cast<size_t>(g.m * g.n) * 4);
  GemmArgs wide = g;
  wide.out = sums.as<void>();
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
      const int count = static_cast<int>(smaller<int64_t>(kLanes, g.n - c));
      const VecF value = load_partial(sums.as<const float>() + row * g.n + c, count);
      store_partly<bf16>(value, store, row, static_cast<int>(c), count);
    }
  });
}

void gemm_packed(const GemmArgs& args) {
  with_wide_output(args, [](const GemmArgs& g) {
    auto* panels = static_cast<const uint32_t*>(g.b);
    for_slices(g.k, g.dtype, [&](int64_t k0, int64_t length) {
      multiply(g, {k0, length, panels, k0 == 0, k0 + length == g.k});
      panels += packed_bytes(length, g.n, g.dtype) / 4;
    });
  });
}

void gemm(const GemmArgs& args) {
  with_wide_output(args, [](const GemmArgs& g) {
    const Operand b{g.b, g.dtype, g.b_transposed, g.b_transposed ? g.k : g.n, g.n};
    const size_t bytes = packed_bytes(smaller(g.k, slice_length(g.dtype)), g.n, g.dtype);
    if (bytes <= kOwnBytes && !has_few_rows(g)) {
      return for_slices(g.k, g.dtype, [&](int64_t k0, int64_t length) {
        pack_and_multiply_by_rows(g, b, {k0, length, nullptr, k0 == 0, k0 + length == g.k});
      });
    }
    const Buffer panels(bytes);
    for_slices(g.k, g.dtype, [&](int64_t k0, int64_t length) {
      pack_slice(panels.as<uint32_t>(), b, g.dtype, k0, length);
      multiply(g, {k0, length, panels.as<const uint32_t>(), k0 == 0, k0 + length == g.k});
    });
  });
}

}  // namespace

constinit const LinearKernels linear_kernels_table =
    complete_table<LinearKernels>(gemm, packed_bytes, pack, gemm_packed, /*packs_as_stored=*/false);

}  // namespace athanor::cpu::ATHANOR_ISA
