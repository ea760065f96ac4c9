#include "kernels/preference.h"

#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

const PreferenceKernels& kernels() { return cuda::preference_kernels(); }

double softplus(double x) { return std::log(1 + std::exp(x)); }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
bool near(double a, double b) { return std::fabs(a - b) <= 1e-12 * (1 + std::fabs(b)); }

/// A score in no pair must get a gradient of 0; one in most pairs adds them up in their order.
void expect_ranking(size_t scores_count, size_t count, bool has_extras) {
  const std::vector<float> scores = normals(scores_count, 1), margins = normals(count, 2),
                           weights = normals(count, 3);
  std::vector<int32_t> pairs = integers(2 * count, static_cast<int32_t>(scores_count) - 1, 4);
  for (size_t p = 0; p < count; p += 2) pairs[2 * p] = 0;
  const DeviceArray<float> s(scores), margin(margins), weight(weights), slopes(normals(scores_count, 5));
  const DeviceArray<int32_t> at(pairs);
  RankingArgs args{s,
                   at,
                   has_extras ? static_cast<float*>(margin) : nullptr,
                   has_extras ? static_cast<float*>(weight) : nullptr,
                   slopes,
                   static_cast<int64_t>(scores_count),
                   static_cast<int64_t>(count),
                   has_extras ? 0.1 : 0.0,
                   0.5};
  const PreferenceTotals total = kernels().ranking_loss(args);
  double loss = 0, correct = 0;
  std::vector<double> gradient(scores_count);
  for (size_t p = 0; p < count; ++p) {
    const auto better = static_cast<size_t>(pairs[2 * p]), worse = static_cast<size_t>(pairs[2 * p + 1]);
    const double a = scores[better], b = scores[worse], lead = a - b - (has_extras ? margins[p] : 0.0f);
    const double w = 0.5 * (has_extras ? weights[p] : 1.0f), pull = w * sigmoid(-lead);
    const double center = w * 2 * args.centering * (a + b);
    loss += w * (softplus(-lead) + args.centering * (a + b) * (a + b));
    correct += a > b ? 1 : 0;
    gradient[better] += center - pull;
    gradient[worse] += center + pull;
  }
  EXPECT(near(total.loss, loss));
  EXPECT(total.correct == correct);
  EXPECT_CLOSE(slopes.get(), gradient, 1e-6);
  EXPECT(slopes.get()[scores_count - 1] == 0.0f);
  args.dscores = nullptr;
  EXPECT(near(kernels().ranking_loss(args).loss, loss));
}

TEST(the_ranking_loss_is_its_formula) {
  expect_ranking(2, 1, false);
  expect_ranking(700, 2100, true);
}

TEST(no_pairs_are_no_loss) {
  const DeviceArray<float> scores(normals(4, 1)), slopes(normals(4, 2));
  const DeviceArray<int32_t> pairs(0);
  EXPECT(kernels().ranking_loss({scores, pairs, nullptr, nullptr, slopes, 4, 0, 0.0, 1.0}).loss == 0);
  for (float slope : slopes.get()) EXPECT(slope == 0.0f);
}

TEST(each_loss_of_direct_preference_is_its_formula) {
  constexpr size_t kPairs = 2500;
  const std::vector<float> sums = normals(2 * kPairs, 1, 4), reference = normals(2 * kPairs, 2, 4);
  const DeviceArray<float> x(sums), y(reference), rewards(2 * kPairs), slopes(2 * kPairs);
  const double beta = 0.3, scale = 0.25;
  for (DpoKind kind : {DpoKind::kSigmoid, DpoKind::kIpo, DpoKind::kHinge}) {
    const double smoothing = kind == DpoKind::kSigmoid ? 0.1 : 0.0;
    const PreferenceTotals total =
        kernels().dpo_loss({x, y, rewards, slopes, kPairs, beta, smoothing, scale, kind});
    double loss = 0, correct = 0;
    std::vector<double> gradient(2 * kPairs), expected_rewards(2 * kPairs);
    for (size_t p = 0; p < kPairs; ++p) {
      const double chosen = static_cast<double>(sums[p]) - reference[p];
      const double rejected = static_cast<double>(sums[kPairs + p]) - reference[kPairs + p];
      const double h = chosen - rejected, z = beta * h;
      double one = (1 - smoothing) * softplus(-z) + smoothing * softplus(z);
      double slope = beta * (smoothing * sigmoid(z) - (1 - smoothing) * sigmoid(-z));
      if (kind == DpoKind::kIpo) {
        one = (h - 0.5 / beta) * (h - 0.5 / beta);
        slope = 2 * (h - 0.5 / beta);
      } else if (kind == DpoKind::kHinge) {
        one = std::max(0.0, 1 - z);
        slope = z < 1 ? -beta : 0;
      }
      loss += scale * one;
      correct += h > 0 ? 1 : 0;
      gradient[p] = scale * slope;
      gradient[kPairs + p] = -scale * slope;
      expected_rewards[p] = beta * chosen;
      expected_rewards[kPairs + p] = beta * rejected;
    }
    EXPECT(near(total.loss, loss));
    EXPECT(total.correct == correct);
    EXPECT_CLOSE(slopes.get(), gradient, 1e-7);
    EXPECT_CLOSE(rewards.get(), expected_rewards, 1e-7);
  }
}

TEST(the_loss_of_rated_answers_is_its_formula) {
  constexpr size_t kCount = 2500;
  const std::vector<float> sums = normals(kCount, 1, 4), reference = normals(kCount, 2, 4),
                           weights = normals(kCount, 3);
  const DeviceArray<float> x(sums), y(reference), w(weights), rewards(kCount), slopes(kCount);
  const double beta = 0.3, baseline = 0.7, scale = 0.25;
  const PreferenceTotals total =
      kernels().kto_loss({x, y, w, rewards, slopes, kCount, beta, baseline, scale});
  double loss = 0, correct = 0;
  std::vector<double> gradient(kCount), expected_rewards(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    const double h = static_cast<double>(sums[i]) - reference[i], side = weights[i] < 0 ? -1 : 1;
    const double won = sigmoid(side * beta * (h - baseline)), weight = std::fabs(weights[i]);
    loss += scale * weight * (1 - won);
    correct += side * (h - baseline) > 0 ? 1 : 0;
    gradient[i] = -scale * weight * side * beta * won * (1 - won);
    expected_rewards[i] = beta * h;
  }
  EXPECT(near(total.loss, loss));
  EXPECT(total.correct == correct);
  EXPECT_CLOSE(slopes.get(), gradient, 1e-7);
  EXPECT_CLOSE(rewards.get(), expected_rewards, 1e-7);
}

}  // namespace
}  // namespace athanor::test
