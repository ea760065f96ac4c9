/**
 * Training checkpoints under `OUT/checkpoints`. A checkpoint is a folder `step-00000100`: a Hugging
 * Face model (transformers can open it), `training.safetensors` (optimizer moments and similar
 * state), `state.json` and `checksums.json`. It is built under a temporary name and renamed when
 * all of it is on disk, so a folder with the right name is complete. The names show the latest
 * checkpoint, so there is no pointer file that could be torn.
 */
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { AthanorError, fileError } from '../base/errors.ts';
import { syncPath } from '../base/files/hashed-file.ts';
import { makeFolders } from '../base/files/make-folders.ts';
import { isStale, temporarySuffix } from '../base/files/temporary-files.ts';
import type { JsonValue } from '../base/json.ts';
import {
  type CheckpointContents,
  openTensors,
  readMetric,
  readState,
  verifyCheckpoint,
  writeCheckpoint,
  writeMetric,
} from './checkpoint-folder.ts';
import type { SafetensorsFile } from './safetensors.ts';

/** A checkpoint on disk. */
export interface SavedCheckpoint {
  readonly step: number;
  readonly path: string;
  /** The metric given to save or setMetric; undefined if there was none. */
  readonly metric: number | undefined;
}

/** A verified checkpoint. `tensors` is open: call close() when the state is restored. */
export interface LoadedCheckpoint extends SavedCheckpoint, Disposable {
  readonly state: JsonValue;
  readonly tensors: SafetensorsFile;
  /** Newer checkpoints that were skipped because they are damaged, with the reason. */
  readonly skipped: readonly AthanorError[];
  close(): void;
}

/** A damaged checkpoint, and the newest good one before it, if any. */
export class DamagedCheckpointError extends AthanorError {
  readonly offered: string | undefined;

  constructor(problem: AthanorError, damaged: string, offered: string | undefined) {
    const remedy =
      offered === undefined
        ? 'no other checkpoint is intact; start the run again'
        : `the last good one is ${offered}: remove ${damaged} and run again with \`resume\` to continue from it`;
    super('ERR_FILE_DAMAGED', problem.message, remedy, { cause: problem });
    this.offered = offered;
  }
}

/** Which checkpoints are kept. */
export interface StoreOptions {
  /** Number of newest checkpoints to keep; at least 1. */
  keepLast?: number;
  /** Number of best checkpoints, by metric, to keep in addition. */
  keepBest?: number;
  /**
   * For ranks that only read: load() repairs nothing, and save() throws ERR_STATE. Default false.
   */
  readOnly?: boolean;
}

/** A full disk does not end a run for good. */
function withResume(error: AthanorError): AthanorError {
  if (error.code !== 'ERR_DISK_FULL') return error;
  const remedy = 'free some space and continue with `resume`; earlier checkpoints are intact';
  return new AthanorError(error.code, error.message, remedy, { cause: error.cause });
}

/** Folders that this process is writing now. Other stores in the process must not clean them up. */
const inProgress = new Set<string>();

/** The checkpoints of one run, in `OUT/checkpoints`. */
export class CheckpointStore {
  /** `OUT/checkpoints`. */
  readonly folder: string;
  readonly #keepLast: number;
  readonly #keepBest: number;
  readonly #readOnly: boolean;

  #recovered = false;

  /**
   * Does not touch the disk. Only save and load do, and only the run that owns the
   * folder calls them.
   */
  constructor(out: string, { keepLast = 2, keepBest = 1, readOnly = false }: StoreOptions = {}) {
    for (const [name, count, least] of [
      ['keepLast', keepLast, 1],
      ['keepBest', keepBest, 0],
    ] as const) {
      if (!Number.isInteger(count) || count < least) {
        throw new AthanorError('ERR_ARGUMENT', `${name} is ${count}, not a whole number from ${least}`);
      }
    }
    this.folder = resolve(out, 'checkpoints');
    this.#keepLast = keepLast;
    this.#keepBest = keepBest;
    this.#readOnly = readOnly;
  }

