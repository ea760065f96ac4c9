/**
 * Losses of preference learning and PPO, and their gradients, compared with PyTorch's, which
 * scripts/record-rl.py recorded.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { backward } from '../../src/tensor/autograd.ts';
import { mul, sum } from '../../src/tensor/ops/elementwise.ts';
import { linearLogProb } from '../../src/tensor/ops/loss.ts';
import { gae, klPenalty, policyLoss, valueLoss, whiten } from '../../src/tensor/ops/policy.ts';
import { type DpoKind, dpoLoss, ktoLoss, rankingLoss } from '../../src/tensor/ops/preference.ts';
import { segmentSum } from '../../src/tensor/ops/segments.ts';
import { parameter, type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { expectClose } from '../helpers/reference.ts';

type TokenField =
  | 'log_probs'
  | 'old_log_probs'
  | 'reference_log_probs'
  | 'advantages'
  | 'entropies'
  | 'rewards'
  | 'values'
  | 'old_values'
  | 'returns';
interface Loss {
  loss: number;
}
interface PolicyRecord extends Loss {
  clip_low: number;
  clip_high: number;
  dual_clip: number | null;
  entropy_coef: number;
  kl_coef: number;
  clipped: number;
  approx_kl: number;
  d_log_probs: number[];
  d_entropies: number[];
}
interface RankingRecord extends Loss {
  scores: number[];
  pairs: number[];
  margins: number[];
  weights: number[];
  centering: number;
  correct: number;
  d_scores: number[];
}
type DpoName = DpoKind | 'smoothed';
interface DpoRecord extends Record<DpoName, Loss & { d_sums: number[] }> {
  beta: number;
  sums: number[];
  reference: number[];
  rewards: number[];
  correct: number;
}
interface KtoRecord extends Loss {
  beta: number;
  baseline: number;
  sums: number[];
  reference: number[];
  weights: number[];
  rewards: number[];
  correct: number;
  d_sums: number[];
}
interface HeadRecord extends Loss {
  temperature: number;
  channels: number;
  hidden: number[];
  weight: number[];
  targets: number[];
  old_log_probs: number[];
  advantages: number[];
  log_probs: number[];
  entropies: number[];
  d_hidden: number[];
  d_weight: number[];
}
interface Recorded {
  scale: number;
  starts: number[];
  tokens: Record<TokenField, number[]>;
  policy_loss: PolicyRecord[];
  value_loss: (Loss & { clip: number | null; clipped: number; d_values: number[] })[];
  gae: { gamma: number; lambda: number; advantages: number[]; returns: number[] }[];
  whiten: { shifted: number[]; kept: number[] };
  kl: Record<'k1' | 'k2' | 'k3', number[]>;
  ranking: RankingRecord[];
  dpo: DpoRecord;
  kto: KtoRecord[];
  linear_log_prob: HeadRecord[];
  segments: Loss & { sums: number[]; d_rewards: number[] };
}

const torch = JSON.parse(
  readFileSync(join(packageRoot, 'test/fixtures/torch/losses.json'), 'utf8'),
) as Recorded;
const { scale } = torch;
const of = (name: TokenField) => tensor(torch.tokens[name]);
const ints = (values: readonly number[]) => tensor(Int32Array.from(values));
const starts = ints(torch.starts);
/**
 * One unit in the last place of f32, twice: the kernels compute in f64 and round once; the
 * recording has 12 digits.
 */
const close = (actual: Tensor | number, wanted: readonly number[] | number, what: string) =>
  expectClose(
    typeof actual === 'number' ? [actual] : actual.toFloats(),
    typeof wanted === 'number' ? [wanted] : wanted,
    2 ** -22,
    1e-11,
    what,
  );

