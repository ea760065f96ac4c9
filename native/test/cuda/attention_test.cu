#include "kernels/attention.h"

#include <cstring>

#include "core/error.h"
#include "cuda/attention/forward.h"
#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

using cuda::AttentionPath;

/// The paths that the device has for a head size, and for scores with a cap.
std::vector<AttentionPath> paths(size_t head_dim, double softcap = 0) {
  const AttentionPath best =
      cuda::attention_path(static_cast<int64_t>(head_dim), static_cast<float>(softcap));
  if (best == AttentionPath::kMma) return {best};
  return {AttentionPath::kMma, best};
}

struct Case {
  std::vector<int32_t> starts;
  size_t heads, kv_heads, head_dim;
  size_t window = kNoAttentionWindow;
  double softcap = 0;
  size_t tokens() const { return static_cast<size_t>(starts.back()); }
  size_t width() const { return (heads + 2 * kv_heads) * head_dim; }
  size_t out_width() const { return heads * head_dim; }
  double scale() const { return 1 / std::sqrt(static_cast<double>(head_dim)); }
  AttentionShape shape(const int32_t* device_starts) const {
    return {static_cast<int64_t>(tokens()),
            static_cast<int64_t>(starts.size()) - 1,
            device_starts,
            static_cast<int64_t>(heads),
            static_cast<int64_t>(kv_heads),
            static_cast<int64_t>(head_dim),
            static_cast<float>(scale()),
            DType::kBF16,
            static_cast<int64_t>(window),
            static_cast<float>(softcap)};
  }
  /// A scaled score with the cap, and the derivative.
  double capped(double score) const { return softcap > 0 ? softcap * std::tanh(score / softcap) : score; }
  double slope(double score) const { return softcap > 0 ? 1 - std::pow(std::tanh(score / softcap), 2) : 1; }
  /// The first key of a sequence from `begin` on that row i sees.
  size_t first_key(size_t begin, size_t i) const { return i - begin < window ? begin : i - window + 1; }
};

struct Reference {
  std::vector<double> out, lse, dqkv;
};

Reference reference_attention(const Case& c, const std::vector<double>& qkv,
                              const std::vector<double>& dout) {
  Reference r;
  r.out.assign(c.tokens() * c.out_width(), 0.0);
  r.lse.assign(c.tokens() * c.heads, 0.0);
  r.dqkv.assign(qkv.size(), 0.0);
  const size_t group = c.heads / c.kv_heads, width = c.width();
  for (size_t s = 0; s + 1 < c.starts.size(); ++s) {
    const auto begin = static_cast<size_t>(c.starts[s]), end = static_cast<size_t>(c.starts[s + 1]);
    for (size_t i = begin; i < end; ++i) {
      for (size_t h = 0; h < c.heads; ++h) {
        const size_t q = i * width + h * c.head_dim, o = i * c.out_width() + h * c.head_dim;
        const size_t k = (c.heads + h / group) * c.head_dim, v = k + c.kv_heads * c.head_dim;
        const size_t first = c.first_key(begin, i);
        std::vector<double> p(i - begin + 1), slopes(p.size());
        double total = 0, delta = 0;
        for (size_t j = first; j <= i; ++j) {
          double dot = 0;
          for (size_t d = 0; d < c.head_dim; ++d) dot += qkv[q + d] * qkv[j * width + k + d];
          p[j - begin] = std::exp(c.capped(dot * c.scale()));
          slopes[j - begin] = c.slope(dot * c.scale());
          total += p[j - begin];
        }
        r.lse[i * c.heads + h] = std::log(total);
        for (size_t j = first; j <= i; ++j) {
          p[j - begin] /= total;
          for (size_t d = 0; d < c.head_dim; ++d) r.out[o + d] += p[j - begin] * qkv[j * width + v + d];
        }
        for (size_t d = 0; d < c.head_dim; ++d) delta += dout[o + d] * r.out[o + d];
        for (size_t j = first; j <= i; ++j) {
          double dp = 0;
          for (size_t d = 0; d < c.head_dim; ++d) dp += dout[o + d] * qkv[j * width + v + d];
          const double ds = p[j - begin] * (dp - delta) * slopes[j - begin] * c.scale();
          for (size_t d = 0; d < c.head_dim; ++d) {
            r.dqkv[q + d] += ds * qkv[j * width + k + d];
            r.dqkv[j * width + k + d] += ds * qkv[q + d];
            r.dqkv[j * width + v + d] += p[j - begin] * dout[o + d];
          }
        }
      }
    }
  }
  return r;
}

