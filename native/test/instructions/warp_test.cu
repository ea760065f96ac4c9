// Instructions of a warp that every supported GPU has.
#include "test/instructions/instruction.h"

namespace athanor::test {
namespace {

using namespace cuda;

__global__ void lanes(float* out) { out[threadIdx.x] = static_cast<float>(lane_again()); }

TEST(instruction_lane) {
  const std::vector<float> out = run_instruction(lanes, 96, {1, 96});
  for (size_t i = 0; i < out.size(); ++i) EXPECT(out[i] == static_cast<float>(i % 32));
}

__global__ void powers(float* out, const float* in) { out[threadIdx.x] = exp2_approximate(in[threadIdx.x]); }

TEST(instruction_exp2) {
  std::vector<float> x = normals(256, 1, 20.0f);
  x[0] = 0;
  x[1] = -200;
  x[2] = -INFINITY;
  x[3] = 127;
  const DeviceArray<float> in(x);
  const std::vector<float> out = run_instruction(powers, 256, {1, 256}, static_cast<const float*>(in));
  for (size_t i = 0; i < x.size(); ++i) {
    const double exact = std::exp2(static_cast<double>(x[i]));
    // 2 units of the last place; below the normal range 0.
    EXPECT(exact < 1.18e-38 ? out[i] == 0.0f : std::fabs(out[i] - exact) <= exact * 0x1p-21);
  }
}

__global__ void packed(float* out, const float* in) {
  const int i = static_cast<int>(threadIdx.x);
  const uint32_t pair = pack_bf16(in[2 * i], in[2 * i + 1]);
  out[2 * i] = widen(bf16{static_cast<uint16_t>(pair)});
  out[2 * i + 1] = widen(narrow<bf16>(in[2 * i + 1]));
  if (static_cast<uint16_t>(pair >> 16) != narrow<bf16>(in[2 * i + 1]).bits) out[2 * i + 1] = NAN;
}

TEST(instruction_rounding_to_bf16) {
  std::vector<float> x = normals(512, 2, 100.0f);
  // Halfway between two numbers: to the even one.
  x[0] = 1.00390625f;
  x[1] = 1.01171875f;
  const DeviceArray<float> in(x);
  const std::vector<float> out = run_instruction(packed, 512, {1, 256}, static_cast<const float*>(in));
  for (size_t i = 0; i < x.size(); ++i) EXPECT(out[i] == to_float(from_float<bf16>(x[i])));
}

/// Loads four 8 x 8 matrices, one below the other, from rows of 80 bytes.
template <bool kTransposed>
__global__ void loaded(float* out, const bf16* in) {
  ATHANOR_SHARED(uint16_t, rows, [32 * 40]);
  const int lane = static_cast<int>(threadIdx.x);
  for (int i = lane; i < 32 * 8; i += 32) rows[i / 8 * 40 + i % 8] = in[i].bits;
  __syncwarp();
  uint32_t r[4];
  kTransposed ? load_matrices_transposed(r, rows + lane * 40) : load_matrices(r, rows + lane * 40);
  for (int matrix = 0; matrix < 4; ++matrix) {
    for (int half = 0; half < 2; ++half) {
      const int row = lane / 4, column = lane % 4 * 2 + half;
      out[matrix * 64 + row * 8 + column] = widen(bf16{static_cast<uint16_t>(r[matrix] >> (16 * half))});
    }
  }
}

TEST(instruction_ldmatrix) {
  const std::vector<bf16> values = small_integers(256, 3);
  const DeviceArray<bf16> in(values);
  const std::vector<float> out = run_instruction(loaded<false>, 256, {1, 32}, static_cast<const bf16*>(in));
  EXPECT_CLOSE(out, as_double(values), 0.0);
}

TEST(instruction_ldmatrix_transposed) {
  const std::vector<bf16> values = small_integers(256, 4);
  const DeviceArray<bf16> in(values);
  const std::vector<float> out = run_instruction(loaded<true>, 256, {1, 32}, static_cast<const bf16*>(in));
  for (int i = 0; i < 256; ++i) {
    const int from = i / 64 * 64 + i % 8 * 8 + i % 64 / 8;
    EXPECT(out[static_cast<size_t>(i)] == to_float(values[static_cast<size_t>(from)]));
  }
}

/// out [16, 8] = start + a [16, 16] b [8, 16]^T by one instruction.
__global__ void multiplied(float* out, const bf16* a, const bf16* b, float start) {
  const int lane = static_cast<int>(threadIdx.x), row = lane / 4, column = lane % 4 * 2;
  const auto pair = [](const bf16* at) {
    return static_cast<uint32_t>(at[0].bits) | static_cast<uint32_t>(at[1].bits) << 16;
  };
  const uint32_t left[4] = {pair(a + row * 16 + column), pair(a + (row + 8) * 16 + column),
                            pair(a + row * 16 + column + 8), pair(a + (row + 8) * 16 + column + 8)};
  const uint32_t right[2] = {pair(b + row * 16 + column), pair(b + row * 16 + column + 8)};
  float d[4] = {start, start, start, start};
  mma_bf16(d, left, right);
  for (int i = 0; i < 4; ++i) out[(row + i / 2 * 8) * 8 + column + i % 2] = d[i];
}

TEST(instruction_mma) {
  const std::vector<bf16> a = small_integers(256, 5), b = small_integers(128, 6);
  const DeviceArray<bf16> left(a), right(b);
  const std::vector<float> out = run_instruction(multiplied, 128, {1, 32}, static_cast<const bf16*>(left),
                                                 static_cast<const bf16*>(right), 0.5f);
  std::vector<double> expected = matrix_product(a, b, 16, 8, 16, true);
  for (double& x : expected) x += 0.5;
  EXPECT_CLOSE(out, expected, 0.0);
}

/// Thread i copies 16 bytes, of which only `i % 17` are read; two groups, awaited one by one.
__global__ void copied(float* out, const unsigned char* in) {
  ATHANOR_DYNAMIC_SHARED(bytes);
  const int thread = static_cast<int>(threadIdx.x), count = static_cast<int>(blockDim.x);
  for (int group = 0; group < 2; ++group) {
    const int at = (group * count + thread) * 16;
    copy_async_16(bytes + at, in + at, thread % 17);
    copy_async_commit();
  }
  copy_async_wait<1>();
  __syncthreads();
  for (int i = 0; i < 16; ++i) out[thread * 16 + i] = static_cast<float>(bytes[thread * 16 + i]);
  copy_async_wait<0>();
  __syncthreads();
  const int second = count * 16 + thread * 16;
  for (int i = 0; i < 16; ++i) out[second + i] = static_cast<float>(bytes[second + i]);
}

TEST(instruction_cp_async) {
  std::vector<unsigned char> values(2 * 64 * 16);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<unsigned char>(1 + i % 251);
  const DeviceArray<unsigned char> in(values);
  const std::vector<float> out =
      run_instruction(copied, values.size(), {1, 64, values.size()}, static_cast<const unsigned char*>(in));
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t read = i / 16 % 64 % 17;
    EXPECT(out[i] == (i % 16 < read ? static_cast<float>(values[i]) : 0.0f));
  }
}

/// Two pairs of warps exchange numbers, each pair at its own barrier.
__global__ void exchanged(float* out) {
  ATHANOR_SHARED(float, numbers, [128]);
  const int thread = static_cast<int>(threadIdx.x), pair = thread / 64;
  for (int round = 0; round < 5; ++round) {
    numbers[thread] = static_cast<float>(thread * (round + 1));
    named_barrier(1 + pair, 64);
    out[thread] += numbers[pair * 64 + (thread + 32) % 64];
    named_barrier(1 + pair, 64);
  }
}

TEST(instruction_named_barrier) {
  const std::vector<float> out = run_instruction(exchanged, 128, {1, 128});
  for (int i = 0; i < 128; ++i) {
    const int other = i / 64 * 64 + (i + 32) % 64;
    EXPECT(out[static_cast<size_t>(i)] == static_cast<float>(other * 15));
  }
}

}  // namespace
}  // namespace athanor::test
