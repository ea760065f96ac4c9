import type { DType } from '../native/binding.ts';

/** What every measurement takes. */
export interface EvaluationOptions {
  dtype: DType;
  onBadLine: 'skip' | 'fail';
}

/** How a model answers while it is measured. */
export interface AnsweringOptions extends EvaluationOptions {
  /** New tokens of an answer at most. */
  maxTokens: number;
  /** 0 takes the likeliest token. */
  temperature: number;
  batchSize: number;
  seed: number;
}
