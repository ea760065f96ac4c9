/**
 * Training checkpoints under `OUT/checkpoints`. A checkpoint is a folder `step-00000100`: a Hugging Face model (it opens
 * in transformers as it is), `training.safetensors` (optimizer moments and the like), `state.json` and `checksums.json`.
 * It is built under a temporary name and renamed when all of it is on disk, so a folder with the right name is whole;
 * which is the latest follows from the names, so no pointer file can be torn.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { AthanorError, fileError } from '../native/errors.ts';
import type { JsonValue } from '../native/json.ts';
import { hashFile, isStale, syncPath, temporarySuffix, type WrittenFile, writeText } from './durable.ts';
import { SafetensorsFile, writeSafetensors } from './safetensors.ts';
import type { TensorSource } from './tensor-data.ts';

export interface CheckpointContents {
  /** Writes the model into the given folder, usually `(folder) => saveModel(folder, { … })`. */
  writeModel: (folder: string) => Promise<readonly WrittenFile[]>;
  /** Optimizer moments and whatever else is too large for JSON. */
  tensors: Iterable<readonly [string, TensorSource]>;
  /** Everything else that the run needs to go on: counters, cursor, seeds, settings. */
  state: JsonValue;
  /** What the best checkpoints are kept by, usually the validation loss: lower is better. */
  metric?: number;
}

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

  constructor(problem: AthanorError, offered: string | undefined) {
    const remedy =
      offered === undefined
        ? 'no other checkpoint is intact; start the run again'
        : `the last good one is ${offered}; go on from it`;
    super('ERR_FILE_DAMAGED', problem.message, remedy, { cause: problem });
    this.offered = offered;
  }
}

export interface StoreOptions {
  /** How many of the latest checkpoints stay; at least 1. */
  keepLast?: number;
  /** How many of the best by metric stay besides. */
  keepBest?: number;
}

interface Checksums {
  version: 1;
  files: Record<string, { bytes: number; sha256: string }>;
}

/** state.json: checksummed like every other file, so that a damaged metric cannot pass for the best. */
interface StateFile {
  step: number;
  metric: number | null;
  state: JsonValue;
}

const tensorsName = 'training.safetensors';
const stateName = 'state.json';
const checksumsName = 'checksums.json';
const metricName = 'metric.json';

/** What this process is writing now, which no other store in it may clean up. */
const inProgress = new Set<string>();

export class CheckpointStore {
  /** `OUT/checkpoints`. */
  readonly folder: string;
  readonly #keepLast: number;
  readonly #keepBest: number;

  #recovered = false;

  /** Touches nothing on disk: only save and load do, which are for the one run that owns the folder. */
  constructor(out: string, { keepLast = 2, keepBest = 1 }: StoreOptions = {}) {
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
  }

