// Integer products by 32-bit lanes: a lane holds 4 neighbours along k, of x as unsigned and of the
// weight as signed bytes, and one instruction of VNNI adds their 4 products to a lane. A row of x
// has 16 bits in two planes, x = 256 (high - 128) + low. So a step is two instructions per vector
// of channels. That is the rate of bf16 products, and a weight that comes from memory costs half of
// bf16's bytes. The 128 is taken back by the channel's offset, where the sum of the high plane
// starts.
#include "kernels/quantized.h"

#include "core/thread_pool.h"
#include "cpu/gemm_tile.h"
#include "cpu/largest_magnitude.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

constexpr float kWeightLevels = 127.0f;
constexpr float kRowLevels = 32767.0f;
/// A row whose largest number is below counts as 0: its inverse would overflow.
constexpr float kSmallestRow = 1e-30f;

// --- the weight ----------------------------------------------------------------------------------

template <class T>
ATHANOR_INLINE void quantize_channel(uint8_t* panel, int64_t column, const T* row, int64_t k) {
  const float scale = largest_magnitude(row, k) / kWeightLevels;
  int8_t* out = reinterpret_cast<int8_t*>(panel + kQuantizedHeader) + column * kQuantizedDepth;
  int32_t sum = 0;
  for (int64_t i = 0; i < k; i += kLanes) {
    const int count = static_cast<int>(smaller<int64_t>(kLanes, k - i));
    VecF levels = load_partial(row + i, count) / set1(scale);
    // A channel of zeros, and one that is not finite: its scale says so.
    levels = abs(levels) < set1(kWeightLevels + 0.5f) ? round_small(levels) : zero();
    const VecI whole = __builtin_convertvector(levels, VecI);
    for (int lane = 0; lane < count; ++lane) {
      const int64_t at = i + lane;
      out[at / kQuantizedDepth * kQuantizedColumns * kQuantizedDepth + at % kQuantizedDepth] =
          static_cast<int8_t>(whole[lane]);
      sum += whole[lane];
    }
  }
  reinterpret_cast<float*>(panel)[column] = scale;
  reinterpret_cast<int32_t*>(panel)[kQuantizedColumns + column] = -128 * sum;
}

template <class T>
void quantize_weight(uint8_t* panels, const T* weight, int64_t n, int64_t k) {
  const int64_t bytes = quantized_panel_bytes(k);
  parallel_for(ceil_divide(n, kQuantizedColumns), [&](int64_t p) {
    uint8_t* panel = panels + p * bytes;
    std::memset(panel, 0, static_cast<size_t>(bytes));
    const int64_t first = p * kQuantizedColumns, last = smaller(n, first + kQuantizedColumns);
    for (int64_t row = first; row < last; ++row) quantize_channel(panel, row - first, weight + row * k, k);
  });
}

void quantize(uint8_t* panels, const void* weight, DType dtype, int64_t n, int64_t k) {
  if (dtype == DType::kF32) return quantize_weight(panels, static_cast<const float*>(weight), n, k);
  quantize_weight(panels, static_cast<const bf16*>(weight), n, k);
}

// --- rows of x -----------------------------------------------------------------------------------

typedef uint8_t VecB __attribute__((vector_size(kLanes)));

/// Rows [first, first + count) in two planes each: the lanes of the high bytes, then those of the
/// low bytes.
struct QuantizedRows {
  uint32_t* lanes;
  float* scales;
  int64_t plane;  // lanes, with slack for a last vector; the planes of a row follow one another
  int64_t first, count;

  uint32_t* row(int64_t r) const { return lanes + 2 * (r - first) * plane; }
  float& scale(int64_t r) const { return scales[r - first]; }
};

// Rows of a power of two bytes would all start in the same cache sets.
constexpr int64_t kRowSlack = 16 + kLanes / 4;