// Weights and scores' gradients are rounded to bf16 between the two products, as in
// every flash attention.
constexpr double kForward = 5e-3, kBackward = 8e-3;

void expect_attention(const Case& c) {
  const std::vector<bf16> qkv = as_type<bf16>(normals(c.tokens() * c.width(), 1)),
                          dout = as_type<bf16>(normals(c.tokens() * c.out_width(), 2));
  const Reference r = reference_attention(c, as_double(qkv), as_double(dout));
  const DeviceArray<int32_t> starts(c.starts);
  const DeviceArray<bf16> in(qkv), ddout(dout), out(dout.size()), dqkv(qkv.size());
  const DeviceArray<float> lse(c.tokens() * c.heads);
  const AttentionShape shape = c.shape(starts);
  for (AttentionPath path : paths(c.head_dim, c.softcap)) {
    cuda::attention_kernels(path).forward(shape, in, out, lse);
    EXPECT_CLOSE(as_double(out.get()), r.out, kForward);
    EXPECT_CLOSE(lse.get(), r.lse, 1e-5);
    cuda::attention_kernels(path).backward(shape, ddout, in, out, lse, dqkv);
    EXPECT_CLOSE(as_double(dqkv.get()), r.dqkv, kBackward);
  }
}

/// Sequences of these lengths, one after another.
std::vector<int32_t> packed(const std::vector<int32_t>& lengths) {
  std::vector<int32_t> starts = {0};
  for (int32_t length : lengths) starts.push_back(starts.back() + length);
  return starts;
}

// Packed documents: one token, an odd few, none, and more than one tile of queries and keys.
const std::vector<int32_t> kPacked = {0, 1, 38, 38, 178};

TEST(attention_agrees_at_head_size_64) { expect_attention({kPacked, 2, 2, 64}); }
TEST(attention_agrees_at_head_size_128) { expect_attention({{0, 5, 75}, 1, 1, 128}); }
TEST(attention_agrees_with_grouped_queries) { expect_attention({{0, 70, 83}, 4, 2, 64}); }
TEST(attention_pads_head_sizes) {
  expect_attention({{0, 67}, 2, 1, 40});
  expect_attention({{0, 33}, 2, 2, 96});
  expect_attention({{0, 18}, 1, 1, 136});
}

// Gemma 2 and 3: heads of 256 with shared keys, windows, and a cap of 50. Caps of 1 and 2 bend the
// scores of this test, which are around 1.
TEST(attention_agrees_at_head_size_256) {
  expect_attention({packed({5, 70}), 2, 1, 256});
  expect_attention({packed({81}), 1, 1, 256, 20});
  expect_attention({packed({3, 66}), 2, 1, 256, 33, 1});
}
TEST(attention_agrees_with_a_cap) {
  expect_attention({packed({70, 9}), 2, 1, 64, kNoAttentionWindow, 50});
  expect_attention({packed({70, 9}), 2, 1, 64, 20, 2});
  expect_attention({packed({70}), 1, 1, 128, kNoAttentionWindow, 1});
}

