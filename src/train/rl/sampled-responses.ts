/**
 * The responses of one rollout with their measurements: log-probabilities of policy and reference,
 * and scores. Numbers per token are flat: the tokens of all responses, end to end.
 */

import { mean } from '../../base/statistics.ts';
import { type ResponseSequence, responseStarts, sumsByResponse } from '../../scoring/sequences.ts';
import { noGrad } from '../../tensor/autograd.ts';
import { klPenalty } from '../../tensor/ops/policy.ts';
import { scope, tensor } from '../../tensor/tensor.ts';

/** Estimates of log(policy / reference) (Schulman, "Approximating KL divergence", 2020). */
export type KlEstimator = 'k1' | 'k2' | 'k3';

/** Responses as the policy drew them. `m` is the number of all response tokens. */
export interface DrawnResponses {
  sequences: readonly ResponseSequence[];
  /** f32 `[m]`: log-probabilities of the policy at the sampling temperature. */
  logProbs: Float32Array;
  /**
   * f32 `[m]`: with quantized weights, the log-probabilities of the distribution that was drawn
   * from.
   */
  drawnLogProbs?: Float32Array;
  /** Seconds of drawing. */
  seconds: number;
}

/** The results of scoring. */
export interface ResponseScores {
  /** f32 `[m]`: log-probabilities of the reference at the same temperature. */
  referenceLogProbs: Float32Array;
  /** f32 `[responses]`: scores of the reward source, clipped. */
  rawScores: Float32Array;
  /** f32 `[responses]`: the scores after the rule for responses without an end token. */
  scores: Float32Array;
  /** Seconds of the reward source and the reference. */
  scoringSeconds: number;
}

export class SampledResponses {
  readonly sequences: readonly ResponseSequence[];
  readonly logProbs: Float32Array;
  /**
   * With quantized weights: the mean of log(drawing distribution / policy) over the tokens, in
   * nats. It estimates the KL divergence per token between the two.
   */
  readonly quantizationKl: number | undefined;
  readonly referenceLogProbs: Float32Array;
  readonly rawScores: Float32Array;
  readonly scores: Float32Array;
  readonly rolloutSeconds: number;
  readonly scoringSeconds: number;
  /**
   * i32 `[responses + 1]`: where each response begins in the numbers per token, then their count.
   */
  readonly starts: Int32Array;
  /**
   * f32 `[m]`: log(policy / reference) of each token in nats, the estimator k1 of
   * its KL divergence.
   */
  readonly logRatios: Float32Array;
  /** f64 `[responses]`: the sum of the log-ratios of each response. */
  readonly responseKl: Float64Array;

  constructor(drawn: DrawnResponses, scores: ResponseScores) {
    this.sequences = drawn.sequences;
    this.logProbs = drawn.logProbs;
    const { drawnLogProbs, logProbs } = drawn;
    this.quantizationKl = drawnLogProbs && mean(drawnLogProbs.map((logProb, t) => logProb - logProbs[t]!));
    this.rolloutSeconds = drawn.seconds;
    this.referenceLogProbs = scores.referenceLogProbs;
    this.rawScores = scores.rawScores;
    this.scores = scores.scores;
    this.scoringSeconds = scores.scoringSeconds;
    this.starts = responseStarts(this.sequences);
    this.logRatios = this.logProbs.map((logProb, t) => logProb - this.referenceLogProbs[t]!);
    this.responseKl = sumsByResponse(this.logRatios, this.starts);
  }

  /** Number of responses. */
  get count(): number {
    return this.sequences.length;
  }

  /** Mean KL divergence of a response, in nats. */
  get meanKl(): number {
    return mean(this.responseKl);
  }

  /** f32 `[m]`: the KL divergence per token by an estimator. */
  tokenKl(estimator: KlEstimator): Float32Array {
    if (estimator === 'k1') return this.logRatios;
    return noGrad(() =>
      scope(() => klPenalty(tensor(this.logProbs), tensor(this.referenceLogProbs), estimator).toFloats()),
    );
  }
}
