/**
 * `run.json`: the stage and the settings of a run. A resumed run takes these settings and ignores
 * those of the command line.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError, fileError } from '../../base/errors.ts';
import { ifThere, readJsonObject } from '../../base/files/read-file.ts';
import { type JsonObject, quoted } from '../../base/json.ts';

const NAME = 'run.json';
/** Raised when a setting is renamed or its meaning changes. Files without a version are older. */
const VERSION = 2;

export interface RunFile {
  /** pretrain, sft, ... */
  stage: string;
  settings: JsonObject;
}

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

function damaged(path: string): (problem: string) => AthanorError {
  return (problem) =>
    new AthanorError('ERR_FILE_DAMAGED', `${path}: ${problem}`, 'start a new run in another `out`');
}

/** Settings without a default, by their types. */
const types: Record<string, string> = {
  ...{ data: 'string', model: 'string', dtype: 'string', steps: 'number', lr: 'number' },
  ...{ tokens: 'number', time: 'number', context: 'number', epochs: 'number' },
};

/**
 * Throws ERR_FILE_DAMAGED for a setting of another type than a run is started with.
 * @param defaults of the stage
 */
export function checkSettings(out: string, settings: JsonObject, defaults: object): void {
  const fail = damaged(join(out, NAME));
  for (const key of ['data', 'model', 'dtype']) {
    if (settings[key] === undefined) throw fail(`the setting ${key} is missing`);
  }
  for (const [key, value] of Object.entries(defaults)) {
    const saved = settings[key];
    // A setting that is newer than the run takes its default.
    if (saved === undefined) continue;
    const isList = Array.isArray(value);
    const fits = isList === Array.isArray(saved) && (isList || typeof saved === typeof value);
    if (!fits) throw fail(`the setting ${key} is ${quoted(saved)}`);
  }
  for (const [key, value] of Object.entries(settings)) {
    const type = types[key];
    if (type !== undefined && typeof value !== type) throw fail(`the setting ${key} is ${quoted(value)}`);
  }
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

/** Begins a run in a folder. Throws ERR_ARGUMENT when the folder holds a run already. */
export function writeRun(out: string, run: RunFile): void {
  const path = join(out, NAME);
  if (existsSync(path)) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `${out} already holds a run`,
      'continue it with `resume`, or name another `out`',
    );
  }
  try {
    mkdirSync(out, { recursive: true });
    writeFileSync(`${path}.tmp`, `${JSON.stringify({ version: VERSION, ...run }, undefined, 2)}\n`, {
      flush: true,
    });
    renameSync(`${path}.tmp`, path);
  } catch (error) {
    throw fileError(error, path, 'write');
  }
}

/** Removes the files of a run from a folder, except those that were there `before`. */
export function forgetRun(out: string, before: readonly string[]): void {
  for (const name of [NAME, 'data', 'checkpoints', 'metrics.jsonl', 'report.html']) {
    if (!before.includes(name)) rmSync(join(out, name), { recursive: true, force: true });
  }
  if (existsSync(out) && readdirSync(out).length === 0) rmdirSync(out);
}