// Around the tiles of every kernel: 32, 64 and 128 keys, 64, 128 and 192 queries.
TEST(attention_agrees_at_lengths_around_its_tiles) {
  expect_attention({packed({63, 64, 65, 127, 128, 129}), 1, 1, 64});
  expect_attention({packed({191, 193, 2, 257}), 1, 1, 64});
  expect_attention({packed({33, 1, 129, 200}), 1, 1, 128});
}
TEST(attention_agrees_for_many_sequences_of_one_token) {
  expect_attention({packed(std::vector<int32_t>(14, 1)), 2, 1, 64});
  expect_attention({packed(std::vector<int32_t>(5, 1)), 1, 1, 128});
}
TEST(attention_agrees_with_eight_heads_to_a_key) {
  expect_attention({{0, 30, 47}, 8, 1, 64});
  expect_attention({{0, 20}, 4, 1, 128});
}

// Windows of one key, and around the tiles of every kernel; the last is longer than the sequences.
TEST(attention_agrees_in_windows) {
  for (size_t window : {1, 31, 64, 65}) {
    expect_attention({packed({70, 9, 200}), 2, 1, 64, window});
    expect_attention({packed({130, 65}), 1, 1, 128, window});
  }
  expect_attention({packed({300, 140}), 1, 1, 64, 129});
  expect_attention({packed({193}), 2, 1, 40, 100});
  expect_attention({packed({33, 257}), 1, 1, 64, 400});
}

/// The other sequences of a batch must not reach a sequence, even where they are NaN.
TEST(attention_keeps_sequences_apart) {
  for (size_t head_dim : {64, 128}) {
    const Case c{packed({5, 70, 65, 9}), 128 / head_dim, 1, head_dim};
    const auto is_poisoned = [](size_t token) { return token < 5 || (token >= 75 && token < 140); };
    const auto rows_of = [&](size_t width, unsigned seed, bool poisoned) {
      std::vector<bf16> rows = as_type<bf16>(normals(c.tokens() * width, seed));
      for (size_t i = 0; poisoned && i < rows.size(); ++i) {
        if (is_poisoned(i / width)) rows[i] = from_float<bf16>(NAN);
      }
      return rows;
    };
    const DeviceArray<int32_t> starts(c.starts);
    const DeviceArray<float> lse(c.tokens() * c.heads);
    for (AttentionPath path : paths(head_dim)) {
      std::vector<bf16> outs[2], gradients[2];
      for (bool poisoned : {false, true}) {
        const DeviceArray<bf16> in(rows_of(c.width(), 1, poisoned)),
            dout(rows_of(c.out_width(), 2, poisoned)), out(c.tokens() * c.out_width()),
            dqkv(c.tokens() * c.width());
        cuda::attention_kernels(path).forward(c.shape(starts), in, out, lse);
        cuda::attention_kernels(path).backward(c.shape(starts), dout, in, out, lse, dqkv);
        outs[poisoned] = out.get();
        gradients[poisoned] = dqkv.get();
      }
      const auto differing = [&](const std::vector<bf16>(&results)[2], size_t width) {
        size_t count = 0;
        for (size_t i = 0; i < results[0].size(); ++i) {
          count += !is_poisoned(i / width) && results[0][i].bits != results[1][i].bits;
        }
        return count;
      };
      EXPECT(differing(outs, c.out_width()) == 0);
      EXPECT(differing(gradients, c.width()) == 0);
    }
  }
}

/// No sum may depend on which block or warp came first.
TEST(attention_gradients_have_the_same_bits_in_every_run) {
  const Case c{{0, 70}, 2, 1, 64};
  const DeviceArray<int32_t> starts(c.starts);
  const DeviceArray<bf16> in(as_type<bf16>(normals(c.tokens() * c.width(), 1))),
      dout(as_type<bf16>(normals(c.tokens() * c.out_width(), 2))), out(c.tokens() * c.out_width());
  const DeviceArray<float> lse(c.tokens() * c.heads);
  for (AttentionPath path : paths(c.head_dim, c.softcap)) {
    cuda::attention_kernels(path).forward(c.shape(starts), in, out, lse);
    std::vector<bf16> first;
    for (int run = 0; run < 2; ++run) {
      const DeviceArray<bf16> dqkv(c.tokens() * c.width());
      cuda::attention_kernels(path).backward(c.shape(starts), dout, in, out, lse, dqkv);
      const std::vector<bf16> gradients = dqkv.get();
      if (run == 0) first = gradients;
      EXPECT(std::memcmp(first.data(), gradients.data(), first.size() * sizeof(bf16)) == 0);
    }
  }
}

