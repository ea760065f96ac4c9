// Bank conflicts, which the emulator counts and which only slow a GPU down: the tiles of the
// attention kernels are laid out so that no matrix load meets two rows in one bank.
#include "cuda/attention/forward.h"
#include "test/cuda/arrays.h"
#include "test/emulator/faults.h"

namespace athanor::test {
namespace {

TEST(attention_tiles_have_no_bank_conflicts) {
  for (size_t head_dim : {64, 128, 256}) {
    constexpr size_t kTokens = 80;
    const DeviceArray<int32_t> starts(std::vector<int32_t>{0, kTokens});
    const DeviceArray<bf16> qkv(as_type<bf16>(normals(kTokens * 3 * head_dim, 1)));
    const DeviceArray<bf16> out(kTokens * head_dim), dqkv(kTokens * 3 * head_dim);
    const DeviceArray<float> lse(kTokens);
    const AttentionShape shape{kTokens, 1, starts, 1, 1, static_cast<int64_t>(head_dim), 0.1f, DType::kBF16};
    const emulator::Stats before = emulator::stats();
    const AttentionKernels& kernels = cuda::attention_kernels(cuda::AttentionPath::kMma);
    kernels.forward(shape, qkv, out, lse);
    kernels.backward(shape, out, qkv, out, lse, dqkv);
    EXPECT(emulator::stats().matrix_loads > before.matrix_loads + 1000);
    EXPECT(emulator::stats().bank_conflicts == before.bank_conflicts);
  }
}

}  // namespace
}  // namespace athanor::test
