/**
 * The plan of `data prepare`: the input files with their digests, and units of work. It follows
 * from the inputs alone, so any number of threads and processes have the same one.
 */
import { AthanorError } from '../../base/errors.ts';
import { type CorpusOptions, fileRanges, filesOf, readCorpus, readFileOf } from '../corpus/corpus.ts';
import type { FileRange } from '../corpus/line-blocks.ts';
import { type CorpusSource, renamed } from '../corpus/source.ts';
import { STDIN } from '../corpus/stdin.ts';
import type { CorpusItem } from '../document.ts';
import { isPackagedName, packagesOf, partsOf } from '../packaged/packaged.ts';
import { digestOf, type Input, timeOf } from './inputs.ts';

/** A source that is no list of files, a file, or a range of one. */
export type UnitPart = {
  source: string;
  file?: string;
  range?: FileRange;
  /** The name that its documents are counted under, where that is not the source. */
  name?: string | undefined;
  /** Options of this source alone. */
  own?: CorpusOptions;
};

/** Parts of the inputs that are read, filtered and encoded at once, in the order of the corpus. */
export type WorkUnit = {
  /** Bytes of input, as they are stored. */
  bytes: number;
  parts: UnitPart[];
};

export interface Plan {
  units: WorkUnit[];
  inputs: Input[];
  /** When the first inputs, which are those that are read, were last changed. */
  times: number[];
}

/** The input of a unit, by default. */
export const UNIT_BYTES = 16 << 20;
/** What a file counts at least, so that a unit does not have too many. */
const LEAST_FILE_BYTES = 8 << 10;
/** What a byte of a compressed file counts. */
const EXPANSION = 4;

export interface PlanOptions extends CorpusOptions {
  sources: readonly (string | CorpusSource)[];
  unitBytes?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Called with the bytes of input so far. */
  onBytes?: (bytes: number) => void;
}

/**
 * Reads all files once for their digests, and to divide the large ones. Throws the errors of
 * reading, and ERR_INTERRUPTED when the signal aborts.
 */
export async function planUnits(options: PlanOptions): Promise<Plan> {
  const inputs: Input[] = [];
  const times: number[] = [];
  const units = new UnitList(options.unitBytes ?? UNIT_BYTES);
  for (const given of options.sources) {
    const { path: source, name, ...own } = typeof given === 'string' ? { path: given } : given;
    const part = { source, ...(name !== undefined && { name }), ...(Object.keys(own).length > 0 && { own }) };
    if (isPackagedName(source)) {
      inputs.push(...packagesOf(source).map((row) => ({ source, ...row })));
      while (times.length < inputs.length) times.push(Number.NaN);
      for (const one of partsOf(source)) units.addAlone({ ...part, source: one });
      continue;
    }
    for (const file of filesOf(source, { ...options, ...own })) {
      times.push(source === STDIN ? Number.NaN : timeOf(file));
      const digest = await digestOf(file, options.signal);
      // The copy of standard input has another name in each run.
      inputs.push({ source, file: source === STDIN ? STDIN : file, ...digest });
      await addFile(units, { ...part, file }, digest.bytes, options);
      options.onBytes?.(digest.bytes ?? 0);
    }
  }
  return { units: units.finish(), inputs, times };
}

async function addFile(
  units: UnitList,
  part: UnitPart & { file: string },
  bytes: number | null,
  options: PlanOptions,
): Promise<void> {
  if (options.signal?.aborted) throw interrupted();
  // A pipe has no size, and can be read once only.
  if (bytes === null) return units.addAlone(part);
  const ranges =
    bytes > units.leastBytes
      ? await fileRanges(part.file, { ...options, ...part.own }, units.leastBytes)
      : undefined;
  if (ranges === undefined || ranges.length === 1) units.add(part, bytes);
  else for (const range of ranges) units.add({ ...part, range }, range.end - range.start);
}

export function interrupted(): AthanorError {
  return new AthanorError(
    'ERR_INTERRUPTED',
    'preparing the data was interrupted',
    'the same command continues it',
  );
}

class UnitList {
  readonly leastBytes: number;
  readonly #units: WorkUnit[] = [];
  #open: WorkUnit = { bytes: 0, parts: [] };
  #weight = 0;

  constructor(leastBytes: number) {
    this.leastBytes = leastBytes;
  }

  add(part: UnitPart, bytes: number): void {
    this.#open.parts.push(part);
    this.#open.bytes += bytes;
    const factor = /\.(gz|zst|parquet)$/i.test(part.file ?? '') ? EXPANSION : 1;
    this.#weight += Math.max(bytes * factor, LEAST_FILE_BYTES);
    if (this.#weight >= this.leastBytes) this.#close();
  }

  addAlone(part: UnitPart): void {
    this.#close();
    this.#open.parts.push(part);
    this.#close();
  }

  finish(): WorkUnit[] {
    this.#close();
    return this.#units;
  }

  #close(): void {
    if (this.#open.parts.length > 0) this.#units.push(this.#open);
    this.#open = { bytes: 0, parts: [] };
    this.#weight = 0;
  }
}

/** The documents of a unit. Throws the errors of reading. */
export async function* readUnit(unit: WorkUnit, options: CorpusOptions): AsyncGenerator<CorpusItem> {
  for (const { source, file, range, name, own } of unit.parts) {
    const all = { ...options, ...own };
    const items = file === undefined ? readCorpus([source], all) : readFileOf(source, file, all, range);
    yield* renamed(items, name);
  }
}