/// The errors of the forward and the backward pass.
std::string refusals(const Case& c, DType dtype, AttentionPath path) {
  const DeviceArray<int32_t> starts(c.starts);
  const DeviceArray<bf16> in(c.tokens() * c.width()), out(c.tokens() * c.out_width());
  const DeviceArray<float> lse(c.tokens());
  AttentionShape shape = c.shape(starts);
  shape.dtype = dtype;
  const AttentionKernels& kernels = cuda::attention_kernels(path);
  std::string text;
  for (bool is_backward : {false, true}) {
    const OperationName name(is_backward ? "attentionBackward" : "attentionForward");
    try {
      is_backward ? kernels.backward(shape, out, in, out, lse, in) : kernels.forward(shape, in, out, lse);
    } catch (const Error& error) {
      text += error.what();
    }
  }
  return text;
}

TEST(attention_refuses_what_it_was_not_built_for) {
  const auto refuses = [](size_t head_dim, DType dtype, AttentionPath path, const std::string& why,
                          double softcap = 0) {
    const std::string text = refusals({{0, 4}, 1, 1, head_dim, 2, softcap}, dtype, path);
    return text.find("[attentionForward] " + why) != std::string::npos &&
           text.find("[attentionBackward] " + why) != std::string::npos;
  };
  EXPECT(refuses(264, DType::kBF16, AttentionPath::kMma,
                 "takes head sizes that are multiples of 8 up to 256 on CUDA but got 264"));
  EXPECT(refuses(60, DType::kBF16, AttentionPath::kMma,
                 "takes head sizes that are multiples of 8 up to 256 on CUDA but got 60"));
  EXPECT(refuses(64, DType::kF32, AttentionPath::kMma, "takes bf16 on CUDA but got f32"));
  const std::string for_wgmma = "takes head sizes 64 and 128 without a cap of scores with wgmma but got ";
  EXPECT(refuses(96, DType::kBF16, AttentionPath::kWgmma, for_wgmma + "96 and a cap of 0"));
  EXPECT(refuses(64, DType::kBF16, AttentionPath::kWgmma, for_wgmma + "64 and a cap of 30", 30));
  EXPECT(paths(256) == std::vector{AttentionPath::kMma});
  EXPECT(paths(64, 30) == std::vector{AttentionPath::kMma});
}

