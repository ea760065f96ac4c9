/**
 * The files of one checkpoint folder in addition to the model: training.safetensors, state.json,
 * checksums.json and metric.json. A checkpoint is saved before it is evaluated, so the metric comes
 * later. Therefore metric.json holds its own checksum.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import { hashFile, syncPath, type WrittenFile, writeText } from '../base/files/hashed-file.ts';
import { ifThere, largest, readJson, readJsonObject } from '../base/files/read-file.ts';
import { removeStaleFiles, temporarySuffix } from '../base/files/temporary-files.ts';
import { type JsonValue, quoted } from '../base/json.ts';
import { SafetensorsFile, writeSafetensors } from './safetensors.ts';
import type { LateTensorSource } from './tensor-data.ts';

/** What a checkpoint stores. */
export interface CheckpointContents {
  /**
   * Writes the model into the given folder, usually `(folder) => writeModelFiles(folder, { … })`.
   */
  writeModel: (folder: string) => Promise<readonly WrittenFile[]>;
  /** Optimizer moments, and other state that is too large for JSON. */
  tensors: Iterable<readonly [string, LateTensorSource]>;
  /** All other state that the run needs to continue: counters, cursor, seeds, settings. */
  state: JsonValue;
  /** Decides which checkpoints are the best; lower is better. setMetric can add it later. */
  metric?: number;
}

interface Checksums {
  version: 1;
  files: Record<string, { bytes: number; sha256: string }>;
}

const tensorsName = 'training.safetensors';
const stateName = 'state.json';
const checksumsName = 'checksums.json';
const metricName = 'metric.json';

/** Fills an empty folder. Every file is fsynced; the folder is not. */
export async function writeCheckpoint(folder: string, contents: CheckpointContents): Promise<void> {
  const written = new Map<string, WrittenFile>();
  for (const file of await contents.writeModel(folder)) written.set(file.name, file);
  for (const file of [
    await writeSafetensors(join(folder, tensorsName), contents.tensors),
    await writeText(join(folder, stateName), formatState(contents.state)),
  ]) {
    written.set(file.name, file);
  }
  // Files that writeModel wrote but did not return.
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
}

/** JSON would write null for NaN and infinity, and a run must not resume from that. */
function formatState(state: JsonValue): string {
  const text = JSON.stringify(state, (key, value: unknown) => {
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

/**
 * Compares every file of a checkpoint with its checksum. Throws ERR_FILE_DAMAGED naming the
 * first that differs.
 */
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
  const value = ifThere(() => readJsonObject(file, { fail: (problem) => damagedFile(file, problem) }));
  if (value === undefined) throw damagedFile(file, 'it is missing');
  if (value.version !== 1) throw damagedFile(file, `its version is ${quoted(value.version)}, not 1`);
  if (!hasChecksums(value)) throw damagedFile(file, 'its list of files is damaged');
  return value;
}

function hasChecksums(value: object): value is Checksums {
  const { files } = value as { files?: unknown };
  return typeof files === 'object' && files !== null && Object.entries(files).every(isChecksum);
}

function isChecksum([name, value]: [string, unknown]): boolean {
  const { bytes, sha256 } = (value ?? {}) as { bytes?: unknown; sha256?: unknown };
  const isName = name === basename(name) && !['', '.', '..'].includes(name);
  return isName && typeof bytes === 'number' && typeof sha256 === 'string';
}

function damagedFile(path: string, problem: string): AthanorError {
  return new AthanorError('ERR_FILE_DAMAGED', `the checkpoint file ${path} is damaged: ${problem}`);
}

/** The state of a checkpoint that was verified. */
export function readState(path: string): JsonValue {
  const file = join(path, stateName);
  return readJson(file, { most: largest.state, fail: (problem) => damagedFile(file, problem) });
}

/** The tensors of a checkpoint that was verified. */
export function openTensors(path: string): SafetensorsFile {
  return SafetensorsFile.open(join(path, tensorsName));
}

/** The hash includes the step, so that the metric file of another checkpoint is refused. */
function metricHash(step: number, metric: number): string {
  return createHash('sha256').update(`step ${step} metric ${metric}`).digest('hex');
}

export async function writeMetric(path: string, step: number, metric: number): Promise<void> {
  const temporary = join(path, `${metricName}${temporarySuffix()}`);
  removeStaleFiles(path, metricName);
  await writeText(temporary, `${JSON.stringify({ metric, sha256: metricHash(step, metric) })}\n`);
  renameSync(temporary, join(path, metricName));
  syncPath(path);
}

/**
 * The metric of a checkpoint; undefined when it is missing or damaged. A checkpoint without a
 * metric has no rank but is otherwise good.
 */
export function readMetric(path: string, step: number): number | undefined {
  try {
    const { metric, sha256 } = readJsonObject(join(path, metricName));
    return typeof metric === 'number' && sha256 === metricHash(step, metric) ? metric : undefined;
  } catch {
    return undefined;
  }
}