template <class T>
ATHANOR_INLINE void quantize_row(const QuantizedRows& to, int64_t r, const T* x, int64_t k) {
  const float most = largest_magnitude(x, k);
  const float inverse = most > kSmallestRow ? kRowLevels / most : 0.0f;
  to.scale(r) = most / kRowLevels;
  auto* high = reinterpret_cast<uint8_t*>(to.row(r));
  auto* low = reinterpret_cast<uint8_t*>(to.row(r) + to.plane);
  for (int64_t i = 0; i < k; i += kLanes) {
    const VecF v = k - i >= kLanes ? load(x + i) : load_partial(x + i, static_cast<int>(k - i));
    const VecI whole = __builtin_convertvector(round_small(v * set1(inverse)), VecI);
    const VecB bytes[2] = {__builtin_convertvector((whole >> 8) + 128, VecB),
                           __builtin_convertvector(whole & 255, VecB)};
    std::memcpy(high + i, &bytes[0], sizeof(VecB));
    std::memcpy(low + i, &bytes[1], sizeof(VecB));
  }
}

void quantize_row_of(const QuantizedRows& to, int64_t r, const QuantizedLinearArgs& g) {
  if (g.dtype == DType::kF32) return quantize_row(to, r, static_cast<const float*>(g.x) + r * g.k, g.k);
  quantize_row(to, r, static_cast<const bf16*>(g.x) + r * g.k, g.k);
}

// --- products ------------------------------------------------------------------------------------

#if defined(__AVX512F__)
constexpr int kTileRows = 7;  // 7 x 2 x 2 sums, 2 of B, 2 of A: 32 registers
#elif defined(__AVX2__)
constexpr int kTileRows = 2;
#else
constexpr int kTileRows = 1;
#endif

