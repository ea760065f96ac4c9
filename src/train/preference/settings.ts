import type { DpoKind } from '../../tensor/ops/preference.ts';
import { type EpochSettings, epochDefaults } from '../loop/settings.ts';

/** The settings of reward modelling. */
export interface RewardSettings extends EpochSettings {
  /** Weight of the penalty (better + worse)^2, which keeps scores around zero. */
  centering: number;
  /**
   * Instructions whose answers get a mean score of zero. Default: the better answers of
   * the training data.
   */
  normalize?: string | undefined;
}

/** The defaults of RewardSettings. */
export const rewardDefaults = {
  ...epochDefaults,
  epochs: 1,
  batchSize: 32,
  validationSplit: 0.1,
  centering: 0,
} as const satisfies Partial<RewardSettings>;

/** The settings of DPO. */
export interface DpoSettings extends EpochSettings {
  /** Strength of the pull towards the starting model. */
  beta: number;
  /** Loss per pair. */
  loss: DpoKind;
  /** Share of pairs whose order is assumed to be wrong. */
  labelSmoothing: number;
}

/** The defaults of DpoSettings. */
export const dpoDefaults = {
  ...epochDefaults,
  epochs: 1,
  batchSize: 16,
  beta: 0.1,
  loss: 'sigmoid',
  labelSmoothing: 0,
} as const satisfies Partial<DpoSettings>;

/** The settings of KTO. */
export interface KtoSettings extends EpochSettings {
  /** Strength of the pull towards the starting model. */
  beta: number;
  /**
   * `kto`: answers should lie above or below a baseline, the divergence of the policy from its
   * start. `apo-zero`: above or below the start itself (D'Oosterlinck et al., 2024).
   */
  loss: 'kto' | 'apo-zero';
  /** Weight of good answers. */
  desirableWeight: number;
  /** Weight of bad answers. */
  undesirableWeight: number;
}

/** The defaults of KtoSettings. */
export const ktoDefaults = {
  ...epochDefaults,
  epochs: 1,
  batchSize: 16,
  beta: 0.1,
  loss: 'kto',
  desirableWeight: 1,
  undesirableWeight: 1,
} as const satisfies Partial<KtoSettings>;
