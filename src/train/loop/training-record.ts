/** A stage's result as files and commands show it. */
import type { JsonValue } from '../../base/json.ts';
import type { StageResult } from './run-stage.ts';

/** Flat, with snake_case names; the stage's own figures are on the same level. */
export interface TrainingRecord {
  [key: string]: JsonValue;
  step: number;
  tokens: number;
  loss: number;
  val_loss: number | null;
  bits_per_byte: number | null;
  /** Number of trained parameters. */
  parameters: number;
  tokens_per_second: number;
  seconds: number;
  interrupted: boolean;
  /** Updates that had nothing to learn from. */
  idle_updates: number;
  out: string;
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
    idle_updates: result.idleUpdates,
    out: result.out,
  };
}
