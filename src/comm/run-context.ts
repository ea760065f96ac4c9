/**
 * What every part of a run asks for instead of keeping its own: who the other ranks are, where and
 * in what precision to compute, where results go, and when to stop. It is made once per run and
 * handed to stages, loaders, the checkpoint store, the metrics log and the console.
 */
import { native } from '../native/addon.ts';
import type { DType } from '../native/binding.ts';
import { type Communicator, selfCommunicator } from './communicator.ts';

/** Where a run tells its user something that is no figure. */
export interface RunConsole {
  /** A fact, such as how many rows were left out. */
  note(text: string): void;
  /** Something that the user may want to act on. */
  warn(text: string): void;
}

export interface RunContext {
  readonly communicator: Communicator;
  readonly device: 'cpu' | 'cuda';
  /** Of activations. */
  readonly dtype: DType;
  readonly seed: number;
  /** The run's folder; without one nothing is written. */
  readonly out: string | undefined;
  /** Once aborted, the run finishes its step, saves and ends. */
  readonly signal: AbortSignal;
  readonly console: RunConsole;
}

/**
 * A context of what is given. The rest: one rank, the device in use, f32, seed 0, no folder, a
 * signal that never aborts and a console that drops everything.
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

/** Whether this process writes what all ranks share: the model, the metrics log, the report. */
export function isMainRank({ communicator }: Pick<RunContext, 'communicator'>): boolean {
  return communicator.rank === 0;
}
