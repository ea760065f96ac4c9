import type { DpoKind } from '../../tensor/ops/preference.ts';
import { type EpochSettings, epochDefaults } from '../loop/settings.ts';

export interface RewardSettings extends EpochSettings {
  /** Weight of (better + worse)^2, which keeps scores around zero. */
  centering: number;
  /**
   * Instructions whose answers score zero on average; without, the better answers of the
   * training data do.
   */
  normalize?: string | undefined;
}

export const rewardDefaults = {
  ...epochDefaults,
  epochs: 1,
  batchSize: 32,
  validationSplit: 0.1,
  centering: 0,
} as const satisfies Partial<RewardSettings>;

export interface DpoSettings extends EpochSettings {
  /** How strongly the starting model holds. */
  beta: number;
  /** Loss of a pair. */
  loss: DpoKind;
  /** Share of labels taken to be wrong. */
  labelSmoothing: number;
}

export const dpoDefaults = {
  ...epochDefaults,
  epochs: 1,
  batchSize: 16,
  beta: 0.1,
  loss: 'sigmoid',
  labelSmoothing: 0,
} as const satisfies Partial<DpoSettings>;
