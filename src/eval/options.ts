import type { RunContext } from '../comm/run-context.ts';
import type { RowOptions } from '../data/rows/rows.ts';

/** Options of every evaluation of model folders. The console reports rows that were left out. */
export interface EvaluationOptions
  extends Pick<RunContext, 'dtype' | 'console'>,
    Required<Pick<RowOptions, 'onBadLine'>> {}

/** Options for evaluations in which a model answers. */
export interface AnsweringOptions extends EvaluationOptions {
  /** Largest number of new tokens per answer. */
  maxTokens: number;
  /** 0 always takes the likeliest token. */
  temperature: number;
  /** Answers to decode at the same time. */
  batchSize: number;
  seed: number;
}

/** Figures of an evaluation, named as in the metrics log. */
export type Metrics = Record<string, number>;
