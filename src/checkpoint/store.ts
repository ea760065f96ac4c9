/**
 * Training checkpoints under `OUT/checkpoints`. A checkpoint is a folder `step-00000100`: a Hugging
 * Face model (it opens in transformers as it is), `training.safetensors` (optimizer moments and the
 * like), `state.json` and `checksums.json`. It is built under a temporary name and renamed when all
 * of it is on disk, so a folder with the right name is whole. The names say which is the latest, so
 * there is no pointer file that could be torn.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { AthanorError, fileError } from '../base/errors.ts';
import { syncPath } from '../base/files/hashed-file.ts';
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
  /** As given to save; undefined where there was none. */
  readonly metric: number | undefined;
}

/** A verified checkpoint. `tensors` is open: close() when the state is restored. */
export interface LoadedCheckpoint extends SavedCheckpoint, Disposable {
  readonly state: JsonValue;
  readonly tensors: SafetensorsFile;
  /** Newer checkpoints that were passed over because they are damaged, and why. */
  readonly skipped: readonly AthanorError[];
  close(): void;
}

/** A damaged checkpoint, and the newest good one older than it, if any. */
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
  /** How many of the latest checkpoints stay; at least 1. */
  keepLast?: number;
  /** How many of the best by metric stay in addition. */
  keepBest?: number;
  /** For ranks that only read: load() repairs nothing, and save() throws ERR_STATE. Default false. */
  readOnly?: boolean;
}

/** The folders that this process is writing now: no other store in it may clean them up. */
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
   * Touches nothing on disk: save and load do, and only the run that owns the folder calls them.
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

  /** The newest checkpoint, undefined where there is none. */
  latest(): SavedCheckpoint | undefined {
    return this.list().at(-1);
  }

  /** The checkpoint with the lowest metric, the newest of equals. */
  best(): SavedCheckpoint | undefined {
    return byMetric(this.list())[0];
  }

  /**
   * Writes a checkpoint, which survives a loss of power once the promise is fulfilled. It replaces
   * one of the same step. Then removes the checkpoints that are neither among the latest nor among
   * the best. Throws ERR_DISK_FULL or ERR_IO; earlier checkpoints are unchanged then.
   */
  async save(step: number, contents: CheckpointContents): Promise<SavedCheckpoint> {
    if (!Number.isSafeInteger(step) || step < 0) {
      throw new AthanorError('ERR_ARGUMENT', `the step of a checkpoint is ${step}, not a whole number`);
    }
    if (this.#readOnly) throw new AthanorError('ERR_STATE', `${this.folder} is opened to read only`);
    this.#recover();
    const path = this.#pathOf(step);
    const temporary = `${path}${temporarySuffix()}`;
    const metric = Number.isFinite(contents.metric) ? contents.metric : undefined;
    inProgress.add(temporary);
    try {
      mkdirSync(temporary, { recursive: true });
      await writeCheckpoint(temporary, contents);
      if (metric !== undefined) await writeMetric(temporary, step, metric);
      syncPath(temporary);
      this.#putInPlace(temporary, path);
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      throw fileError(error, path, 'write');
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
   * Adds the metric of a saved checkpoint: it is evaluated after it is saved. A metric that is not
   * finite counts as none.
   */
  async setMetric(step: number, metric: number): Promise<void> {
    const path = this.#pathOf(step);
    if (!existsSync(path)) throw new AthanorError('ERR_ARGUMENT', `there is no checkpoint ${path}`);
    if (Number.isFinite(metric)) await writeMetric(path, step, metric);
  }

  #putInPlace(temporary: string, path: string): void {
    const replaced = `${path}.old-${process.pid}`;
    const replaces = existsSync(path);
    // A folder cannot be renamed over a full one. After a kill in between #recover restores the
    // old.
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
      // Renamed first, for a folder that is half removed must not look like a checkpoint.
      const removed = `${path}${temporarySuffix()}`;
      renameSync(path, removed);
      rmSync(removed, { recursive: true, force: true });
    }
  }

  /** Cleans up after a killed run: removes half-written folders, restores one being replaced. */
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
   * Verifies and opens the checkpoint to continue from: the latest, or the one at `path`. A damaged
   * one throws DamagedCheckpointError, which names the file and offers the newest good one before
   * it; with `fallback` that one is opened instead. Checkpoints newer than the one opened are set
   * aside as `step-….aside`, so that it is the latest. Throws ERR_FILE_MISSING where there is no
   * checkpoint.
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
