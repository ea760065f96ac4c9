/**
 * `run.json`: the stage and the settings of a run. A resumed run takes these settings, with the
 * changes that resume-settings.ts allows.
 */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import { ifThere, readJsonObject } from '../../base/files/read-file.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import type { JsonObject } from '../../base/json.ts';
import { INPUTS_NAME } from './run-inputs.ts';

const NAME = 'run.json';
/** Raised when a setting is renamed or its meaning changes. Files without a version are older. */
const VERSION = 2;

export interface RunFile {
  /** pretrain, sft, ... */
  stage: string;
  settings: JsonObject;
  /** The values of settings that were not given and depend on the model. Older runs have none. */
  derived?: JsonObject;
  /** Absolute paths of the folders in which relative paths of the settings are looked for. */
  began?: RunPlace;
  /** What resumed runs changed, oldest first. */
  changes?: RunChange[];
}

export type RunPlace = {
  /** The working folder in which the run began. */
  cwd: string;
  /** The run's own folder, at its beginning. */
  out: string;
};

export type RunChange = {
  /** The step after which the change counts. */
  step: number;
  /** The old and the new value of each changed setting. */
  settings: JsonObject;
};

interface SavedRun extends RunFile {
  version: number;
}

/**
 * Throws ERR_FILE_MISSING when the folder holds no run, ERR_MISMATCH when the run is of another
 * stage or of another version of Athanor, and ERR_FILE_DAMAGED.
 */
export function readRun(out: string, stage: string): RunFile {
  const path = join(out, NAME);
  const run = ifThere(() => readJsonObject(path, { fail: damaged(path) })) as Partial<SavedRun> | undefined;
  if (run === undefined) {
    throw new AthanorError('ERR_FILE_MISSING', `${out} holds no run to resume`, 'start it without `resume`');
  }
  if (typeof run.settings !== 'object' || run.settings === null) {
    throw damaged(path)('it has no settings');
  }
  const { derived } = run;
  if (derived !== undefined && (typeof derived !== 'object' || derived === null)) {
    throw damaged(path)('its derived settings are no settings');
  }
  if (!isPlaceOrNone(run.began)) throw damaged(path)('the folders in which it began are no paths');
  if (!areChangesOrNone(run.changes)) throw damaged(path)('its changes are not those of resumed runs');
  if (run.stage !== stage) {
    throw new AthanorError(
      'ERR_MISMATCH',
      `${out} holds a ${run.stage} run, not ${stage}`,
      `use athanor ${run.stage}`,
    );
  }
  if (run.version !== VERSION) {
    throw new AthanorError(
      'ERR_MISMATCH',
      `${path} has the settings of another version of Athanor`,
      'resume it with that version, or start a new run in another `out`',
    );
  }
  return run as RunFile;
}

function isPlaceOrNone(began: Partial<RunPlace> | null | undefined): boolean {
  return began === undefined || (typeof began?.cwd === 'string' && typeof began.out === 'string');
}

function areChangesOrNone(changes: unknown): boolean {
  if (changes === undefined) return true;
  if (!Array.isArray(changes)) return false;
  return (changes as (Partial<RunChange> | null)[]).every((change) => {
    const settings: unknown = change?.settings;
    if (!Number.isSafeInteger(change?.step) || typeof settings !== 'object' || settings === null)
      return false;
    return Object.values(settings).every((values) => Array.isArray(values) && values.length === 2);
  });
}

function damaged(path: string): (problem: string) => AthanorError {
  return (problem) =>
    new AthanorError('ERR_FILE_DAMAGED', `${path}: ${problem}`, 'start a new run in another `out`');
}

/** The precision of the run in a folder. Undefined when it cannot be read; readRun explains why. */
export function savedDtype(out: string): 'f32' | 'bf16' | undefined {
  try {
    const run = readJsonObject(join(out, NAME)) as Partial<RunFile>;
    const dtype = run.settings?.dtype;
    return dtype === 'f32' || dtype === 'bf16' ? dtype : undefined;
  } catch {
    return undefined;
  }
}

/** Throws ERR_ARGUMENT when the folder holds a run already. */
export function requireNoRun(out: string): void {
  if (existsSync(join(out, NAME))) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `${out} already holds a run`,
      'continue it with `resume`, or name another `out`',
    );
  }
}

/** Begins a run in a folder. Throws ERR_ARGUMENT when the folder holds a run already. */
export function writeRun(out: string, run: RunFile): void {
  requireNoRun(out);
  updateRun(out, run);
}

/** Replaces the record of the run in a folder. */
export function updateRun(out: string, run: RunFile): void {
  replaceFile(join(out, NAME), `${JSON.stringify({ ...run, version: VERSION }, undefined, 2)}\n`);
}

/** Removes the files of a run from a folder, except those that are named in `kept`. */
export function forgetRun(out: string, kept: readonly string[]): void {
  for (const name of [NAME, INPUTS_NAME, 'tokenizer', 'checkpoints', 'metrics.jsonl', 'report.html']) {
    if (!kept.includes(name)) rmSync(join(out, name), { recursive: true, force: true });
  }
}
