/**
 * Exports and imports. An export is a file of JSON Lines: a line with its version, the deletions,
 * all records, and a line that says how many they are, so that a file that was cut is noticed.
 */
import { AthanorError } from '../base/errors.ts';
import { replaceFile } from '../base/files/replace-file.ts';
import { isSameFile } from '../base/files/same-file.ts';
import type { JsonObject, JsonValue } from '../base/json.ts';
import { isRecord, jsonLines } from '../data/corpus/json-lines.ts';
import { describeDropped } from '../data/document.ts';
import { type AnyRecord, BadLine, type RecordKind, recordJson, recordOf } from './lines.ts';
import type { FeedbackStore } from './store.ts';

const FORMAT = 'athanor feedback';
const VERSION = 1;
/** Lines of one transaction: a server with the same store can write between two of them. */
const LINES_TOGETHER = 500;

/** Numbers of lines by kind. */
export type KindCounts = Record<RecordKind, number>;

/** What an import did. */
export interface ImportReport {
  /** New records. */
  added: KindCounts;
  /** Records that the store had already. */
  present: number;
  /** Records of deleted users, and of answers that the store does not have. */
  left_out: number;
}

function noCounts(): KindCounts {
  return { deletion: 0, answer: 0, feedback: 0, comparison: 0, safety_event: 0 };
}

/**
 * Writes all records of a store into a file for its owner alone, as they are at one moment, and
 * replaces a file of that name. Returns their numbers. Throws as the store does, ERR_ARGUMENT for a
 * file of the store itself, and ERR_IO, ERR_DISK_FULL and ERR_FILE_MISSING for the file.
 */
export function exportFeedback(store: FeedbackStore, path: string): KindCounts {
  if (store.files.some((file) => isSameFile(file, path))) {
    const problem = `${path} is a file of the store, which the export would replace`;
    throw new AthanorError('ERR_ARGUMENT', problem, 'name another file');
  }
  const counts = noCounts();
  replaceFile(path, textOf(store, counts), { mode: 0o600 });
  return counts;
}

function* textOf(store: FeedbackStore, counts: KindCounts): Generator<string> {
  yield line({ format: FORMAT, version: VERSION });
  for (const one of store.snapshot()) {
    ++counts[one.kind];
    yield line(recordJson(one));
  }
  yield line({ end: Object.values(counts).reduce((sum, count) => sum + count, 0) });
}

function line(value: JsonObject): string {
  return `${JSON.stringify(value)}\n`;
}

/**
 * Adds the records of an export to a store. The whole file is checked before the first one is
 * added. Deletions of the export are applied, and records that the store deleted do not come back.
 * An import that was interrupted can be repeated. Throws ERR_FORMAT naming the line, ERR_MISMATCH
 * for an export of a later version, ERR_FILE_DAMAGED for one that was cut, ERR_FILE_MISSING, and
 * as the store does.
 */
export async function importFeedback(store: FeedbackStore, path: string): Promise<ImportReport> {
  await checkExport(path);
  return addExport(store, path);
}

/** Reads a whole export. Throws as importFeedback does for what is wrong with it. */
export async function checkExport(path: string): Promise<void> {
  for await (const _ of recordsOf(path));
}

/** Adds the records of an export that was checked. */
export async function addExport(store: FeedbackStore, path: string): Promise<ImportReport> {
  const report: ImportReport = { added: noCounts(), present: 0, left_out: 0 };
  for await (const batch of batchesOf(path)) {
    store.transaction(() => {
      for (const one of batch) count(report, one.kind, store.add(one));
    });
  }
  if (report.added.deletion > 0) store.emptyLog();
  return report;
}

function count(report: ImportReport, kind: RecordKind, outcome: 'added' | 'present' | 'left_out'): void {
  if (outcome === 'added') ++report.added[kind];
  else ++report[outcome];
}

async function* batchesOf(path: string): AsyncGenerator<AnyRecord[]> {
  let batch: AnyRecord[] = [];
  for await (const one of recordsOf(path)) {
    if (batch.push(one) < LINES_TOGETHER) continue;
    yield batch;
    batch = [];
  }
  yield batch;
}

async function* recordsOf(path: string): AsyncGenerator<AnyRecord> {
  let records = -1;
  let isOver = false;
  for await (const read of jsonLines(path)) {
    if ('dropped' in read) {
      throw new AthanorError('ERR_FORMAT', describeDropped(read.dropped), read.dropped.remedy);
    }
    const { id, value } = read;
    if (records < 0) checkHeader(path, value);
    else if (isOver) throw new AthanorError('ERR_FORMAT', `${id}: there is a line after the end`);
    else if (isRecord(value) && value.end !== undefined) isOver = checkEnd(path, value.end, records);
    else yield parsed(id, value);
    ++records;
  }
  if (isOver) return;
  if (records < 0) checkHeader(path, null);
  throw new AthanorError('ERR_FILE_DAMAGED', `${path} ends early`, 'make the export again');
}

function checkHeader(path: string, value: JsonValue): void {
  if (!isRecord(value) || value.format !== FORMAT || !Number.isSafeInteger(value.version)) {
    const remedy = 'name a file that `athanor feedback export` wrote';
    throw new AthanorError('ERR_FORMAT', `${path} is no export of a feedback store`, remedy);
  }
  if ((value.version as number) <= VERSION) return;
  throw new AthanorError(
    'ERR_MISMATCH',
    `${path} is an export of version ${value.version}; this athanor reads versions up to ${VERSION}`,
    'use the version of athanor that wrote it, or a later one',
  );
}

function checkEnd(path: string, end: JsonValue, records: number): true {
  if (end === records) return true;
  const problem = `${path} has ${records} records, and its last line says ${JSON.stringify(end)}`;
  throw new AthanorError('ERR_FILE_DAMAGED', problem, 'make the export again');
}

function parsed(id: string, value: JsonValue): AnyRecord {
  try {
    return recordOf(value);
  } catch (error) {
    if (!(error instanceof BadLine)) throw error;
    throw new AthanorError('ERR_FORMAT', `${id}: ${error.message}`, 'make the export again');
  }
}
