/** The settings of a training loop, whatever the stage. */
import { withDefaults } from '../../base/with-defaults.ts';
import type { AdamWOptions } from '../../optim/adamw.ts';
import { type ScheduleOptions, scheduleDefaults } from '../../optim/schedule.ts';
import type { BudgetOptions } from './budget.ts';
import { type GuardOptions, guardDefaults } from './guard.ts';

/** One of `steps`, `tokens`, `passes` and `seconds` says how long to train; none has a default. */
export interface TrainerSettings extends BudgetOptions, ScheduleOptions, GuardOptions {
  /** The default of its seed is the seed of the run. */
  optimizer: AdamWOptions;
  /** Batches summed into one update, over all ranks. */
  gradAccum: number;
  /**
   * What several ranks share out among them: nothing (0), the optimizer's moments (1), moments and
   * gradients (2), moments, gradients and weights (3).
   */
  zero: number;
  /** Largest gradient norm of a group; a larger gradient is scaled down to it. 0: no clipping. */
  maxGradNorm: number;
  /** Steps between evaluations, samples and checkpoints; 0: only at the end. */
  evalEvery: number;
  sampleEvery: number;
  saveEvery: number;
  /** Training ends after this many evaluations without a better score; 0: never. */
  patience: number;
  /** Number of newest checkpoints to keep, in addition to the best one by its evaluation. */
  keepCheckpoints: number;
}

/** The defaults of TrainerSettings. */
export const trainerDefaults = {
  ...scheduleDefaults,
  ...guardDefaults,
  optimizer: {},
  gradAccum: 1,
  zero: 1,
  maxGradNorm: 1,
  evalEvery: 250,
  sampleEvery: 0,
  saveEvery: 250,
  patience: 0,
  keepCheckpoints: 2,
} as const satisfies TrainerSettings;

/** The given settings, with defaults for the others. */
export function trainerSettings(given: Partial<TrainerSettings>): TrainerSettings {
  return withDefaults<TrainerSettings>(trainerDefaults, given);
}
