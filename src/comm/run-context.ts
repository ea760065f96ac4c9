/**
 * The surroundings of a run: its ranks, device and precision, where results go, and when to stop. A
 * context is made once per run and handed to the stage, the loaders, the checkpoint store, the
 * metrics log and the console.
 */
import { native } from '../native/addon.ts';
import type { DType } from '../native/binding.ts';
import type { Communicator } from './communicator.ts';
import { selfCommunicator } from './self-communicator.ts';

/** Receives the messages of a run that are not metrics. */
export interface RunConsole {
  /** A fact, such as how many rows were left out. */
  note(text: string): void;
  /** A problem that the user may want to act on. */
  warn(text: string): void;
}

/** The surroundings of one run; createRunContext makes it. */
export interface RunContext {
  /** The ranks that train together. */
  readonly communicator: Communicator;
  /** The device that computes. */
  readonly device: 'cpu' | 'cuda';
  /** Dtype of activations. */
  readonly dtype: DType;
  /** All randomness of the run follows from it. */
  readonly seed: number;
  /** The folder of the run, or undefined when nothing is written. */
  readonly out: string | undefined;
  /** When it aborts, the run finishes its step, saves and ends. */
  readonly signal: AbortSignal;
  /** Where notes and warnings of the run go. */
  readonly console: RunConsole;
}

/**
 * Makes a context from the given values. The defaults are one rank, the current device, f32, seed
 * 0, no folder, a signal that never aborts and a console that discards all messages.
 */
export function createRunContext(given: Partial<RunContext> = {}): RunContext {
  return {
    communicator: given.communicator ?? selfCommunicator,
    device: given.device ?? native.device(),
    dtype: given.dtype ?? 'f32',
    seed: given.seed ?? 0,
    out: given.out,
    signal: given.signal ?? new AbortController().signal,
    console: given.console ?? { note: () => {}, warn: () => {} },
  };
}

/**
 * Whether this process writes the files that belong to all ranks: the model, the metrics log
 * and the report.
 */
export function isMainRank({ communicator }: Pick<RunContext, 'communicator'>): boolean {
  return communicator.rank === 0;
}
