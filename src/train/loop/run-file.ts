/**
 * `run.json`: the stage and the settings of a run. A resumed run takes these settings, with the
 * changes that resume-settings.ts allows.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError, fileError } from '../../base/errors.ts';
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
  /** Old and new values of settings. */
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
  let run: Partial<SavedRun>;
  try {
    run = JSON.parse(readFileSync(path, 'utf8')) as Partial<SavedRun>;
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new AthanorError('ERR_FILE_DAMAGED', `${path} is not JSON`, 'start a new run in another `out`');
    const known = fileError(error, path);
    if (known.code !== 'ERR_FILE_MISSING') throw known;
    throw new AthanorError('ERR_FILE_MISSING', `${out} holds no run to resume`, 'start it without `resume`');
  }
  if (typeof run.settings !== 'object' || run.settings === null) {
    throw new AthanorError('ERR_FILE_DAMAGED', `${path} has no settings`, 'start a new run in another `out`');
  }
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

/** The precision of the run in a folder. Undefined when it cannot be read; readRun explains why. */
export function savedDtype(out: string): 'f32' | 'bf16' | undefined {
  try {
    const run = JSON.parse(readFileSync(join(out, NAME), 'utf8')) as Partial<RunFile>;
    const dtype = run.settings?.dtype;
    return dtype === 'f32' || dtype === 'bf16' ? dtype : undefined;
  } catch {
    return undefined;
  }
}

/** Begins a run in a folder. Throws ERR_ARGUMENT when the folder holds a run already. */
export function writeRun(out: string, run: RunFile): void {
  if (existsSync(join(out, NAME))) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `${out} already holds a run`,
      'continue it with `resume`, or name another `out`',
    );
  }
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
