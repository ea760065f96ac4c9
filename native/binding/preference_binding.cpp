#include "binding/convert.h"
#include "ops/preference.h"

ATHANOR_WORDS(athanor::DpoKind, {"sigmoid", athanor::DpoKind::kSigmoid}, {"ipo", athanor::DpoKind::kIpo},
              {"hinge", athanor::DpoKind::kHinge})
ATHANOR_FIELDS(athanor::ops::RankingInputs, scores, pairs, margins, weights, centering, scale, need_gradient)
ATHANOR_FIELDS(athanor::ops::DpoInputs, sums, reference, beta, kind, label_smoothing, scale, need_gradient)
ATHANOR_FIELDS(athanor::ops::KtoInputs, sums, reference, weights, beta, baseline, scale, need_gradient)

namespace athanor::binding {
namespace {

const Family preference_family([](Exports& exports) {
  bind<&ops::ranking_loss, "rankingLoss(inputs)">(exports);
  bind<&ops::dpo_loss, "dpoLoss(inputs)">(exports);
  bind<&ops::kto_loss, "ktoLoss(inputs)">(exports);
});

}  // namespace
}  // namespace athanor::binding
