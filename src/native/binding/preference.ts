import type { NativeTensor } from '../binding.ts';

export interface RankingInputs {
  /** f32 `[n]` */
  scores: NativeTensor;
  /** i32 `[2 m]`: index of the better, index of the worse, and so on */
  pairs: NativeTensor;
  /** f32 `[m]`, like the weights */
  margins?: NativeTensor | undefined;
  weights?: NativeTensor | undefined;
  centering: number;
  scale: number;
  needGradient: boolean;
}

export type DpoKind = 'sigmoid' | 'ipo' | 'hinge';

export interface DpoInputs {
  /** f32 `[2 m]`: log-probabilities of m chosen responses, then of the m rejected */
  sums: NativeTensor;
  /** The same sums under the reference model. */
  reference: NativeTensor;
  beta: number;
  kind: DpoKind;
  labelSmoothing: number;
  scale: number;
  needGradient: boolean;
}

export interface KtoInputs {
  /** f32 `[m]`: log-probabilities of the answers */
  sums: NativeTensor;
  /** The same sums under the reference model. */
  reference: NativeTensor;
  /** f32 `[m]`: above 0 for a good answer, below 0 for a bad one */
  weights: NativeTensor;
  beta: number;
  /** In nats. */
  baseline: number;
  scale: number;
  needGradient: boolean;
}

export interface PreferenceBinding {
  /** [loss, dscores, number of pairs in the right order] */
  rankingLoss(inputs: RankingInputs): [number, NativeTensor | undefined, number];
  /** [loss, rewards, dsums, number of pairs in the right order] */
  dpoLoss(inputs: DpoInputs): [number, NativeTensor, NativeTensor | undefined, number];
  /** [loss, rewards, dsums, number of answers on the right side of the baseline] */
  ktoLoss(inputs: KtoInputs): [number, NativeTensor, NativeTensor | undefined, number];
}
