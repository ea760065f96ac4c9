/** What decides the course of a training loop, whatever the stage. */
import { withDefaults } from '../../base/with-defaults.ts';
import type { AdamWOptions } from '../../optim/adamw.ts';
import { type ScheduleOptions, scheduleDefaults } from '../../optim/schedule.ts';
import type { BudgetOptions } from './budget.ts';
import { type GuardOptions, guardDefaults } from './guard.ts';

/** How long to train is one of `steps`, `tokens` and `seconds`; it has no default. */
export interface TrainerSettings extends BudgetOptions, ScheduleOptions, GuardOptions {
  /** Its seed is by default that of the run. */
  optimizer: AdamWOptions;
  /** Batches summed into one update. */
  gradAccum: number;
  /** Largest gradient norm of a group; larger gradients are scaled down to it. 0: no clipping. */
  maxGradNorm: number;
  /** Steps between evaluations, samples and checkpoints; 0 for the end only. */
  evalEvery: number;
  sampleEvery: number;
  saveEvery: number;
  /** Evaluations without a better score after which training ends; 0 never ends it. */
  patience: number;
  /** How many of the latest checkpoints stay; the best one by its evaluation stays as well. */
  keepCheckpoints: number;
}

/** The defaults of TrainerSettings. */
export const trainerDefaults = {
  ...scheduleDefaults,
  ...guardDefaults,
  optimizer: {},
  gradAccum: 1,
  maxGradNorm: 1,
  evalEvery: 250,
  sampleEvery: 0,
  saveEvery: 250,
  patience: 0,
  keepCheckpoints: 2,
} as const satisfies TrainerSettings;

/** The settings that are given, and the defaults of the rest. */
export function trainerSettings(given: Partial<TrainerSettings>): TrainerSettings {
  return withDefaults<TrainerSettings>(trainerDefaults, given);
}
