/**
 * What a stage reports, beyond what its Trainer does: its beginning, its end, and what happened
 * before the first step.
 */
import type { TrainEvent } from './events.ts';

/** A metric of the stage for the status line. */
export type MetricField = readonly [metric: string, label: string, digits: number];

export type RunEvent =
  | TrainEvent
  /** Text is being turned into token shards before the run. */
  | { type: 'preparing'; phase: string; documents: number; bytes: number }
  /** The data is read and the model is loaded; steps follow. */
  | {
      type: 'start';
      /** Name of the stage. */
      stage: string;
      /** What is trained on what, for people. */
      title: string;
      /** Metrics that deserve a place on a status line. */
      fields: readonly MetricField[];
    }
  /** A warning that belongs to no step. */
  | { type: 'warning'; text: string; step?: number }
  /** No further event follows. */
  | { type: 'end' };
