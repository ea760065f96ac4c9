/** Runs a stage for a command: progress on stderr, and Ctrl-C as the wish to stop. */
import type { JsonValue } from '../base/json.ts';
import type { RunHooks, StageResult } from '../train/loop/run-stage.ts';
import type { CommandContext } from './command.ts';

/** A stage's result as a command prints it: flat, with snake_case names. */
export interface TrainingRecord {
  [key: string]: JsonValue;
  step: number;
  tokens: number;
  loss: number;
  val_loss: number | null;
  bits_per_byte: number | null;
  /** Trained numbers. */
  parameters: number;
  tokens_per_second: number;
  seconds: number;
  interrupted: boolean;
  out: string;
}

/** The first signal finishes the step and saves; a second one ends the process. */
export async function runTraining(
  stage: (hooks: RunHooks) => Promise<StageResult>,
  { spell }: Pick<CommandContext, 'spell'>,
): Promise<TrainingRecord> {
  const { Interrupt } = await import('./interrupt.ts');
  const { terminalProgress } = await import('../train/loop/terminal-progress.ts');
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

export function trainingRecord(result: StageResult): TrainingRecord {
  return {
    val_loss: null,
    bits_per_byte: null,
    step: result.step,
    tokens: result.tokens,
    loss: result.loss,
    ...result.metrics,
    ...result.evaluation,
    parameters: result.parameters,
    tokens_per_second: result.tokensPerSecond,
    seconds: result.seconds,
    interrupted: result.interrupted,
    out: result.out,
  };
}
