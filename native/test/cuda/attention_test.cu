#include "kernels/attention.h"

#include "core/error.h"
#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

const AttentionKernels& kernels() { return cuda::attention_kernels(); }

struct Case {
  std::vector<int32_t> starts;
  size_t heads, kv_heads, head_dim;
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
            DType::kBF16};
  }
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
        std::vector<double> p(i - begin + 1);
        double total = 0, delta = 0;
        for (size_t j = begin; j <= i; ++j) {
          double dot = 0;
          for (size_t d = 0; d < c.head_dim; ++d) dot += qkv[q + d] * qkv[j * width + k + d];
          p[j - begin] = std::exp(dot * c.scale());
          total += p[j - begin];
        }
        r.lse[i * c.heads + h] = std::log(total);
        for (size_t j = begin; j <= i; ++j) {
          p[j - begin] /= total;
          for (size_t d = 0; d < c.head_dim; ++d) r.out[o + d] += p[j - begin] * qkv[j * width + v + d];
        }
        for (size_t d = 0; d < c.head_dim; ++d) delta += dout[o + d] * r.out[o + d];
        for (size_t j = begin; j <= i; ++j) {
          double dp = 0;
          for (size_t d = 0; d < c.head_dim; ++d) dp += dout[o + d] * qkv[j * width + v + d];
          const double ds = p[j - begin] * (dp - delta) * c.scale();
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

// Weights and scores' gradients are rounded to bf16 between the two products, as in every flash attention.
constexpr double kForward = 5e-3, kBackward = 8e-3;

void expect_attention(const Case& c) {
  const std::vector<bf16> qkv = as_type<bf16>(normals(c.tokens() * c.width(), 1)),
                          dout = as_type<bf16>(normals(c.tokens() * c.out_width(), 2));
  const Reference r = reference_attention(c, as_double(qkv), as_double(dout));
  const DeviceArray<int32_t> starts(c.starts);
  const DeviceArray<bf16> in(qkv), ddout(dout), out(dout.size()), dqkv(qkv.size());
  const DeviceArray<float> lse(c.tokens() * c.heads);
  const AttentionShape shape = c.shape(starts);
  kernels().forward(shape, in, out, lse);
  EXPECT_CLOSE(as_double(out.get()), r.out, kForward);
  EXPECT_CLOSE(lse.get(), r.lse, 1e-5);
  kernels().backward(shape, ddout, in, out, lse, dqkv);
  EXPECT_CLOSE(as_double(dqkv.get()), r.dqkv, kBackward);
}

// Packed documents: one token, an odd few, none, and more than one tile of queries and keys.
const std::vector<int32_t> kPacked = {0, 1, 38, 38, 178};

TEST(attention_agrees_at_head_size_64) { expect_attention({kPacked, 2, 2, 64}); }
TEST(attention_agrees_at_head_size_128) { expect_attention({{0, 5, 75}, 1, 1, 128}); }
TEST(attention_agrees_with_grouped_queries) { expect_attention({{0, 70, 83}, 4, 2, 64}); }
TEST(attention_pads_head_sizes) {
  expect_attention({{0, 67}, 2, 1, 40});
  expect_attention({{0, 33}, 2, 2, 96});
}

TEST(attention_refuses_what_it_was_not_built_for) {
  const Case c{{0, 4}, 1, 1, 136};
  const DeviceArray<int32_t> starts(c.starts);
  const DeviceArray<bf16> in(c.tokens() * c.width()), out(c.tokens() * c.out_width());
  const DeviceArray<float> lse(c.tokens());
  const auto message = [&](const AttentionShape& shape) -> std::string {
    try {
      kernels().forward(shape, in, out, lse);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT(message(c.shape(starts)).find("head sizes up to 128 on CUDA but got 136") != std::string::npos);
  AttentionShape wide = c.shape(starts);
  wide.head_dim = 64;
  wide.dtype = DType::kF32;
  EXPECT(message(wide).find("takes bf16 on CUDA but got f32") != std::string::npos);
}

/// Two sequences in slots of their own, fed in pieces: every row must have the bits of the full pass.
TEST(cached_attention_has_the_bits_of_the_full_pass) {
  const Case c{{0, 90, 170}, 4, 2, 40};
  constexpr size_t kSlots = 3, kCapacity = 128, kPadded = 48;
  const std::vector<bf16> qkv = as_type<bf16>(normals(c.tokens() * c.width(), 1));
  const DeviceArray<int32_t> starts(c.starts);
  const DeviceArray<bf16> in(qkv), full(c.tokens() * c.out_width());
  const DeviceArray<float> lse(c.tokens() * c.heads);
  kernels().forward(c.shape(starts), in, full, lse);
  const std::vector<bf16> reference = full.get();

  const std::vector<bf16> zeros(kSlots * c.kv_heads * kCapacity * kPadded, bf16{0});
  const DeviceArray<bf16> keys(zeros), values(zeros);
  const DeviceArray<int32_t> slots(std::vector<int32_t>{2, 0});
  const size_t lengths[2] = {90, 80};
  size_t past[2] = {0, 0};
  const std::vector<std::vector<size_t>> pieces = {{64, 1}, {1, 70}, {1, 1}, {24, 8}};
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
    const AttentionCache cache{keys, values, slots, past_lengths, kCapacity};
    kernels().cached(piece.shape(piece_starts), cache, piece_in, out);
    const std::vector<bf16> result = out.get();
    for (size_t i = 0; i < result.size(); ++i) {
      const size_t row = i / c.out_width(), s = row < added[0] ? 0 : 1;
      const size_t token = static_cast<size_t>(c.starts[s]) + past[s] + row - (s == 0 ? 0 : added[0]);
      EXPECT(result[i].bits == reference[token * c.out_width() + i % c.out_width()].bits);
    }
    for (size_t s = 0; s < 2; ++s) past[s] += added[s];
  }
  EXPECT(past[0] == lengths[0] && past[1] == lengths[1]);
}

}  // namespace
}  // namespace athanor::test
