/** The settings of a training loop, whatever the stage. */
import { AthanorError } from '../../base/errors.ts';
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
   * On several ranks: 1 shares the optimizer's moments out among them, 0 gives all moments to each.
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

/** Whether the optimizer's state is shared out among ranks. Throws ERR_OPTION beyond ZeRO-1. */
export function isSharded(zero: number): boolean {
  if (zero <= 1) return zero === 1;
  const what = zero === 2 ? 'gradients' : 'weights';
  throw new AthanorError(
    'ERR_OPTION',
    `\`zero\` ${zero} shares ${what} out among the ranks, which is not possible yet`,
    'choose `zero` 1, which shares the state of the optimizer',
  );
}
