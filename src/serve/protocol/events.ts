/** What a server reports while it runs. No event holds a prompt, an answer or a key. */
import type { QuantizationCost } from '../../eval/quantization-cost.ts';

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

/** A job that its client gave up: it left its slot after this many tokens. */
export interface CancelledEvent {
  type: 'cancelled';
  tokens: number;
}

export type ServeEvent =
  | { type: 'listening'; url: string }
  | RequestEvent
  | EngineEvent
  | QuantizationEvent
  | CancelledEvent
  /** New requests are refused; those in flight go on for a while. */
  | { type: 'draining' };
