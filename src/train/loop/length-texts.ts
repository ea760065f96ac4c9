/** What a resumed run says of its end. */
import { learningRate, type ScheduleOptions } from '../../optim/schedule.ts';

/**
 * Where the run ends now.
 * @param before the step at which it would have ended; undefined: unknown
 */
export function newLengthText(
  schedule: ScheduleOptions,
  { step, before, now }: { step: number; before: number | undefined; now: number },
): string {
  const rate = (total: number) => learningRate(schedule, step, total).toExponential(2);
  const was = before === undefined ? '' : ` and not at step ${before}`;
  const changed = before !== undefined && rate(now) !== rate(before);
  const rates = changed ? `, now ${rate(now)} instead of ${rate(before)}` : '';
  return `the run ends at step ${now}${was}; the learning rate follows the schedule ${schedule.schedule} to that end${rates}`;
}

/** A run that is at its end does no step. */
export function finishedText(step: number, total: number | undefined, isOutOfPatience: boolean): string {
  const end = isOutOfPatience
    ? `training ended early, at step ${step}, and \`patience\` is used up`
    : `the run is at its end, step ${step} of ${total}, and does no step`;
  return `${end}; to train on, resume it with more \`${isOutOfPatience ? 'patience' : 'steps'}\``;
}
