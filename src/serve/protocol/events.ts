/** What a server reports while it runs. No event holds a prompt, an answer or a key. */
import type { QuantizationCost } from '../../eval/quantization-cost.ts';

import type { SafetyEvent } from '../../feedback/records.ts';

/** An answer that is complete, or that failed. */
export interface RequestEvent {
  type: 'request';
  /** The id that the answer carries. */
  id: string;
  /** Name of the key; undefined without keys. */
  client: string | undefined;
  method: string;
  /** The route's path, or `unknown`. It is never the path as it was sent. */
  route: string;
  /** Of HTTP; 499 when the client was gone before the end. */
  status: number;
  /** Code of the error, if there was one. */
  error: string | undefined;
  seconds: number;
  /** From the request to its first token; undefined where there was none. */
  firstTokenSeconds: number | undefined;
  promptTokens: number;
  completionTokens: number;
}

/** A change of the engine thread. */
export interface EngineEvent {
  type: 'engine';
  /** `crashed` and `stalled`: requests in flight were lost, and a new thread is started. */
  state: 'ready' | 'crashed' | 'stalled';
  /** The reason of a crash. */
  reason?: string;
}

/** What int8 weights cost, measured at the start. */
export interface QuantizationEvent extends QuantizationCost {
  type: 'quantization';
}

/**
 * A job that is given up, because its client is gone or its answer is cut: it left its slot after
 * this many tokens.
 */
export interface CancelledEvent {
  type: 'cancelled';
  tokens: number;
}

/** A reload: another model answers from now on, or the new one cannot be loaded. */
export interface ModelEvent {
  type: 'model';
  state: 'loaded' | 'refused';
  /** SHA-256 of the model that answers now. */
  hash: string;
  /** That of the model from before, when another one was loaded. */
  previous?: string;
  /** Why the new model was refused. */
  reason?: string;
}

/** What happened to the feedback store. */
export interface FeedbackEvent {
  type: 'feedback';
  /**
   * `lost`: answers, safety events or feedback could not be stored; whoever sent feedback was told.
   * `pruned`: records older than `feedbackDays` were deleted. `crashed`: its thread ended, and is
   * started again.
   */
  state: 'lost' | 'pruned' | 'crashed';
  /** Number of records that were lost or deleted. */
  records: number;
  reason?: string;
}

/** What the checks of the safety policy found in an exchange; see SafetyEvent of the feedback. */
export interface SafetyNotice
  extends Pick<
    SafetyEvent,
    'id' | 'answer' | 'client' | 'promptHarmful' | 'responseRefused' | 'responseHarmful' | 'checks'
  > {
  type: 'safety';
}

export type ServeEvent =
  | { type: 'listening'; url: string }
  | RequestEvent
  | EngineEvent
  | QuantizationEvent
  | CancelledEvent
  | ModelEvent
  | FeedbackEvent
  | SafetyNotice
  /** New requests are refused; those in flight go on for a while. */
  | { type: 'draining' };