#if defined(__AVX512F__)
ATHANOR_INLINE VecI multiply_add_halves(VecI acc, VecU a, VecU b) {
  return acc + reinterpret_cast<VecI>(
                   _mm512_madd_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
}
#elif defined(__AVX2__)
ATHANOR_INLINE VecI multiply_add_halves(VecI acc, VecU a, VecU b) {
  return acc + reinterpret_cast<VecI>(
                   _mm256_madd_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
}
#elif defined(__SSE2__)
ATHANOR_INLINE VecI multiply_add_halves(VecI acc, VecU a, VecU b) {
  return acc +
         reinterpret_cast<VecI>(_mm_madd_epi16(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
}
#else
/// Lanes are pairs of int16; their two products are added to acc.
ATHANOR_INLINE VecI multiply_add_halves(VecI acc, VecU a, VecU b) {
  const VecI x = reinterpret_cast<VecI>(a), y = reinterpret_cast<VecI>(b);
  return acc + (x << 16 >> 16) * (y << 16 >> 16) + (x >> 16) * (y >> 16);
}
#endif

/// The signed bytes of B's lanes as two lanes of int16 pairs each: bytes 0 and 2, bytes 1 and 3.
struct WideLanes {
  VecU even, odd;
};

typedef int16_t VecS __attribute__((vector_size(kLanes * 4)));

ATHANOR_INLINE WideLanes widen_signed(VecU b) {
  const VecS halves = reinterpret_cast<VecS>(b);
  return {reinterpret_cast<VecU>(halves << 8 >> 8), reinterpret_cast<VecU>(halves >> 8)};
}

/// acc + the 4 products of each lane's bytes, unsigned in a and signed in b.
ATHANOR_INLINE VecI dot_quads(VecI acc, uint32_t a, const WideLanes& b) {
  acc = multiply_add_halves(acc, VecU{} + (a & 0x00ff00ffu), b.even);
  return multiply_add_halves(acc, VecU{} + (a >> 8 & 0x00ff00ffu), b.odd);
}

#if defined(__AVX512F__)
/// The same with VNNI. In assembly, because the instruction set of this file need not have it.
ATHANOR_INLINE VecI dot_quads(VecI acc, VecU a, VecU b) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
  return acc;
}
#endif

/// kR rows at `a` times the kColumnVectors vectors of B's lanes at `b`.
struct QuadTile {
  const uint32_t* a;
  int64_t plane;
  const float* row_scales;
  const uint32_t* b;  // lanes of step 0
  const float* scales;
  const int32_t* offsets;
  int64_t steps;
};

template <int kR, bool kVnni>
ATHANOR_INLINE void multiply_quads(const QuadTile& t, const TileStore& s) {
  VecI high[kR][kColumnVectors], low[kR][kColumnVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kColumnVectors; ++v) {
      std::memcpy(&high[r][v], t.offsets + v * kLanes, sizeof(VecI));
      low[r][v] = VecI{};
    }
  }
  const uint32_t *a = t.a, *b = t.b, *ahead = s.ahead;
  for (int64_t step = 0; step < t.steps; ++step, ++a, b += kQuantizedColumns, ahead += s.ahead_lanes) {
    __builtin_prefetch(ahead, 0, 2);
    __builtin_prefetch(ahead + 16, 0, 2);
#if defined(__AVX512F__)
    if constexpr (kVnni) {
      const VecU bv[kColumnVectors] = {load_lanes(b), load_lanes(b + kLanes)};
#pragma GCC unroll 8
      for (int r = 0; r < kR; ++r) {
        const VecU first = broadcast_lane(a + 2 * r * t.plane);
        const VecU second = broadcast_lane(a + (2 * r + 1) * t.plane);
#pragma GCC unroll 2
        for (int v = 0; v < kColumnVectors; ++v) {
          high[r][v] = dot_quads(high[r][v], first, bv[v]);
          low[r][v] = dot_quads(low[r][v], second, bv[v]);
        }
      }
      continue;
    }
#endif
    const WideLanes bv[kColumnVectors] = {widen_signed(load_lanes(b)), widen_signed(load_lanes(b + kLanes))};
#pragma GCC unroll 8
    for (int r = 0; r < kR; ++r) {
      const uint32_t first = a[2 * r * t.plane], second = a[(2 * r + 1) * t.plane];
#pragma GCC unroll 2
      for (int v = 0; v < kColumnVectors; ++v) {
        high[r][v] = dot_quads(high[r][v], first, bv[v]);
        low[r][v] = dot_quads(low[r][v], second, bv[v]);
      }
    }
  }
  VecF out[kR][kColumnVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kColumnVectors; ++v) {
      const VecF sum =
          __builtin_convertvector(high[r][v], VecF) * set1(256.0f) + __builtin_convertvector(low[r][v], VecF);
      out[r][v] = sum * load(t.scales + v * kLanes) * set1(t.row_scales[r]);
    }
  }
  if (s.dtype == DType::kF32) {
    store_tile<float, kR>(out, s);
  } else {
    store_tile<bf16, kR>(out, s);
  }
}

template <int kR, bool kVnni>
__attribute__((noinline)) void quad_tile(const QuadTile& t, const TileStore& s) {
  multiply_quads<kR, kVnni>(t, s);
}

using QuadFunction = void (*)(const QuadTile&, const TileStore&);

/// The kernel for `rows` rows (1 to kTileRows).
template <bool kVnni, int kR = kTileRows>
QuadFunction quad_tile_for(int64_t rows) {
  if constexpr (kR == 1) {
    return quad_tile<1, kVnni>;
  } else {
    return rows == kR ? quad_tile<kR, kVnni> : quad_tile_for<kVnni, kR - 1>(rows);
  }
}

QuadFunction quad_function(int64_t rows) {
#if defined(__AVX512F__)
  if (vnni_supported()) return quad_tile_for<true>(rows);
#endif
  return quad_tile_for<false>(rows);
}

// Lanes between a product and its prefetch where one tile reads a panel once: 2 KiB. The hardware's
// prefetch stops at each 4 KiB page. Prefetches go to L2: into L1, with its few buffers, one row
// took a quarter longer.
constexpr int64_t kAheadLanes = 512;

/// Rows [row, row + rows) times a panel.
void multiply_panel(const QuantizedLinearArgs& g, const QuantizedRows& x, int64_t row, int64_t rows,
                    int64_t panel) {
  const uint8_t* data = g.panels + panel * quantized_panel_bytes(g.k);
  const auto* scales = reinterpret_cast<const float*>(data);
  const auto* offsets = reinterpret_cast<const int32_t*>(scales + kQuantizedColumns);
  const auto* lanes = reinterpret_cast<const uint32_t*>(data + kQuantizedHeader);
  const auto* next = lanes + quantized_panel_bytes(g.k) / 4;
  const int64_t tiles = ceil_divide(rows, kTileRows), steps = ceil_divide(g.k, kQuantizedDepth);
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t begin = row + tile * rows / tiles, count = row + (tile + 1) * rows / tiles - begin;
    const QuadFunction multiply = quad_function(count);
    for (int64_t c = 0; c < kQuantizedColumns; c += kColumns) {
      const int64_t column = panel * kQuantizedColumns + c;
      if (column >= g.n) break;
      TileStore store{};
      const auto size = static_cast<int64_t>(dtype_size(g.out_dtype));
      const int64_t offset = begin * g.n + column;
      store.out = static_cast<char*>(g.out) + offset * size;
      store.dtype = g.out_dtype;
      store.stride = g.n;
      store.columns = static_cast<int>(smaller<int64_t>(kColumns, g.n - column));
      store.epilogue.bias = g.epilogue.bias ? g.epilogue.bias + column : nullptr;
      if (g.epilogue.addend)
        store.epilogue.addend = static_cast<const char*>(g.epilogue.addend) + offset * size;
      store.epilogue.activation = g.epilogue.activation;
      store.ahead_lanes = ceil_divide(kQuantizedColumns, tiles);
      store.ahead = tiles == 1 ? lanes + kAheadLanes : next + tile * steps * store.ahead_lanes;
      multiply({x.row(begin), x.plane, &x.scale(begin), lanes + c, scales + c, offsets + c, steps}, store);
    }
  }
}

