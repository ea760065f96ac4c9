/**
 * Learning-rate schedules over steps. Every budget is converted into a number of steps, so that a
 * resumed run has the same rates.
 */
import { AthanorError } from '../base/errors.ts';

/** How the learning rate falls after the warm-up. */
export type ScheduleName = 'cosine' | 'wsd' | 'linear' | 'constant';

/** The shape of a learning-rate schedule. */
export interface ScheduleOptions {
  /** Peak learning rate. */
  lr: number;
  schedule: ScheduleName;
  /** Steps of linear warm-up from lr / warmupSteps. */
  warmupSteps: number;
  /** Learning rate at the end, as a share of the peak. */
  minLrRatio: number;
  /**
   * For `wsd` (warm-up, stable, decay; Hu et al., MiniCPM, 2024): the share of the run, at its end,
   * in which the rate falls linearly.
   */
  decayRatio: number;
}

/** The defaults of ScheduleOptions. */
export const scheduleDefaults: ScheduleOptions = {
  lr: 1e-3,
  schedule: 'cosine',
  warmupSteps: 0,
  minLrRatio: 0.1,
  decayRatio: 0.2,
};

/**
 * The learning rate of one update. Throws ERR_ARGUMENT for an unknown schedule.
 * @param step number of updates before this one
 * @param totalSteps number of updates of the whole run
 */
export function learningRate(options: ScheduleOptions, step: number, totalSteps: number): number {
  const { lr, warmupSteps, minLrRatio } = options;
  if (step < warmupSteps) return (lr * (step + 1)) / warmupSteps;
  const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
  return lr * (minLrRatio + (1 - minLrRatio) * shape(options, Math.min(1, progress)));
}

/** How much of the way down is left: 1 at the start, 0 at the end. */
function shape(options: ScheduleOptions, progress: number): number {
  switch (options.schedule) {
    case 'constant':
      return 1;
    case 'linear':
      return 1 - progress;
    case 'cosine':
      return 0.5 * (1 + Math.cos(Math.PI * progress));
    case 'wsd':
      return Math.min(1, (1 - progress) / options.decayRatio);
    default:
      throw new AthanorError(
        'ERR_ARGUMENT',
        `unknown schedule ${String(options.schedule)}`,
        'use cosine, wsd, linear or constant',
      );
  }
}
