/** Runs a stage for a command: shows progress on stderr and stops after Ctrl-C. */
import type { RunHooks, StageResult } from '../train/loop/run-stage.ts';
import type { TrainingRecord } from '../train/loop/training-record.ts';
import type { CommandContext } from './command.ts';

/** The first signal finishes the step and saves; a second one ends the process. */
export async function runTraining(
  stage: (hooks: RunHooks) => Promise<StageResult>,
  { spell }: Pick<CommandContext, 'spell'>,
): Promise<TrainingRecord> {
  const { Interrupt } = await import('./interrupt.ts');
  const { terminalProgress } = await import('../train/loop/terminal-progress.ts');
  const { trainingRecord } = await import('../train/loop/training-record.ts');
  const progress = terminalProgress({ spell });
  const interrupt = new Interrupt((signal) =>
    progress({ type: 'warning', text: `${signal}: finishing the step, then saving` }),
  );
  try {
    return trainingRecord(await stage({ signal: interrupt.signal, onEvent: progress }));
  } finally {
    interrupt.dispose();
  }
}

/** The last loss for the line of results. A run that was at its end already has none. */
export function lossText(loss: number): string {
  return Number.isNaN(loss) ? '' : `, loss ${loss.toFixed(3)}`;
}

/** For the line of results: how many updates had nothing to learn from, if any. */
export function idleText({ idle_updates: idle, step }: TrainingRecord): string {
  return idle > 0 ? `, ${idle} of ${step} updates without anything to learn from` : '';
}
