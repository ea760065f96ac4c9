// Packing whole operands: which panels and which slice of k, for any layout of the operand.
#pragma once

#include "cpu/pack.h"

namespace athanor::cpu::ATHANOR_ISA {

/// A panel's size. A panel narrower than a vector has slack behind it for the last
/// row's surplus lanes.
ATHANOR_INLINE int64_t panel_lanes(int64_t steps, int width) {
  return steps * width + (width < kLanes ? kLanes : 0);
}

/// A matrix as the GEMM sees it: `extent` rows of A or columns of B, along k or across
/// it in memory.
struct Operand {
  const void* data;
  DType dtype;
  bool along_k;    // elements along k are contiguous: A as it is, B transposed
  int64_t stride;  // elements between contiguous runs
  int64_t extent;
};

// Rows of k that are packed into one panel before the next panel's turn, where rows run across k: a
// row's cache lines are read whole while they are in L1 (32 rows of 512 bytes), and each panel is
// written in runs.
constexpr int64_t kPackRun = 32;

template <class From>
ATHANOR_INLINE void pack_panel_part(uint32_t* out, const Operand& x, bool pairs, int width, int64_t panel,
                                    int64_t k0, int64_t k) {
  const auto* data = static_cast<const From*>(x.data);
  const int64_t left = x.extent - panel * width;
  if (x.along_k) {
    const int present = static_cast<int>(smaller<int64_t>(width, left));
    pack_along_k(out, width, data + panel * width * x.stride + k0, x.stride, present, k, pairs);
  } else {
    // Lanes beyond a narrow panel's width need no mask: the next row overwrites them.
    const int present = static_cast<int>(smaller<int64_t>(ceil_divide(width, kLanes) * kLanes, left));
    pack_across_k(out, width, data + k0 * x.stride + panel * width, x.stride, present, k, pairs);
  }
}

/// Packs the kPackRun rows from k0 + begin on, of panels [first, last) for k elements from k0 on.
ATHANOR_INLINE void pack_run(uint32_t* out, const Operand& x, DType lane_dtype, int width, int64_t first,
                             int64_t last, int64_t k0, int64_t k, int64_t begin) {
  const bool pairs = lane_dtype == DType::kBF16;
  const int64_t lanes = panel_lanes(step_count(k, lane_dtype), width);
  const int64_t rows = smaller(kPackRun, k - begin);
  out += begin / lane_depth(lane_dtype) * width;
  for (int64_t p = first; p < last; ++p, out += lanes) {
    if (x.dtype == DType::kF32) {
      pack_panel_part<float>(out, x, pairs, width, p, k0 + begin, rows);
    } else {
      pack_panel_part<bf16>(out, x, pairs, width, p, k0 + begin, rows);
    }
  }
}

/// Panels [first, last) for k elements from k0 on, one panel after another.
ATHANOR_INLINE void pack_panels(uint32_t* out, const Operand& x, DType lane_dtype, int width, int64_t first,
                                int64_t last, int64_t k0, int64_t k) {
  if (!x.along_k) {
    for (int64_t begin = 0; begin < k; begin += kPackRun)
      pack_run(out, x, lane_dtype, width, first, last, k0, k, begin);
    return;
  }
  const bool pairs = lane_dtype == DType::kBF16;
  const int64_t lanes = panel_lanes(step_count(k, lane_dtype), width);
  for (int64_t p = first; p < last; ++p, out += lanes) {
    if (x.dtype == DType::kF32) {
      pack_panel_part<float>(out, x, pairs, width, p, k0, k);
    } else {
      pack_panel_part<bf16>(out, x, pairs, width, p, k0, k);
    }
  }
}

/// sums[r] += the sum over k of row r of a panel of A that is `width` wide. Four chains in turn
/// hide the latency of additions; 256 steps at a time keep the rounding error from growing with k.
ATHANOR_INLINE void add_row_sums(float* sums, const uint32_t* panel, int width, int rows, int64_t steps,
                                 DType dtype) {
  constexpr int64_t kBlockSteps = 256;
  const bool pairs = dtype == DType::kBF16;
  for (int r0 = 0; r0 < rows; r0 += kLanes) {
    VecF total = zero();
    for (int64_t begin = 0; begin < steps; begin += kBlockSteps) {
      VecF chain[4] = {zero(), zero(), zero(), zero()};
      const int64_t end = smaller(steps, begin + kBlockSteps);
      const auto add = [&](VecF& sum, int64_t step) __attribute__((always_inline)) {
        const VecU lanes = load_lanes(panel + step * width + r0);
        if (pairs) {
          sum += reinterpret_cast<VecF>(lanes << 16) + reinterpret_cast<VecF>(lanes & 0xffff0000u);
        } else {
          sum += reinterpret_cast<VecF>(lanes);
        }
      };
      int64_t step = begin;
      for (; step + 4 <= end; step += 4) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) add(chain[i], step + i);
      }
      for (; step < end; ++step) add(chain[0], step);
      total += (chain[0] + chain[1]) + (chain[2] + chain[3]);
    }
    const int count = smaller(kLanes, rows - r0);
    store_partial(sums + r0, load_partial(sums + r0, count) + total, count);
  }
}

}  // namespace athanor::cpu::ATHANOR_ISA
