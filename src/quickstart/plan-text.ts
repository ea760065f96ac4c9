/**
 * The text before the run: its parts, how long they take on this machine, and what makes it slow.
 */
import { formatDuration, formatRate } from '../report/format.ts';
import { plannedSeconds, type RunPlan } from './plan.ts';

export interface PlanTextOptions {
  /** The run's folder. */
  out: string;
  threads: number;
  dtype: 'f32' | 'bf16';
  /** Whether the run is too short to learn much. */
  quick: boolean;
  /** Seconds that the short run would take here. */
  quickSeconds: number;
}

/** For longer runs the text says what makes the machine slow, and names the shorter run. */
const SLOW_SECONDS = 600;

/** The note of a `--quick` run, because a reader could take its figures for results. */
export const QUICK_NOTE =
  'This run is too short to learn: answers are nonsense and figures say nothing. It shows that every part works.';

export function planLines(plan: RunPlan, options: PlanTextOptions): string[] {
  const { out, threads, dtype, quick } = options;
  const total = plannedSeconds(plan);
  const width = Math.max(...plan.parts.map(({ title }) => title.length));
  return [
    `${roughTime(total)} on this machine (${threads} ${threads === 1 ? 'thread' : 'threads'}, ${dtype}, training at ${formatRate(plan.tokensPerSecond, 'tokens')}):`,
    ...plan.parts.map(({ title, seconds }) => `  ${title.padEnd(width)}  about ${formatDuration(seconds)}`),
    ...(quick ? [QUICK_NOTE] : slowLines(total, options)),
    `watch it grow: ${out}/report.html`,
  ];
}

/** "about 5 minutes", "about 40 seconds" */
export function roughTime(seconds: number): string {
  if (seconds < 55) return `about ${Math.max(10, Math.round(seconds / 10) * 10)} seconds`;
  const minutes = Math.max(1, Math.round(seconds / 60));
  if (minutes < 100) return `about ${minutes} ${minutes === 1 ? 'minute' : 'minutes'}`;
  return `about ${Math.round(minutes / 60)} hours`;
}

function slowLines(total: number, { threads, dtype, quickSeconds }: PlanTextOptions): string[] {
  if (total <= SLOW_SECONDS) return [];
  const reasons = [
    ...(threads === 1 ? ['it has one thread for training'] : []),
    ...(dtype === 'f32' ? ['its processor has no bf16 products, so training is in f32'] : []),
  ];
  const why = reasons.length > 0 ? reasons.join(', and ') : 'it is small, or busy with other work';
  return [
    `This machine is slow for the run: ${why}. --quick shows every part in ${roughTime(quickSeconds)}.`,
  ];
}
