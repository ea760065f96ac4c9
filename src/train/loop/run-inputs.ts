/**
 * `inputs.json`: digests of the files that a run reads again when it is resumed, such as the model
 * below LoRA adapters, the reference of DPO and GRPO, and reward models. A run that would go on
 * from other weights is refused.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { AthanorError, fileError } from '../../base/errors.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import { isSameFile } from '../../base/files/same-file.ts';
import { weightFiles } from '../../checkpoint/load-model.ts';
import { tokenizerFileNames } from '../../checkpoint/save-model.ts';

/** A file or folder that a run reads. */
export interface RunInput {
  /** The setting that names it. */
  setting: string;
  path: string;
  /** What a resumed run reads again; `rows` have a check of their own. Undefined: nothing. */
  again?: 'model' | 'tokenizer' | 'function' | 'file' | 'rows' | undefined;
}

export const INPUTS_NAME = 'inputs.json';

/** Digests in hexadecimal by file name. */
type Digests = Record<string, string>;

interface SavedInputs {
  version: 1;
  inputs: Record<string, { path: string; files: Digests }>;
}

/** Throws ERR_OPTION when `out` is one of the inputs, whose files the run would replace. */
export function refuseInputAsOutput(out: string, inputs: readonly RunInput[]): void {
  for (const { setting, path } of inputs) {
    if (!isSameFile(out, path)) continue;
    throw new AthanorError(
      'ERR_OPTION',
      `\`out\` and \`${setting}\` are the same folder, ${path}, and the run would replace what it reads`,
      'name another `out`',
    );
  }
}

/** Writes the digests of a run's inputs. Throws ERR_FILE_MISSING and the errors of writing. */
export async function recordInputs(out: string, inputs: readonly RunInput[]): Promise<void> {
  const saved: SavedInputs = { version: 1, inputs: await readAgain(inputs) };
  replaceFile(join(out, INPUTS_NAME), `${JSON.stringify(saved, undefined, 2)}\n`);
}

/** Whether recordInputs wrote digests. */
export function hasInputs(out: string): boolean {
  return existsSync(join(out, INPUTS_NAME));
}

/**
 * Compares the inputs of a resumed run with what it began with, unless it is of an older version,
 * which wrote no digests. Throws ERR_MISMATCH when one differs, ERR_OPTION when the run replaces a
 * model that it reads, ERR_FILE_MISSING and ERR_FILE_DAMAGED.
 * @returns warnings: a changed reward function is the user's choice
 */
export async function checkInputs(out: string, inputs: readonly RunInput[]): Promise<string[]> {
  refuseInputAsOutput(
    out,
    inputs.filter(({ again }) => again === 'model'),
  );
  for (const { setting, path, again } of inputs) {
    if (again === undefined || existsSync(path)) continue;
    throw new AthanorError(
      'ERR_FILE_MISSING',
      `${path} does not exist, and the run in ${out} reads it again`,
      `if it was moved, name its new place with \`${setting}\``,
    );
  }
  if (!hasInputs(out)) return [];
  const saved = readInputs(out);
  const found = await readAgain(inputs);
  const warnings: string[] = [];
  for (const { setting, path, again } of inputs) {
    const [before, now] = [saved[setting], found[setting]];
    if (before === undefined || now === undefined) continue;
    const changed = differing(before.files, now.files);
    if (changed === undefined) continue;
    if (again === 'function') {
      warnings.push(`${path} has changed since the run began: what follows is rewarded by the new one`);
      continue;
    }
    throw new AthanorError(
      'ERR_MISMATCH',
      `\`${setting}\` ${path} is not what the run in ${out} began with: its ${changed} differs`,
      'put back the files that it began with, or start a new run in another `out`',
    );
  }
  return warnings;
}

/** The digests of what a resumed run reads again, by setting. */
async function readAgain(inputs: readonly RunInput[]): Promise<SavedInputs['inputs']> {
  const found: SavedInputs['inputs'] = {};
  const known = new Map<string, Promise<Digests>>();
  for (const { setting, path, again } of inputs) {
    if (again === undefined || again === 'rows') continue;
    const key = `${again} ${path}`;
    if (!known.has(key)) known.set(key, digestsOf(path, again));
    found[setting] = { path, files: await known.get(key)! };
  }
  return found;
}

/** The name of the first file that is not the same. */
function differing(before: Digests, now: Digests): string | undefined {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])].sort();
  return names.find((name) => before[name] !== now[name]);
}

function readInputs(out: string): SavedInputs['inputs'] {
  const path = join(out, INPUTS_NAME);
  let saved: Partial<SavedInputs> | null;
  try {
    saved = JSON.parse(readFileSync(path, 'utf8')) as Partial<SavedInputs> | null;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw fileError(error, path);
    throw damagedInputs(path);
  }
  const inputs = saved?.inputs;
  if (saved?.version !== 1 || !isDigests(inputs)) throw damagedInputs(path);
  return inputs;
}

function isDigests(inputs: SavedInputs['inputs'] | undefined): inputs is SavedInputs['inputs'] {
  if (typeof inputs !== 'object' || inputs === null) return false;
  return Object.values(inputs).every((input) => typeof input?.files === 'object' && input.files !== null);
}

function damagedInputs(path: string): AthanorError {
  return new AthanorError('ERR_FILE_DAMAGED', `${path} has no digests`, 'start a new run in another `out`');
}

async function digestsOf(path: string, kind: RunInput['again']): Promise<Digests> {
  if (kind === 'function' || kind === 'file') return { text: await fileDigest(path) };
  const present = namesIn(path);
  const names = kind === 'model' ? ['config.json', ...weightFiles(path).map((file) => basename(file))] : [];
  names.push(...tokenizerFileNames.filter((name) => present.includes(name)));
  const digests: Digests = {};
  for (const name of names) digests[name] = await fileDigest(join(path, name));
  return digests;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    throw fileError(error, folder);
  }
}

/** A file up to this size is read whole. */
const WHOLE_BYTES = 2 ** 30;
/** Of a larger file, this many bytes of every `STRIDE` are read, and its end. */
const SAMPLE_BYTES = 2 ** 20;
const STRIDE = 2 ** 24;
const CHUNK_BYTES = 2 ** 23;

/**
 * SHA-256 of a file and its size. Of a file above 1 GiB it covers the first MiB of every 16 MiB,
 * header included, and the last MiB: training changes every weight, so it changes all of them.
 */
export async function fileDigest(path: string, whole = WHOLE_BYTES): Promise<string> {
  try {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      const hash = createHash('sha256').update(`${size} `);
      const buffer = Buffer.alloc(Math.min(CHUNK_BYTES, Math.max(1, size)));
      for (const [begin, end] of partsOf(size, whole)) {
        for (let at = begin; at < end; ) {
          const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, end - at), at);
          if (bytesRead === 0) break;
          hash.update(buffer.subarray(0, bytesRead));
          at += bytesRead;
        }
      }
      return hash.digest('hex');
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(error, path);
  }
}

function partsOf(size: number, whole: number): [number, number][] {
  if (size <= whole) return [[0, size]];
  const parts: [number, number][] = [];
  for (let at = 0; at < size; at += STRIDE) parts.push([at, Math.min(size, at + SAMPLE_BYTES)]);
  parts.push([size - SAMPLE_BYTES, size]);
  return parts;
}
