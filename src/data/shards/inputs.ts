/** `inputs.jsonl`: the files that a corpus was read from, with their sizes and digests. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError, fileError } from '../../base/errors.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import { evaluationFiles } from '../dedup/evaluation-texts.ts';
import type { FunnelStep } from '../filters/filter-documents.ts';
import type { DedupOptions } from './deduplication.ts';
import { type Inputs, MANIFEST } from './manifest.ts';

const INPUTS = 'inputs.jsonl';

/**
 * A file as `inputs.jsonl` lists it, or a package with a digest of its archive. A pipe can be read
 * once only, so it has no digest.
 */
export type Input =
  | { source: string; file: string; bytes: number | null; sha256: string | null }
  | { source: string; package: string; sha512: string }
  | {
      use: 'against' | 'decontaminate' | 'word-list';
      file: string;
      bytes: number | null;
      sha256: string | null;
    };

/** A stream costs more than to read such a file, and a corpus may have a million of them. */
const SMALL_BYTES = 256 << 10;

/** Null for a pipe. */
export type Digest = { bytes: number | null; sha256: string | null };

/**
 * Size and SHA-256 of a file. Throws the errors of reading, and ERR_INTERRUPTED when the signal
 * aborts.
 */
export async function digestOf(file: string, signal?: AbortSignal): Promise<Digest> {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) return { bytes: null, sha256: null };
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    if (stat.size <= SMALL_BYTES) {
      const content = readFileSync(file);
      return { bytes: content.length, sha256: hash.update(content).digest('hex') };
    }
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20, ...(signal && { signal }) })) {
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
    }
  } catch (error) {
    if (!signal?.aborted) throw fileError(error, file);
    throw new AthanorError('ERR_INTERRUPTED', 'preparing the data was interrupted');
  }
  return { bytes, sha256: hash.digest('hex') };
}

/**
 * What decides which documents stay, besides the documents: evaluation sets, manifests of earlier
 * shards and lists of words. Throws as digestOf.
 */
export async function referenceInputs(
  { against = [], decontaminate = [] }: DedupOptions,
  funnel: readonly FunnelStep[],
  signal?: AbortSignal,
): Promise<Input[]> {
  const isShards = (path: string) => existsSync(join(path, MANIFEST));
  const references = [
    ...against.map((path) => ['against', join(path, MANIFEST)] as const),
    ...decontaminate
      .flatMap((path) => (isShards(path) ? [join(path, MANIFEST)] : evaluationFiles(path)))
      .map((file) => ['decontaminate', file] as const),
    ...funnel
      .filter(({ filter, rules }) => filter === 'word-list' && typeof rules.file === 'string')
      .map(({ rules }) => ['word-list', String(rules.file)] as const),
  ];
  const inputs: Input[] = [];
  for (const [use, file] of references) inputs.push({ use, file, ...(await digestOf(file, signal)) });
  return inputs;
}

/**
 * Throws ERR_MISMATCH for a file that has changed since its digest was taken.
 * @param times when each was last changed then, in milliseconds; NaN for what is no file
 */
export function checkUnchanged(inputs: readonly Input[], times: readonly number[]): void {
  for (const [i, time] of times.entries()) {
    const input = inputs[i]!;
    if (Number.isNaN(time) || !('file' in input)) continue;
    const stat = statSync(input.file, { throwIfNoEntry: false });
    if (stat?.mtimeMs === time && stat.size === input.bytes) continue;
    throw new AthanorError(
      'ERR_MISMATCH',
      `${input.file} has changed while it was read`,
      'begin anew with `fresh` when it does not change any more',
    );
  }
}

/** When a file was last changed, for checkUnchanged. */
export function timeOf(file: string): number {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat?.isFile() ? stat.mtimeMs : Number.NaN;
}

/** Writes the list into a folder. Throws ERR_DISK_FULL and ERR_IO. */
export function writeInputs(folder: string, inputs: readonly Input[]): Inputs {
  const hash = createHash('sha256');
  function* lines() {
    for (const input of inputs) {
      const line = `${JSON.stringify(input)}\n`;
      hash.update(line);
      yield line;
    }
  }
  replaceFile(join(folder, INPUTS), lines());
  const bytes = inputs.reduce((sum, input) => sum + ('bytes' in input ? (input.bytes ?? 0) : 0), 0);
  return { files: inputs.length, bytes, sha256: hash.digest('hex') };
}
