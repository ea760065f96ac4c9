/**
 * `metrics.jsonl`: one JSON object a line. Resuming at a step drops what was written after it, so a run that was killed
 * and resumed ends with the same records (their timings aside) as one that was not. NaN and infinities, which JSON
 * lacks, are written as the strings "NaN", "Infinity" and "-Infinity" and read back as numbers.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileError } from '../native/errors.ts';

export type MetricValue = string | number | boolean | null | undefined;
export type MetricRecord = { step: number; event?: string } & Record<string, MetricValue>;

export const METRICS_FILE = 'metrics.jsonl';

export class MetricsLog {
  readonly #path: string;
  #file: number;

  private constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, 'a');
  }

  /**
   * Opens the log of a folder, made when missing. Without resumeStep it starts anew; with it, records of later steps go,
   * and so do those of events (evaluations, samples) at that very step, which a resumed run repeats.
   */
  static open(folder: string, options: { resumeStep?: number } = {}): MetricsLog {
    const path = join(folder, METRICS_FILE);
    try {
      mkdirSync(folder, { recursive: true });
      const { resumeStep } = options;
      const kept =
        resumeStep === undefined || !existsSync(path)
          ? []
          : readMetrics(folder).records.filter(
              (record) =>
                record.step < resumeStep || (record.step === resumeStep && record.event === undefined),
            );
      writeAtomically(path, kept.map(formatRecord).join(''));
      return new MetricsLog(path);
    } catch (error) {
      throw fileError(error, path, 'write');
    }
  }

  append(record: MetricRecord): void {
    this.#guard(() => writeSync(this.#file, formatRecord(record)));
  }

  /** Puts all records on the disk; called before a checkpoint claims that they are there. */
  flush(): void {
    this.#guard(() => fsyncSync(this.#file));
  }

  close(): void {
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
  }

  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      throw fileError(error, this.#path, 'write');
    }
  }
}

/** The records of a folder's log and the number of lines that could not be read, e.g. one torn by a kill. */
export function readMetrics(folder: string): { records: MetricRecord[]; badLines: number } {
  const path = join(folder, METRICS_FILE);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw fileError(error, path);
  }
  const records: MetricRecord[] = [];
  let badLines = 0;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const record = parseRecord(line);
    if (record) records.push(record);
    else badLines += 1;
  }
  return { records, badLines };
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
  try {
    const record = JSON.parse(line, (key, value) =>
      // A text may well say "NaN"; only the fields of text keep it.
      key !== 'text' && key !== 'prompt' && typeof value === 'string'
        ? (notFinite.get(value) ?? value)
        : value,
    ) as MetricRecord | null;
    return record !== null && typeof record === 'object' && typeof record.step === 'number'
      ? record
      : undefined;
  } catch {
    return undefined;
  }
}

function writeAtomically(path: string, text: string): void {
  const temporary = `${path}.tmp-${process.pid}`;
  const file = openSync(temporary, 'w');
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}
