import type { RunContext } from '../comm/run-context.ts';
import type { RowOptions } from '../data/rows/rows.ts';

/** What every evaluation of model folders takes. Its console hears of rows that were left out. */
export interface EvaluationOptions
  extends Pick<RunContext, 'dtype' | 'console'>,
    Required<Pick<RowOptions, 'onBadLine'>> {}

/** How a model answers while it is evaluated. */
export interface AnsweringOptions extends EvaluationOptions {
  /** New tokens per answer at most. */
  maxTokens: number;
  /** 0 takes the likeliest token. */
  temperature: number;
  /** Answers decoded at once. */
  batchSize: number;
  seed: number;
}

/** Figures of an evaluation, under the names that the metrics log gives its own. */
export type Metrics = Record<string, number>;