/// Two sequences in slots of their own, fed in pieces: every row must have the bits of
/// the full pass.
void expect_cached(const Case& c, AttentionPath path, const std::vector<std::vector<size_t>>& pieces) {
  constexpr size_t kSlots = 3, kCapacity = 256;
  const size_t padded = (c.head_dim + 15) / 16 * 16;
  const std::vector<bf16> qkv = as_type<bf16>(normals(c.tokens() * c.width(), 1));
  const DeviceArray<int32_t> starts(c.starts);
  const DeviceArray<bf16> in(qkv), full(c.tokens() * c.out_width());
  const DeviceArray<float> lse(c.tokens() * c.heads);
  cuda::attention_kernels(path).forward(c.shape(starts), in, full, lse);
  const std::vector<bf16> reference = full.get();

  // The earlier contents of a slot must not be seen, even where they are NaN.
  const std::vector<bf16> stale(kSlots * c.kv_heads * kCapacity * padded, from_float<bf16>(NAN));
  const DeviceArray<bf16> keys(stale), values(stale);
  const DeviceArray<int32_t> slots(std::vector<int32_t>{2, 0});
  size_t past[2] = {0, 0};
  for (const std::vector<size_t>& added : pieces) {
    std::vector<bf16> rows;
    for (size_t s = 0; s < 2; ++s) {
      const auto begin =
          qkv.begin() + static_cast<ptrdiff_t>((static_cast<size_t>(c.starts[s]) + past[s]) * c.width());
      rows.insert(rows.end(), begin, begin + static_cast<ptrdiff_t>(added[s] * c.width()));
    }
    Case piece = c;
    piece.starts = {0, static_cast<int32_t>(added[0]), static_cast<int32_t>(added[0] + added[1])};
    const DeviceArray<int32_t> piece_starts(piece.starts),
        past_lengths(std::vector<int32_t>{static_cast<int32_t>(past[0]), static_cast<int32_t>(past[1])});
    const DeviceArray<bf16> piece_in(rows), out(piece.tokens() * c.out_width());
    const AttentionCache cache{keys, values, slots, past_lengths, kCapacity, kSlots};
    cuda::attention_kernels(path).cached(piece.shape(piece_starts), cache, piece_in, out);
    const std::vector<bf16> result = out.get();
    size_t wrong = 0;
    for (size_t i = 0; i < result.size(); ++i) {
      const size_t row = i / c.out_width(), s = row < added[0] ? 0 : 1;
      const size_t token = static_cast<size_t>(c.starts[s]) + past[s] + row - (s == 0 ? 0 : added[0]);
      wrong += result[i].bits != reference[token * c.out_width() + i % c.out_width()].bits;
    }
    EXPECT(wrong == 0);
    for (size_t s = 0; s < 2; ++s) past[s] += added[s];
  }
  EXPECT(past[0] == static_cast<size_t>(c.starts[1]) && past[0] + past[1] == c.tokens());
}

TEST(cached_attention_has_the_bits_of_the_full_pass) {
  expect_cached({{0, 90, 170}, 4, 2, 40}, AttentionPath::kMma, {{64, 1}, {1, 70}, {1, 1}, {24, 8}});
  // Few new tokens and many have kernels of their own.
  for (AttentionPath path : paths(64)) {
    expect_cached({{0, 150, 353}, 2, 1, 64}, path, {{1, 198}, {147, 1}, {1, 1}, {1, 3}});
  }
  for (AttentionPath path : paths(128)) {
    expect_cached({{0, 130, 200}, 1, 1, 128}, path, {{128, 60}, {1, 1}, {1, 9}});
  }
}

TEST(cached_attention_in_windows_has_the_bits_of_the_full_pass) {
  expect_cached({{0, 90, 170}, 4, 2, 40, 20}, AttentionPath::kMma, {{64, 1}, {1, 70}, {1, 1}, {24, 8}});
  for (AttentionPath path : paths(64)) {
    expect_cached({{0, 150, 353}, 2, 1, 64, 33}, path, {{1, 198}, {147, 1}, {1, 1}, {1, 3}});
    expect_cached({{0, 150, 353}, 1, 1, 64, 130}, path, {{100, 198}, {49, 4}, {1, 1}});
  }
  for (AttentionPath path : paths(128)) {
    expect_cached({{0, 130, 200}, 1, 1, 128, 64}, path, {{128, 60}, {1, 1}, {1, 9}});
  }
}

TEST(cached_attention_of_gemma_has_the_bits_of_the_full_pass) {
  const auto expect = [](const Case& c) {
    expect_cached(c, AttentionPath::kMma, {{64, 1}, {1, 35}, {1, 1}, {4, 3}});
  };
  expect({{0, 70, 110}, 2, 1, 256, 33});
  expect({{0, 70, 110}, 2, 1, 256, kNoAttentionWindow, 50});
  expect({{0, 70, 110}, 2, 1, 64, 33, 50});
}

}  // namespace
}  // namespace athanor::test
