// Register-only loops for the arithmetic peak, and a copy for the memory's.
#include "kernels/bench.h"

#include "cpu/simd.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

// Independent chains: a multiply-add takes 4 to 6 cycles and two start per cycle, so at least 12
// chains keep both units busy. With the two factors they fit the 32 registers of AVX-512 and the 16
// of the others.
constexpr int kChains = kLanes == 16 ? 24 : 12;
constexpr int kUnroll = 8;

/// The compiler must think that a value changed, or it would compute the loop's result in one step.
ATHANOR_INLINE void keep(VecF& v) {
#if defined(__AVX512F__)
  asm volatile("" : "+v"(v));  // any of the 32 registers; "x" is the first 16
#elif defined(__x86_64__)
  asm volatile("" : "+x"(v));
#else
  asm volatile("" : "+w"(v));
#endif
}

template <bool kPairs>
double run(int64_t rounds, float* sink) {
  VecF chain[kChains];
#pragma GCC unroll 24
  for (int i = 0; i < kChains; ++i) chain[i] = set1(static_cast<float>(i));
  // No infinities or subnormals, which cost extra: x / 2 + 1/4 nears 1/2; pairs add 1/2
  // * 1/4 twice.
  VecF a = kPairs ? as_float(VecI{} + 0x3f003f00) : set1(0.5f);
  VecF b = kPairs ? as_float(VecI{} + 0x3e803e80) : set1(0.25f);
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 8
    for (int u = 0; u < kUnroll; ++u) {
#pragma GCC unroll 24
      for (int i = 0; i < kChains; ++i) {
        if constexpr (kPairs) {
          chain[i] = dot_pairs(chain[i], reinterpret_cast<VecU>(a), reinterpret_cast<VecU>(b));
        } else {
          chain[i] = fma(chain[i], a, b);
        }
      }
    }
#pragma GCC unroll 24
    for (int i = 0; i < kChains; ++i) keep(chain[i]);
  }
  VecF total = zero();
#pragma GCC unroll 24
  for (int i = 0; i < kChains; ++i) total += chain[i];
  *sink = reduce_add(total);
  return static_cast<double>(rounds) * kUnroll * kChains * kLanes * (kPairs ? 4.0 : 2.0);
}

double multiply_add(DType dtype, int64_t rounds, float* sink) {
  return dtype == DType::kBF16 ? run<true>(rounds, sink) : run<false>(rounds, sink);
}

void copy(float* to, const float* from, int64_t count) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
#if defined(__AVX512F__)
    _mm512_stream_ps(to + i, load(from + i));
#elif defined(__AVX2__)
    _mm256_stream_ps(to + i, load(from + i));
#else
    store(to + i, load(from + i));
#endif
  }
  for (; i < count; ++i) to[i] = from[i];
#if defined(__AVX2__)
  _mm_sfence();
#endif
}

}  // namespace

constinit const BenchKernels bench_kernels_table = complete_table<BenchKernels>(multiply_add, copy);

}  // namespace athanor::cpu::ATHANOR_ISA
