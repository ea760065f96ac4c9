/**
 * The events of a stage that are not events of its Trainer: its beginning, its end, and events
 * before the first step.
 */
import type { TrainEvent } from './events.ts';

/** A metric of the stage for the status line. */
export type MetricField = readonly [metric: string, label: string, digits: number];

/** What a stage reports to its listener. */
export type RunEvent =
  | TrainEvent
  /** The stage turns text into token shards before the run. */
  | { type: 'preparing'; phase: string; documents: number; bytes: number }
  /** The data is read and the model is loaded. Steps follow. */
  | {
      type: 'start';
      /** Name of the stage. */
      stage: string;
      /** Model and data, as a text for people. */
      title: string;
      /** Metrics for the status line. */
      fields: readonly MetricField[];
    }
  /** A warning that belongs to no step. */
  | { type: 'warning'; text: string; step?: number }
  /** The last event of a run. */
  | { type: 'end' };
