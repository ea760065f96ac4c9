/**
 * The formulas of advantages: relative to the values of a critic (PPO), or to the other responses
 * to the same prompt (GRPO, Dr. GRPO, RLOO).
 */
import { mean } from '../../base/statistics.ts';
import { noGrad } from '../../tensor/autograd.ts';
import { gae, whiten } from '../../tensor/ops/policy.ts';
import { scope, tensor } from '../../tensor/tensor.ts';
import { standardDeviation } from './rewards.ts';

export interface GaeOptions {
  /** Discount per token. */
  gamma: number;
  /** Weighs between one-step estimates (0) and whole returns (1). */
  lambda: number;
  /** Scales rewards to unit variance and keeps their mean. */
  whitenRewards: boolean;
}

/** Both f32 `[m]`, one number per response token. */
export interface Advantages {
  advantages: Float32Array;
  returns: Float32Array;
}

/**
 * Generalised advantage estimation. Advantages are whitened once over the whole rollout; returns
 * come from the unwhitened ones.
 * @param rewards f32 `[m]`
 * @param values f32 `[m]`: the critic's value of the state before each token
 * @param starts i32 `[responses + 1]`
 */
export function gaeAdvantages(
  rewards: Float32Array,
  values: Float32Array,
  starts: Int32Array,
  options: GaeOptions,
): Advantages {
  return noGrad(() =>
    scope(() => {
      const raw = tensor(rewards);
      const used = options.whitenRewards ? whiten(raw, { shiftMean: false }) : raw;
      const { advantages, returns } = gae(used, tensor(values), tensor(starts), options);
      return { advantages: whiten(advantages).toFloats(), returns: returns.toFloats() };
    }),
  );
}

/** How the answers of one prompt are compared with each other. */
export type GroupBaseline = 'grpo' | 'dr-grpo' | 'rloo';

/**
 * The score of each response relative to its group: `grpo` (r - mean) / (std + 1e-4) (Shao et
 * al., 2024), `dr-grpo` r - mean (Liu et al., 2025), `rloo` r - mean of the others (Ahmadian
 * et al., 2024).
 * @param scores f32 `[responses]`, those of a group side by side
 */
export function relativeScores(
  scores: Float32Array,
  groupSize: number,
  baseline: GroupBaseline,
): Float32Array {
  const out = new Float32Array(scores.length);
  for (let first = 0; first < scores.length; first += groupSize) {
    const group = scores.subarray(first, first + groupSize);
    const center = mean(group);
    const spread = standardDeviation(group);
    group.forEach((score, i) => {
      const above = score - center;
      out[first + i] =
        baseline === 'grpo'
          ? above / (spread + 1e-4)
          : baseline === 'rloo'
            ? (above * groupSize) / (groupSize - 1)
            : above;
    });
  }
  return out;
}

/** f32 `[m]`: every token of a response gets the response's relative score. */
export function groupAdvantages(
  scores: Float32Array,
  starts: Int32Array,
  groupSize: number,
  baseline: GroupBaseline,
): Float32Array {
  const out = new Float32Array(starts.at(-1)!);
  relativeScores(scores, groupSize, baseline).forEach((advantage, i) => {
    out.fill(advantage, starts[i]!, starts[i + 1]!);
  });
  return out;
}
