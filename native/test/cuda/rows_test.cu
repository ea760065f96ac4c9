#include "kernels/rows.h"

#include "kernels/embedding.h"
#include "kernels/segments.h"
#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

const RowsKernels& kernels() { return cuda::rows_kernels(); }

TEST(rows_are_gathered_whatever_their_bytes) {
  for (size_t row_bytes : {48, 12, 6, 5}) {
    constexpr size_t kRows = 33, kPicked = 71;
    const std::vector<int32_t> bytes = integers(kRows * row_bytes, 256, 1);
    const std::vector<uint8_t> x(bytes.begin(), bytes.end());
    const std::vector<int32_t> indices = integers(kPicked, kRows, 2);
    const DeviceArray<uint8_t> in(x), out(kPicked * row_bytes);
    const DeviceArray<int32_t> at(indices);
    kernels().gather(out, in, at, kPicked, static_cast<int64_t>(row_bytes));
    const std::vector<uint8_t> result = out.get();
    for (size_t i = 0; i < result.size(); ++i) {
      EXPECT(result[i] == x[static_cast<size_t>(indices[i / row_bytes]) * row_bytes + i % row_bytes]);
    }
  }
}

template <class Target, class Source>
std::vector<double> reference_scatter(const std::vector<Target>& target, const std::vector<Source>& source,
                                      const std::vector<int32_t>& indices, size_t channels) {
  std::vector<double> out = as_double(target);
  for (size_t i = 0; i < source.size(); ++i) {
    out[static_cast<size_t>(indices[i / channels]) * channels + i % channels] += to_float(source[i]);
  }
  return out;
}

/// Half of the rows go to one target, as a frequent token's do.
std::vector<int32_t> skewed(size_t count, int32_t limit) {
  std::vector<int32_t> out = integers(count, limit, 7);
  for (size_t i = 0; i < count; i += 2) out[i] = 3;
  return out;
}

TEST_BOTH_TYPES(scattered_rows_are_added) {
  for (size_t channels : {24, 5, 300}) {
    for (size_t rows : {1, 37, 1500}) {
      if (rows * channels > 100000) continue;  // one size above a tile per row is enough
      constexpr int32_t kTargets = 70000;      // needs three passes of the sort
      const std::vector<int32_t> indices = skewed(rows, kTargets);
      const std::vector<T> source = as_type<T>(normals(rows * channels, 1));
      const std::vector<float> target =
          normals(static_cast<size_t>(channels == 5 ? kTargets : 4) * channels, 2);
      std::vector<int32_t> used = indices;
      if (channels != 5) {
        for (int32_t& index : used) index %= 4;
      }
      const DeviceArray<T> from(source);
      const DeviceArray<float> to(target), table(target);
      const DeviceArray<int32_t> at(used);
      const auto n = static_cast<int64_t>(rows), d = static_cast<int64_t>(channels);
      kernels().scatter_add(DType::kF32, to, kType, from, at, n, d);
      EXPECT_CLOSE(to.get(), reference_scatter(target, source, used, channels), 1e-6);
      cuda::embedding_kernels().embedding_backward(kType, table, from, at, n, d);
      EXPECT(table.get() == to.get());
    }
  }
}

TEST_BOTH_TYPES(embeddings_add_positions) {
  for (size_t channels : {16, 7}) {
    constexpr size_t kRows = 45, kTokens = 11, kPositions = 9;
    const std::vector<float> token_table = normals(kTokens * channels, 1),
                             position_table = normals(kPositions * channels, 2);
    const std::vector<int32_t> tokens = integers(kRows, kTokens, 3),
                               positions = integers(kRows, kPositions, 4);
    const DeviceArray<float> dtokens(token_table), dpositions(position_table);
    const DeviceArray<int32_t> token(tokens), position(positions);
    const DeviceArray<T> y(kRows * channels);
    std::vector<double> both, alone;
    for (size_t i = 0; i < kRows * channels; ++i) {
      const size_t row = i / channels, c = i % channels;
      alone.push_back(token_table[static_cast<size_t>(tokens[row]) * channels + c]);
      both.push_back(alone.back() + position_table[static_cast<size_t>(positions[row]) * channels + c]);
    }
    EmbeddingArgs args{.dtype = kType,
                       .y = y,
                       .tokens = token,
                       .positions = position,
                       .table_dtype = DType::kF32,
                       .token_table = dtokens,
                       .position_table = dpositions,
                       .rows = kRows,
                       .channels = static_cast<int64_t>(channels)};
    cuda::embedding_kernels().embedding_forward(args);
    EXPECT_CLOSE(as_double(y.get()), both, kTolerance<T>);
    args.positions = nullptr;
    args.position_table = nullptr;
    cuda::embedding_kernels().embedding_forward(args);
    EXPECT_CLOSE(as_double(y.get()), alone, kTolerance<T>);
  }
}

TEST_BOTH_TYPES(column_sums_agree_for_few_rows_and_many) {
  for (size_t rows : {1, 70, 2100}) {
    constexpr size_t kChannels = 37;
    const std::vector<T> x = as_type<T>(normals(rows * kChannels, 1));
    std::vector<double> reference(kChannels);
    for (size_t i = 0; i < x.size(); ++i) reference[i % kChannels] += to_float(x[i]);
    const DeviceArray<T> in(x);
    const DeviceArray<float> out(kChannels);
    kernels().column_sum(kType, out, in, static_cast<int64_t>(rows), kChannels);
    EXPECT_CLOSE(out.get(), reference, 1e-6);
  }
}

template <class Word>
void expect_transposed() {
  constexpr size_t kRows = 65, kChannels = 34;
  std::vector<Word> x(kRows * kChannels);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<Word>(i * 7);
  const DeviceArray<Word> in(x), out(x.size());
  kernels().transpose(out, in, kRows, kChannels, sizeof(Word));
  const std::vector<Word> result = out.get();
  for (size_t i = 0; i < x.size(); ++i) EXPECT(result[i % kChannels * kRows + i / kChannels] == x[i]);
}
TEST(matrices_are_transposed) {
  expect_transposed<uint8_t>();
  expect_transposed<uint16_t>();
  expect_transposed<uint32_t>();
}

TEST(segments_are_summed_and_broadcast) {
  const std::vector<int32_t> starts = {0, 0, 40, 41, 300, 300};
  const std::vector<float> x = normals(300, 1);
  const size_t segments = starts.size() - 1;
  const DeviceArray<float> in(x), sums(segments), out(x.size());
  const DeviceArray<int32_t> at(starts);
  cuda::segments_kernels().sum(sums, in, at, static_cast<int64_t>(segments));
  cuda::segments_kernels().broadcast(out, sums, at, static_cast<int64_t>(segments));
  const std::vector<float> result = sums.get(), spread = out.get();
  for (size_t s = 0; s < segments; ++s) {
    double total = 0;
    for (int32_t i = starts[s]; i < starts[s + 1]; ++i) {
      total += x[static_cast<size_t>(i)];
      EXPECT(spread[static_cast<size_t>(i)] == result[s]);
    }
    EXPECT(std::fabs(result[s] - total) <= 1e-6 * (1 + std::fabs(total)));
  }
}

}  // namespace
}  // namespace athanor::test
