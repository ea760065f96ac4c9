// The CPU's numbers bit for bit: cuda.cmake compiles this file without fused multiply-adds. A pair
// of doubles costs some 150 operations; at the 30 TFLOP/s of an H100 in f64 that takes about as
// long as writing it to memory.
#include "kernels/random.h"

#include "core/box_muller.h"
#include "core/philox.h"
#include "cuda/loops.h"

namespace athanor::cuda {
namespace {

constexpr int kWords = 4;  // of a Philox block: as many elements per thread

struct Normal {
  double mean, std;
  /// Elements 2 i and 2 i + 1 are the sine and cosine of one pair of words.
  __device__ void operator()(float* out, const PhiloxBlock& block) const {
    for (int i = 0; i < kWords; i += 2) {
      const double u = (static_cast<double>(block.word[i]) + 0.5) * 0x1p-32;  // never 0, never 1
      const double turn = static_cast<double>(block.word[i + 1]) * 0x1p-32;
      const double radius = sqrt(-2.0 * log_unit(u)) * std;
      double sine, cosine;
      sin_cos_turn(turn, &sine, &cosine);
      out[i] = static_cast<float>(mean + radius * sine);
      out[i + 1] = static_cast<float>(mean + radius * cosine);
    }
  }
};

struct Uniform {
  double low, width;
  float largest;  // rounding up may not give the upper bound
  __device__ void operator()(float* out, const PhiloxBlock& block) const {
    for (int i = 0; i < kWords; ++i) {
      const auto x = static_cast<float>(static_cast<double>(block.word[i]) * 0x1p-32 * width + low);
      out[i] = x < largest ? x : largest;
    }
  }
};

template <class Distribution>
__global__ void __launch_bounds__(kBlock)
    draw_kernel(float* target, int64_t count, Distribution distribution, uint64_t seed, uint64_t stream) {
  const int64_t block = static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (block * kWords >= count) return;
  float numbers[kWords];
  distribution(numbers, philox(seed, stream, static_cast<uint64_t>(block)));
  for (int i = 0; i < kWords && block * kWords + i < count; ++i) target[block * kWords + i] = numbers[i];
}

template <class Distribution>
void draw(float* target, int64_t count, Distribution distribution, uint64_t seed, uint64_t stream) {
  if (count == 0) return;
  launch(draw_kernel<Distribution>, Launch{blocks_for(count, kBlock * kWords), kBlock}, target, count,
         distribution, seed, stream);
}

void normal(float* target, int64_t count, double mean, double std, uint64_t seed, uint64_t stream) {
  draw(target, count, Normal{mean, std}, seed, stream);
}

void uniform(float* target, int64_t count, float low, float high, uint64_t seed, uint64_t stream) {
  const double width = static_cast<double>(high) - static_cast<double>(low);
  const float largest = low < high ? __builtin_nextafterf(high, low) : low;
  draw(target, count, Uniform{low, width, largest}, seed, stream);
}

}  // namespace

const RandomKernels& random_kernels() {
  static constexpr auto kTable = complete_table<RandomKernels>(normal, uniform);
  return kTable;
}

}  // namespace athanor::cuda
