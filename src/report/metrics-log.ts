/**
 * `metrics.jsonl`: one JSON object per line. Resuming at a step drops all later records. So a run
 * that was killed and resumed ends with the same records as one without a break, except for times.
 * NaN and infinities, which JSON lacks, are written as the strings "NaN", "Infinity" and
 * "-Infinity" and read back as numbers.
 */
import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError, fileError } from '../base/errors.ts';
import { syncPath } from '../base/files/hashed-file.ts';
import { makeFolders } from '../base/files/make-folders.ts';
import { replaceFile } from '../base/files/replace-file.ts';

/** A value of a record. */
export type MetricValue = string | number | boolean | null | undefined;
/** A training step; or, with `event`, something that happened at a step, such as an evaluation. */
export type MetricRecord = { step: number; event?: string } & Record<string, MetricValue>;

export const METRICS_FILE = 'metrics.jsonl';

/** Events that a resumed run does not repeat. */
const historic = new Set(['resume', 'checkpoint']);

/** Writes `metrics.jsonl`, one record per line. */
export class MetricsLog {
  readonly #path: string;
  #file: number;
  #bytes: number;

  private constructor(path: string, bytes: number) {
    this.#path = path;
    this.#bytes = bytes;
    this.#file = openSync(path, 'a');
  }

  /**
   * Opens the log of a folder, and makes the folder. Without resumeStep the log starts empty. With
   * resumeStep it keeps the records of the run up to the checkpoint of that step. It drops records
   * of later steps, lines that cannot be read, and events after the record of that step (an
   * evaluation, samples), because the resumed run makes them again.
   */
  static open(folder: string, options: { resumeStep?: number } = {}): MetricsLog {
    const path = join(folder, METRICS_FILE);
    try {
      makeFolders(folder);
      const { resumeStep } = options;
      const kept = resumeStep === undefined || !existsSync(path) ? '' : linesUpTo(path, resumeStep);
      const bytes = replaceFile(path, kept);
      syncPath(folder);
      return new MetricsLog(path, bytes);
    } catch (error) {
      throw fileError(error, path, 'write');
    }
  }

  /** Throws ERR_DISK_FULL or ERR_IO; then the log ends with the last complete record. */
  append(record: MetricRecord): void {
    const bytes = Buffer.from(formatRecord(record));
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
      this.#bytes += bytes.length;
    } catch (error) {
      this.#dropTorn();
      throw fileError(error, this.#path, 'write');
    }
  }

  /** Forces all records to disk, before a checkpoint relies on them. */
  flush(): void {
    try {
      fsyncSync(this.#file);
    } catch (error) {
      throw fileError(error, this.#path, 'write');
    }
  }

  close(): void {
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
  }

  #dropTorn(): void {
    try {
      ftruncateSync(this.#file, this.#bytes);
    } catch {
      // Readers skip a torn line. The error to report is the one of the failed write.
    }
  }
}

/**
 * The records of a folder's log, and the number of lines that could not be read, e.g. one torn
 * by a kill.
 */
export function readMetrics(folder: string): { records: MetricRecord[]; badLines: number } {
  const records: MetricRecord[] = [];
  let badLines = 0;
  for (const line of linesOf(join(folder, METRICS_FILE))) {
    const record = parseRecord(line);
    if (record) records.push(record);
    else badLines += 1;
  }
  return { records, badLines };
}

/**
 * The records of a folder's log, for a page about a run that is over. Throws ERR_FORMAT when there
 * is none.
 */
export function requireMetrics(folder: string): MetricRecord[] {
  const { records, badLines } = readMetrics(folder);
  if (records.length > 0) return records;
  const path = join(folder, METRICS_FILE);
  const what = badLines === 0 ? 'it is empty' : `none of its ${badLines} lines is a record of a run`;
  throw new AthanorError('ERR_FORMAT', `${path}: ${what}`, 'name the folder of a run that has trained');
}

function* linesUpTo(path: string, resumeStep: number): Generator<string> {
  // Step 0 has no record of its own: its events come before training.
  let passed = resumeStep === 0;
  for (const line of linesOf(path)) {
    const record = parseRecord(line);
    if (!record || record.step > resumeStep) continue;
    if (record.step === resumeStep) {
      if (record.event === undefined) passed = true;
      else if (passed && !historic.has(record.event)) continue;
    }
    yield `${line}\n`;
  }
}

/** A longer line is no record: its beginning stands for it. */
const LONGEST_LINE = 16 << 20;

/** The lines that are not empty. Reads in pieces, because a log may exceed the longest string. */
function* linesOf(path: string): Generator<string> {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    throw fileError(error, path);
  }
  try {
    const buffer = Buffer.allocUnsafe(1 << 20);
    let begun: Buffer[] = [];
    let held = 0;
    for (;;) {
      const piece = buffer.subarray(0, readPiece(file, buffer, path));
      if (piece.length === 0) break;
      let from = 0;
      for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, from)) {
        const line = Buffer.concat([...begun, piece.subarray(from, end)]).toString();
        begun = [];
        held = 0;
        from = end + 1;
        if (line !== '') yield line;
      }
      held += piece.length - from;
      if (from < piece.length && held <= LONGEST_LINE) begun.push(Buffer.from(piece.subarray(from)));
    }
    if (begun.length > 0) yield Buffer.concat(begun).toString();
  } finally {
    closeSync(file);
  }
}

function readPiece(file: number, buffer: Buffer, path: string): number {
  try {
    return readSync(file, buffer);
  } catch (error) {
    throw fileError(error, path);
  }
}

/** An object whose values are neither lists nor objects. */
function isFlat(record: unknown): boolean {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) return false;
  return Object.values(record).every((value) => typeof value !== 'object' || value === null);
}

const notFinite = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

function formatRecord(record: MetricRecord): string {
  const plain = (_: string, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
  return `${JSON.stringify(record, plain)}\n`;
}

function parseRecord(line: string): MetricRecord | undefined {
  let record: MetricRecord;
  try {
    record = JSON.parse(line) as MetricRecord;
  } catch {
    return undefined;
  }
  if (!isFlat(record)) return undefined;
  for (const [key, value] of Object.entries(record)) {
    // A text may be the word "NaN"; fields that hold texts keep it.
    if (typeof value !== 'string' || key === 'text' || key === 'prompt') continue;
    const number = notFinite.get(value);
    if (number !== undefined) record[key] = number;
  }
  return Number.isFinite(record.step) ? record : undefined;
}