  /** The checkpoints, oldest first. */
  list(): SavedCheckpoint[] {
    const steps = entriesOf(this.folder).flatMap((name) => {
      const match = /^step-(\d{8,})$/.exec(name);
      return match ? [Number(match[1])] : [];
    });
    return steps
      .sort((a, b) => a - b)
      .map((step) => ({ step, path: this.#pathOf(step), metric: readMetric(this.#pathOf(step)) }));
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
   * Writes a checkpoint; when the promise is fulfilled it survives a loss of power. One of the same step is replaced.
   * Then removes those that are neither among the last nor the best. Throws ERR_DISK_FULL or ERR_IO, after which
   * every earlier checkpoint is as it was.
   */
  async save(step: number, contents: CheckpointContents): Promise<SavedCheckpoint> {
    if (!Number.isSafeInteger(step) || step < 0) {
      throw new AthanorError('ERR_ARGUMENT', `the step of a checkpoint is ${step}, not a whole number`);
    }
    this.#recover();
    const path = this.#pathOf(step);
    const temporary = `${path}${temporarySuffix()}`;
    const metric = Number.isFinite(contents.metric) ? contents.metric : undefined;
    inProgress.add(temporary);
    try {
      mkdirSync(temporary, { recursive: true });
      await this.#write(temporary, step, metric, contents);
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
   * Tells what a saved checkpoint's evaluation gave: checkpoints are saved before they are evaluated. Kept in a file of
   * its own, renamed into place, since the rest is checksummed.
   */
  async setMetric(step: number, metric: number): Promise<void> {
    const path = join(this.#pathOf(step), metricName);
    const temporary = `${path}${temporarySuffix()}`;
    await writeText(temporary, `${JSON.stringify({ metric })}\n`);
    renameSync(temporary, path);
  }

  async #write(
    folder: string,
    step: number,
    metric: number | undefined,
    contents: CheckpointContents,
  ): Promise<void> {
    const written = new Map<string, WrittenFile>();
    for (const file of await contents.writeModel(folder)) written.set(file.name, file);
    for (const file of [
      await writeSafetensors(join(folder, tensorsName), contents.tensors),
      await writeText(
        join(folder, stateName),
        formatState({ step, metric: metric ?? null, state: contents.state }),
      ),
    ]) {
      written.set(file.name, file);
    }
    // What writeModel put there without telling.
    for (const name of readdirSync(folder)) {
      if (written.has(name)) continue;
      syncPath(join(folder, name));
      written.set(name, hashFile(join(folder, name)));
    }
    const files = Object.fromEntries(
      [...written].sort().map(([name, { bytes, sha256 }]) => [name, { bytes, sha256 }]),
    );
    const checksums: Checksums = { version: 1, files };
    await writeText(join(folder, checksumsName), `${JSON.stringify(checksums, undefined, 2)}\n`);
    syncPath(folder);
  }

  #putInPlace(temporary: string, path: string): void {
    const replaced = `${path}.old-${process.pid}`;
    const replaces = existsSync(path);
    // A folder cannot be renamed over a full one. Killed in between, #recover puts the old one back.
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
      // Renamed first: a folder half removed must not look like a checkpoint.
      const removed = `${path}${temporarySuffix()}`;
      renameSync(path, removed);
      rmSync(removed, { recursive: true, force: true });
    }
  }

  /** Cleans up after a killed run: what it left half-written is removed, what it was replacing is put back. */
  #recover(): void {
    if (this.#recovered) return;
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
   * Verifies and opens a checkpoint: the latest, or the one at `path`. A damaged one throws DamagedCheckpointError,
   * which names the file and offers the newest good one before it; with `fallback` that one is loaded instead.
   * Throws ERR_FILE_MISSING where there is no checkpoint.
   */
  load({ path, fallback = false }: { path?: string; fallback?: boolean } = {}): LoadedCheckpoint {
    this.#recover();
    const all = this.list();
    const index =
      path === undefined
        ? all.length - 1
        : all.findIndex((c) => c.path === resolve(path) || basename(c.path) === path);
    const wanted = all[index];
    if (wanted === undefined) {
      throw new AthanorError(
        'ERR_FILE_MISSING',
        path === undefined ? `${this.folder} has no checkpoint` : `there is no checkpoint ${path}`,
        'start without --resume, or name another folder',
      );
    }
    const skipped: AthanorError[] = [];
    for (const checkpoint of all.slice(0, index + 1).reverse()) {
      try {
        verifyCheckpoint(checkpoint.path);
        if (skipped.length > 0 && !fallback) throw new DamagedCheckpointError(skipped[0]!, checkpoint.path);
        return open(checkpoint, skipped);
      } catch (error) {
        if (!(error instanceof AthanorError) || error instanceof DamagedCheckpointError) throw error;
        skipped.push(error);
      }
    }
    throw new DamagedCheckpointError(skipped[0]!, undefined);
  }

  #pathOf(step: number): string {
    return join(this.folder, `step-${String(step).padStart(8, '0')}`);
  }
}

function open(checkpoint: SavedCheckpoint, skipped: readonly AthanorError[]): LoadedCheckpoint {
  const { state } = readState(checkpoint.path);
  const tensors = SafetensorsFile.open(join(checkpoint.path, tensorsName));
  const close = () => tensors.close();
  return { ...checkpoint, state, tensors, skipped, close, [Symbol.dispose]: close };
}

/** Compares every file of a checkpoint with its checksum. Throws ERR_FILE_DAMAGED naming the first that differs. */
export function verifyCheckpoint(path: string): void {
  const { files } = readChecksums(path);
  for (const name of [stateName, tensorsName]) {
    if (!Object.hasOwn(files, name)) throw damagedFile(join(path, checksumsName), `it does not list ${name}`);
  }
  for (const [name, { bytes, sha256 }] of Object.entries(files)) {
    const file = join(path, name);
    if (!existsSync(file)) throw damagedFile(file, 'it is missing');
    const found = hashFile(file);
    if (found.bytes !== bytes)
      throw damagedFile(file, `it has ${found.bytes} bytes, but ${bytes} were written`);
    if (found.sha256 !== sha256) throw damagedFile(file, 'its SHA-256 is not that of what was written');
  }
}

function readChecksums(path: string): Checksums {
  const file = join(path, checksumsName);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw damagedFile(file, 'it is not JSON');
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw damagedFile(file, 'it is missing');
    throw fileError(error, file);
  }
  const { version, files } = (value ?? {}) as Partial<Checksums>;
  if (version !== 1) throw damagedFile(file, `its version is ${JSON.stringify(version)}, not 1`);
  if (typeof files !== 'object' || files === null || !Object.entries(files).every(isChecksum)) {
    throw damagedFile(file, 'its list of files is damaged');
  }
  return value as Checksums;
}

function isChecksum([name, value]: [string, unknown]): boolean {
  const { bytes, sha256 } = (value ?? {}) as { bytes?: unknown; sha256?: unknown };
  return name === basename(name) && typeof bytes === 'number' && typeof sha256 === 'string';
}

function damagedFile(path: string, problem: string): AthanorError {
  return new AthanorError('ERR_FILE_DAMAGED', `the checkpoint file ${path} is damaged: ${problem}`);
}

/** JSON has no NaN or infinity and would write null for them: a run must not resume from that. */
function formatState(file: StateFile): string {
  const text = JSON.stringify(file, (key, value: unknown) => {
    if (typeof value === 'number' && !Number.isFinite(value)) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        `the state to save has ${key} = ${value}, which JSON cannot hold`,
      );
    }
    return value;
  });
  return `${text}\n`;
}

/** Reads a state.json that was verified. */
function readState(path: string): StateFile {
  return JSON.parse(readFileSync(join(path, stateName), 'utf8')) as StateFile;
}

/** The metric of a checkpoint; undefined where it has none or cannot be read, which load() reports. */
function readMetric(path: string): number | undefined {
  try {
    const evaluated = join(path, metricName);
    if (existsSync(evaluated))
      return (JSON.parse(readFileSync(evaluated, 'utf8')) as { metric: number }).metric;
    const { sha256 } = hashFile(join(path, stateName));
    if (readChecksums(path).files[stateName]?.sha256 !== sha256) return undefined;
    return readState(path).metric ?? undefined;
  } catch {
    return undefined;
  }
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