// Tasks per thread, as in linear.cpp.
constexpr int64_t kTasksPerThread = 4;
// Rows that a task multiplies with its panels: their planes stay in half of a 1 MiB L2.
constexpr int64_t kRowBlockBytes = 512 * 1024;
// Rows that are in planes at the same time. A long prompt has any number of rows.
constexpr int64_t kRowsBytes = int64_t{8} << 20;

void multiply_rows(const QuantizedLinearArgs& g, const QuantizedRows& x) {
  const int64_t threads = num_threads();
  // A row is about a microsecond.
  const int64_t run = ceil_divide(x.count, threads * kTasksPerThread);
  parallel_for(ceil_divide(x.count, run), [&](int64_t task) {
    for (int64_t r = task * run; r < smaller(x.count, (task + 1) * run); ++r)
      quantize_row_of(x, x.first + r, g);
  });
  const int64_t fit = larger<int64_t>(kTileRows, kRowBlockBytes / (2 * x.plane * 4));
  const int64_t blocks = ceil_divide(x.count, fit), panels = ceil_divide(g.n, kQuantizedColumns);
  const int64_t groups = smaller(panels, threads * kTasksPerThread);
  parallel_for(blocks * groups, [&](int64_t task) {
    const int64_t block = task / groups, group = task % groups;
    const int64_t row = block * x.count / blocks, rows = (block + 1) * x.count / blocks - row;
    for (int64_t p = group * panels / groups; p < (group + 1) * panels / groups; ++p)
      multiply_panel(g, x, x.first + row, rows, p);
  });
}

void linear(const QuantizedLinearArgs& g) {
  if (g.m == 0 || g.n == 0) return;
  const int64_t plane = round_up(ceil_divide(g.k, kQuantizedDepth), 16) + kRowSlack;
  const int64_t row_bytes = (2 * plane + 1) * 4;
  const int64_t most = smaller(g.m, larger<int64_t>(kTileRows, kRowsBytes / row_bytes));
  void* memory = thread_scratch(static_cast<size_t>(most * row_bytes));
  auto* scales = static_cast<float*>(memory) + 2 * plane * most;
  for (int64_t first = 0; first < g.m; first += most) {
    const int64_t count = smaller(most, g.m - first);
    multiply_rows(g, {static_cast<uint32_t*>(memory), scales, plane, first, count});
  }
}

}  // namespace

constinit const QuantizedKernels quantized_kernels_table = complete_table<QuantizedKernels>(quantize, linear);

}  // namespace athanor::cpu::ATHANOR_ISA
