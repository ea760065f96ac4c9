/** `statistics.json` of a folder of token shards: what its page shows beyond the manifest. */
import { join } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import { ifThere, readJson } from '../../base/files/read-file.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import { isRecord } from '../corpus/json-lines.ts';
import { type MeasureCounts, mergedMeasures } from '../filters/measures.ts';

const STATISTICS = 'statistics.json';

/** What was read of each source, and how many documents had which measure. */
export type CorpusStatistics = {
  /** Documents and bytes of text as UTF-8 before any filter, by source. */
  read: Record<string, { documents: number; bytes: number }>;
  /** A histogram for each rule that compares a measure with a threshold. */
  measures: MeasureCounts[];
};

export const newStatistics = (): CorpusStatistics => ({ read: {}, measures: [] });

/** Counts documents of a source that were read. */
export function addRead({ read }: CorpusStatistics, source: string, documents: number, bytes: number): void {
  const own = read[source] ?? { documents: 0, bytes: 0 };
  read[source] = own;
  own.documents += documents;
  own.bytes += bytes;
}

/** Adds what was counted in another part of the corpus, with the same filters. */
export function addStatistics(sum: CorpusStatistics, part: CorpusStatistics): void {
  for (const [source, { documents, bytes }] of Object.entries(part.read))
    addRead(sum, source, documents, bytes);
  sum.measures = mergedMeasures([sum.measures, part.measures]);
}

/** Throws ERR_DISK_FULL and ERR_IO. */
export function writeStatistics(folder: string, { read, measures }: CorpusStatistics): void {
  const lines = measures.map((counts) => JSON.stringify(counts)).join(',\n');
  replaceFile(join(folder, STATISTICS), `{"read": ${JSON.stringify(read)},\n"measures": [\n${lines}\n]}\n`);
}

/** Of a folder; undefined for one of an earlier version. Throws ERR_FILE_DAMAGED and ERR_IO. */
export function readStatistics(folder: string): CorpusStatistics | undefined {
  const path = join(folder, STATISTICS);
  const fail = (problem: string) =>
    new AthanorError('ERR_FILE_DAMAGED', `${path}: ${problem}`, 'run athanor data prepare again');
  const value: unknown = ifThere(() => readJson(path, { fail }));
  if (value === undefined || isStatistics(value)) return value;
  throw fail('it has no counts by source and by measure');
}

function isStatistics(value: unknown): value is CorpusStatistics {
  const { read, measures } = (value ?? {}) as Partial<Record<keyof CorpusStatistics, unknown>>;
  if (!isRecord(read) || !Array.isArray(measures)) return false;
  const isCount = (n: unknown) => Number.isSafeInteger(n) && Number(n) >= 0;
  const sides = (row: Record<string, unknown>) => [row.kept, row.rejected];
  const isMeasure = (row: unknown) =>
    isRecord(row) &&
    typeof row.rule === 'string' &&
    typeof row.threshold === 'number' &&
    (row.scale === 'linear' || row.scale === 'log') &&
    sides(row).every((side) => Array.isArray(side) && side.length <= 1000 && side.every(isCount));
  return (
    Object.values(read).every((row) => isRecord(row) && isCount(row.documents)) && measures.every(isMeasure)
  );
}