describe('against PyTorch', () => {
  it.each(torch.policy_loss)(
    'the policy loss with clip $clip_low to $clip_high, dual $dual_clip, KL $kl_coef',
    (wanted) => {
      const [logProbs, entropies] = [parameter(of('log_probs')), parameter(of('entropies'))];
      const { loss, stats } = policyLoss(
        logProbs,
        {
          oldLogProbs: of('old_log_probs'),
          advantages: of('advantages'),
          referenceLogProbs: of('reference_log_probs'),
          entropies,
        },
        {
          clipLow: wanted.clip_low,
          clipHigh: wanted.clip_high,
          ...(wanted.dual_clip !== null && { dualClip: wanted.dual_clip }),
          entropyCoef: wanted.entropy_coef,
          klCoef: wanted.kl_coef,
          scale,
        },
      );
      backward(loss);
      close(loss, wanted.loss, 'loss');
      close(logProbs.grad!, wanted.d_log_probs, 'gradient by log-probabilities');
      if (wanted.entropy_coef === 0) expect(entropies.grad).toBeUndefined();
      else close(entropies.grad!, wanted.d_entropies, 'gradient by entropies');
      expect(stats.clipped).toBe(wanted.clipped);
      close(stats.approxKl, wanted.approx_kl, 'approximate KL');
    },
  );

  it.each(torch.value_loss)('the value loss with clip $clip', (wanted) => {
    const values = parameter(of('values'));
    const { loss, clipped } = valueLoss(
      values,
      { oldValues: of('old_values'), returns: of('returns') },
      { clip: wanted.clip ?? Number.POSITIVE_INFINITY, scale },
    );
    backward(loss);
    close(loss, wanted.loss, 'loss');
    close(values.grad!, wanted.d_values, 'gradient');
    expect(clipped).toBe(wanted.clipped);
  });

  it.each(torch.gae)('advantages with gamma $gamma and lambda $lambda', (wanted) => {
    const { advantages, returns } = gae(of('rewards'), of('values'), starts, wanted);
    close(advantages, wanted.advantages, 'advantages');
    close(returns, wanted.returns, 'returns');
  });

  it('whitening, with and without its mean', () => {
    close(whiten(of('rewards')), torch.whiten.shifted, 'mean 0');
    close(whiten(of('rewards'), { shiftMean: false }), torch.whiten.kept, 'mean kept');
  });

  it.each(['k1', 'k2', 'k3'] as const)('the KL estimator %s', (kind) => {
    close(klPenalty(of('log_probs'), of('reference_log_probs'), kind), torch.kl[kind], kind);
  });

  it.each(torch.ranking)('the ranking loss with centering $centering', (wanted) => {
    const scores = parameter(tensor(wanted.scores));
    const { loss, correct } = rankingLoss(scores, ints(wanted.pairs), {
      margins: tensor(wanted.margins),
      weights: tensor(wanted.weights),
      centering: wanted.centering,
      scale,
    });
    backward(loss);
    close(loss, wanted.loss, 'loss');
    // A score is in several pairs, whose shares are added in f32.
    expectClose(scores.grad!.toFloats(), wanted.d_scores, 2 ** -20, 1e-7, 'gradient');
    expect(correct).toBe(wanted.correct);
  });

  it.each(['sigmoid', 'smoothed', 'ipo', 'hinge'] as const)('the DPO loss, %s', (name) => {
    const { beta, sums: recorded, reference, rewards, correct } = torch.dpo;
    const sums = parameter(tensor(recorded));
    const smoothed = name === 'smoothed';
    const result = dpoLoss(sums, tensor(reference), {
      beta,
      kind: smoothed ? 'sigmoid' : name,
      labelSmoothing: smoothed ? 0.1 : 0,
      scale,
    });
    backward(result.loss);
    close(result.loss, torch.dpo[name].loss, 'loss');
    close(sums.grad!, torch.dpo[name].d_sums, 'gradient');
    close(result.rewards, rewards, 'rewards');
    expect(result.rewards.requiresGrad).toBe(false);
    expect(result.correct).toBe(correct);
  });

  it.each(torch.kto)('the KTO loss with beta $beta above a baseline of $baseline', (wanted) => {
    const { beta, baseline } = wanted;
    const sums = parameter(tensor(wanted.sums));
    const [reference, weights] = [tensor(wanted.reference), tensor(wanted.weights)];
    const result = ktoLoss(sums, reference, weights, { beta, baseline, scale });
    backward(result.loss);
    close(result.loss, wanted.loss, 'loss');
    close(sums.grad!, wanted.d_sums, 'gradient');
    close(result.rewards, wanted.rewards, 'rewards');
    expect(result.rewards.requiresGrad).toBe(false);
    expect(result.correct).toBe(wanted.correct);
  });

  it.each(torch.linear_log_prob)(
    'a head under a policy loss with an entropy bonus at temperature $temperature',
    (wanted) => {
      const matrix = (values: readonly number[]) =>
        parameter(tensor(Float32Array.from(values), [values.length / wanted.channels, wanted.channels]));
      const [hidden, weight] = [matrix(wanted.hidden), matrix(wanted.weight)];
      const { logProbs, entropies } = linearLogProb(hidden, weight, ints(wanted.targets), wanted.temperature);
      const { loss } = policyLoss(
        logProbs,
        { oldLogProbs: tensor(wanted.old_log_probs), advantages: tensor(wanted.advantages), entropies },
        { clipLow: 0.2, clipHigh: 0.2, entropyCoef: 0.1, scale },
      );
      backward(loss);
      // The head is in f32: sums over channels and vocabulary, exponentials.
      const near = (actual: Tensor, values: readonly number[], what: string) =>
        expectClose(actual.toFloats(), values, 2e-6, 2e-6, what);
      near(logProbs, wanted.log_probs, 'log-probabilities');
      near(entropies, wanted.entropies, 'entropies');
      near(loss, [wanted.loss], 'loss');
      near(hidden.grad!, wanted.d_hidden, 'gradient by hidden');
      near(weight.grad!, wanted.d_weight, 'gradient by weight');
    },
  );

  it('sums of segments', () => {
    const rewards = parameter(of('rewards'));
    const sums = segmentSum(rewards, starts);
    backward(sum(mul(sums, sums)));
    close(sums, torch.segments.sums, 'sums');
    expectClose(rewards.grad!.toFloats(), torch.segments.d_rewards, 2 ** -22, 1e-7, 'gradient');
  });
});