  /** The checkpoints, oldest first. */
  list(): SavedCheckpoint[] {
    const steps = entriesOf(this.folder).flatMap((name) => {
      const match = /^step-(\d{8,})$/.exec(name);
      return match ? [Number(match[1])] : [];
    });
    return steps
      .sort((a, b) => a - b)
      .map((step) => ({ step, path: this.#pathOf(step), metric: readMetric(this.#pathOf(step), step) }));
  }

  /** The newest checkpoint; undefined if there is none. */
  latest(): SavedCheckpoint | undefined {
    return this.list().at(-1);
  }

  /** The checkpoint with the lowest metric; of equal ones the newest. */
  best(): SavedCheckpoint | undefined {
    return byMetric(this.list())[0];
  }

  /**
   * Writes a checkpoint and replaces one of the same step. When the promise is fulfilled, the
   * checkpoint survives a loss of power. Then removes checkpoints that are neither among the newest
   * nor among the best. Throws ERR_DISK_FULL or ERR_IO; earlier checkpoints do not change then.
   */
  async save(step: number, contents: CheckpointContents): Promise<SavedCheckpoint> {
    if (!Number.isSafeInteger(step) || step < 0) {
      throw new AthanorError('ERR_ARGUMENT', `the step of a checkpoint is ${step}, not a whole number`);
    }
    if (this.#readOnly) throw new AthanorError('ERR_STATE', `${this.folder} is open for reading only`);
    this.#recover();
    const path = this.#pathOf(step);
    const temporary = `${path}${temporarySuffix()}`;
    const metric = Number.isFinite(contents.metric) ? contents.metric : undefined;
    inProgress.add(temporary);
    try {
      makeFolders(temporary);
      await writeCheckpoint(temporary, contents);
      if (metric !== undefined) await writeMetric(temporary, step, metric);
      syncPath(temporary);
      this.#putInPlace(temporary, path);
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      throw withResume(fileError(error, path, 'write'));
    } finally {
      inProgress.delete(temporary);
    }
    try {
      this.#prune(step);
    } catch (error) {
      throw fileError(error, this.folder, 'remove old checkpoints from');
    }
    return { step, path, metric };
  }

  /**
   * Adds the metric of a saved checkpoint, because a checkpoint is evaluated after it is saved. A
   * metric that is not finite counts as none.
   */
  async setMetric(step: number, metric: number): Promise<void> {
    const path = this.#pathOf(step);
    if (!existsSync(path)) throw new AthanorError('ERR_ARGUMENT', `there is no checkpoint ${path}`);
    if (Number.isFinite(metric)) await writeMetric(path, step, metric);
  }

  #putInPlace(temporary: string, path: string): void {
    const replaced = `${path}.old-${process.pid}`;
    const replaces = existsSync(path);
    // A folder cannot be renamed over a folder with files. After a kill between the two renames,
    // #recover restores the old folder.
    if (replaces) renameSync(path, replaced);
    renameSync(temporary, path);
    syncPath(this.folder);
    if (replaces) rmSync(replaced, { recursive: true, force: true });
  }

  #prune(current: number): void {
    const all = this.list();
    const kept = new Set([current]);
    for (const { step } of all.slice(-this.#keepLast)) kept.add(step);
    for (const { step } of byMetric(all).slice(0, this.#keepBest)) kept.add(step);
    for (const { step, path } of all) {
      if (kept.has(step)) continue;
      // Renamed first: a folder that is half removed must not look like a checkpoint.
      const removed = `${path}${temporarySuffix()}`;
      renameSync(path, removed);
      rmSync(removed, { recursive: true, force: true });
    }
  }

  /**
   * Cleans up after a killed run: removes incomplete folders, restores one that was being replaced.
   */
  #recover(): void {
    if (this.#recovered || this.#readOnly) return;
    this.#recovered = true;
    for (const name of entriesOf(this.folder)) {
      if (!/^step-\d+\.(tmp|old)-\d+$/.test(name) || !isStale(name)) continue;
      const path = join(this.folder, name);
      if (inProgress.has(path)) continue;
      const final = join(this.folder, name.slice(0, name.indexOf('.')));
      try {
        if (name.includes('.old-') && !existsSync(final)) renameSync(path, final);
        else rmSync(path, { recursive: true, force: true });
      } catch (error) {
        throw fileError(error, path, 'clean up');
      }
    }
  }

  /**
   * Verifies and opens the checkpoint to continue from: the newest one, or the one at `path`. For a
   * damaged one it throws DamagedCheckpointError, which names the file and the newest good
   * checkpoint before it; with `fallback` it opens that one instead. Newer checkpoints than the
   * opened one are renamed to `step-….aside`, so that the opened one is the newest. Throws
   * ERR_FILE_MISSING when there is no checkpoint.
   */
  load({ path, fallback = false }: { path?: string; fallback?: boolean } = {}): LoadedCheckpoint {
    this.#recover();
    const all = this.list();
    const index =
      path === undefined
        ? all.length - 1
        : all.findIndex((c) => c.path === resolve(path) || basename(c.path) === path);
    if (index < 0) {
      throw new AthanorError(
        'ERR_FILE_MISSING',
        path === undefined ? `${this.folder} has no checkpoint` : `there is no checkpoint ${path}`,
        'start without `resume`, or name another folder',
      );
    }
    const skipped: AthanorError[] = [];
    for (let i = index; i >= 0; i--) {
      const checkpoint = all[i]!;
      try {
        verifyCheckpoint(checkpoint.path);
      } catch (error) {
        if (!(error instanceof AthanorError)) throw error;
        skipped.push(error);
        continue;
      }
      if (skipped.length > 0 && !fallback) {
        throw new DamagedCheckpointError(skipped[0]!, all[index]!.path, checkpoint.path);
      }
      if (!this.#readOnly) for (const newer of all.slice(i + 1)) this.#setAside(newer.path);
      return open(checkpoint, skipped);
    }
    throw new DamagedCheckpointError(skipped[0]!, all[index]!.path, undefined);
  }

  #setAside(path: string): void {
    const aside = `${path}.aside`;
    try {
      rmSync(aside, { recursive: true, force: true });
      renameSync(path, aside);
      syncPath(this.folder);
    } catch (error) {
      throw fileError(error, path, 'set aside');
    }
  }

  #pathOf(step: number): string {
    return join(this.folder, `step-${String(step).padStart(8, '0')}`);
  }
}

function open(checkpoint: SavedCheckpoint, skipped: readonly AthanorError[]): LoadedCheckpoint {
  const state = readState(checkpoint.path);
  const tensors = openTensors(checkpoint.path);
  const close = () => tensors.close();
  return { ...checkpoint, state, tensors, skipped, close, [Symbol.dispose]: close };
}

function byMetric(checkpoints: readonly SavedCheckpoint[]): SavedCheckpoint[] {
  const measured = checkpoints.filter((checkpoint) => checkpoint.metric !== undefined);
  return measured.sort((a, b) => a.metric! - b.metric! || b.step - a.step);
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileError(error, folder);
  }
}
