/** `statistics.json` of a folder of token shards: what its page shows beyond the manifest. */
import { join } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import { ifThere, readJson } from '../../base/files/read-file.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import { isRecord } from '../corpus/json-lines.ts';
import type { Document } from '../document.ts';
import { type MeasureCounts, mergedMeasures } from '../filters/measures.ts';

const STATISTICS = 'statistics.json';

/** Documents, and bytes of their text, by name. */
export type Counts = Record<string, { documents: number; bytes: number }>;

/** What was read of each source, and how many documents had which measure. */
export type CorpusStatistics = {
  /** Documents and bytes of text as UTF-8 before any filter, by source. */
  read: Counts;
  /** The same of source code by programming language. */
  languages: Counts;
  /** A histogram for each rule that compares a measure with a threshold. */
  measures: MeasureCounts[];
};

/** A source may have any name, that of a property of all objects too. */
const noCounts = (): Counts => Object.create(null);

export const newStatistics = (): CorpusStatistics => ({
  read: noCounts(),
  languages: noCounts(),
  measures: [],
});

/** Counts a document that was read. */
export function addRead(
  { read, languages }: CorpusStatistics,
  { source, language }: Pick<Document, 'source' | 'language'>,
  bytes: number,
): void {
  add(read, source, 1, bytes);
  if (language !== undefined) add(languages, language, 1, bytes);
}

function add(counts: Counts, name: string, documents: number, bytes: number): void {
  const own = counts[name] ?? { documents: 0, bytes: 0 };
  counts[name] = own;
  own.documents += documents;
  own.bytes += bytes;
}

/** Adds what was counted in another part of the corpus, with the same filters. */
export function addStatistics(sum: CorpusStatistics, part: CorpusStatistics): void {
  for (const kind of ['read', 'languages'] as const) {
    for (const [name, { documents, bytes }] of Object.entries(part[kind])) {
      add(sum[kind], name, documents, bytes);
    }
  }
  sum.measures = mergedMeasures([sum.measures, part.measures]);
}

/** Throws ERR_DISK_FULL and ERR_IO. */
export function writeStatistics(folder: string, { read, languages, measures }: CorpusStatistics): void {
  const lines = measures.map((counts) => JSON.stringify(counts)).join(',\n');
  const counts = `"read": ${JSON.stringify(read)},\n"languages": ${JSON.stringify(languages)}`;
  replaceFile(join(folder, STATISTICS), `{${counts},\n"measures": [\n${lines}\n]}\n`);
}

/** Of a folder; undefined for one of an earlier version. Throws ERR_FILE_DAMAGED and ERR_IO. */
export function readStatistics(folder: string): CorpusStatistics | undefined {
  const path = join(folder, STATISTICS);
  const fail = (problem: string) =>
    new AthanorError('ERR_FILE_DAMAGED', `${path}: ${problem}`, 'run athanor data prepare again');
  const found: unknown = ifThere(() => readJson(path, { fail }));
  if (found === undefined) return undefined;
  // Folders of earlier versions do not count languages.
  const value: unknown = isRecord(found) ? { languages: {}, ...found } : found;
  if (isStatistics(value)) return value;
  throw fail('it has no counts by source and by measure');
}

function isStatistics(value: unknown): value is CorpusStatistics {
  const { read, languages, measures } = (value ?? {}) as Partial<Record<keyof CorpusStatistics, unknown>>;
  if (!isRecord(read) || !isRecord(languages) || !Array.isArray(measures)) return false;
  const isCount = (n: unknown) => Number.isSafeInteger(n) && Number(n) >= 0;
  const sides = (row: Record<string, unknown>) => [row.kept, row.rejected];
  const isMeasure = (row: unknown) =>
    isRecord(row) &&
    typeof row.rule === 'string' &&
    typeof row.threshold === 'number' &&
    (row.scale === 'linear' || row.scale === 'log') &&
    sides(row).every((side) => Array.isArray(side) && side.length <= 1000 && side.every(isCount));
  const counts = [...Object.values(read), ...Object.values(languages)];
  return counts.every((row) => isRecord(row) && isCount(row.documents)) && measures.every(isMeasure);
}
