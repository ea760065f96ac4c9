/** What the thread of the classifiers and its host say to each other. */
import type { ErrorCode } from '../base/errors.ts';
import type { Device, Precision } from '../native/engine.ts';
import type { Classified } from '../scoring/classifier.ts';

/** What the thread is started with. */
export interface ClassifierThreadSettings {
  folders: readonly string[];
  device: Device;
  dtype: Precision;
  threads: number | undefined;
}

/** A text for one of the classifiers. */
export interface ClassifierQuestion {
  /** Index of the folder. */
  classifier: number;
  input: Classified;
  /** Whether the same is asked again when the input is longer. Default false. */
  grows?: boolean;
}

export interface ClassifierRequest {
  id: number;
  questions: readonly ClassifierQuestion[];
}

/** The thread forgets a request that is cancelled, and does not answer it. */
export type ToClassifiers = ClassifierRequest | { cancel: number };

interface SentError {
  code: ErrorCode;
  message: string;
  remedy: string | undefined;
}

export type FromClassifiers =
  | { type: 'ready' }
  | { type: 'unusable'; error: SentError }
  | { type: 'scored'; id: number; probabilities: number[] }
  | { type: 'refused'; id: number; error: SentError };
