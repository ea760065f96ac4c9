/** The events of a running training loop. Only the main rank reports them. */
import type { Sample } from './stage.ts';

/** The figures of one step. */
export interface StepMetrics {
  /** Number of updates done, including this one. */
  step: number;
  /** Undefined while a budget of seconds is still being turned into steps. */
  totalSteps: number | undefined;
  /** Tokens that all ranks have fed through the model since the run began. */
  tokens: number;
  /** Mean over the tokens or comparisons of the step. */
  loss: number;
  lr: number;
  /** Gradient norm of the first group of parameters, before clipping. */
  gradNorm: number;
  tokensPerSecond: number;
  /** 0 when the stage gives no flopsPerToken. */
  flopsPerSecond: number;
  /** The stage's own metrics. */
  metrics: Record<string, number>;
}

/** What the Trainer reports to its listener. */
export type TrainEvent =
  | ({ type: 'step' } & StepMetrics)
  | { type: 'evaluation'; step: number; metrics: Record<string, number> }
  | { type: 'samples'; step: number; samples: readonly Sample[] }
  /** Something that the user may want to act on, such as a skipped update. */
  | { type: 'warning'; step: number; text: string }
  /** A checkpoint that is safely on disk. */
  | { type: 'checkpoint'; step: number; folder: string }
  /** A fact, such as the step at which a run was resumed. */
  | { type: 'note'; text: string };
