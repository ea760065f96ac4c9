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
import { unpackedName } from '../formats/byte-stream.ts';
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

/** The least and the most input of a unit, by default. */
const [LEAST_UNIT_BYTES, MOST_UNIT_BYTES] = [1 << 20, 16 << 20];
/** Smaller units than the most come at least in this number, so that threads end together. */
const ENOUGH_UNITS = 64;
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
  const { unitBytes } = options;
  const units = new UnitList(unitBytes ?? LEAST_UNIT_BYTES, unitBytes ?? MOST_UNIT_BYTES);
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
      // The place of a copy says nothing of the input.
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

const isCompressed = (file: string) => unpackedName(file) !== file || /\.parquet$/i.test(file);

/** Units that grow with the input, so that small inputs have many and large ones not too many. */
class UnitList {
  readonly #most: number;
  #least: number;
  #units: (WorkUnit & { isAlone?: boolean })[] = [];
  #open: WorkUnit = { bytes: 0, parts: [] };
  #weight = 0;

  constructor(leastBytes: number, mostBytes: number) {
    this.#least = leastBytes;
    this.#most = mostBytes;
  }

  /** The input of a unit, as far as units have grown. */
  get leastBytes(): number {
    return this.#least;
  }

  add(part: UnitPart, bytes: number): void {
    addPart(this.#open.parts, part);
    this.#open.bytes += bytes;
    const factor = isCompressed(part.file ?? '') ? EXPANSION : 1;
    this.#weight += Math.max(bytes * factor, LEAST_FILE_BYTES);
    if (this.#weight >= this.#least) this.#close();
  }

  addAlone(part: UnitPart): void {
    this.#close();
    this.#units.push({ bytes: 0, parts: [part], isAlone: true });
  }

  finish(): WorkUnit[] {
    this.#close();
    return this.#units.map(({ bytes, parts }) => ({ bytes, parts }));
  }

  #close(): void {
    if (this.#open.parts.length > 0) this.#units.push(this.#open);
    this.#open = { bytes: 0, parts: [] };
    this.#weight = 0;
    while (this.#units.length >= 2 * ENOUGH_UNITS && this.#least < this.#most) this.#grow();
  }

  #grow(): void {
    this.#least = Math.min(2 * this.#least, this.#most);
    const units = this.#units;
    this.#units = [];
    for (let i = 0; i < units.length; i++) {
      const [unit, next] = [units[i]!, units[i + 1]];
      const isPair = next && !unit.isAlone && !next.isAlone;
      this.#units.push(isPair ? together(unit, next) : unit);
      if (isPair) i += 1;
    }
  }
}

function together(first: WorkUnit, second: WorkUnit): WorkUnit {
  const parts = [...first.parts];
  for (const part of second.parts) addPart(parts, part);
  return { bytes: first.bytes + second.bytes, parts };
}

/** Ranges that follow each other become one. */
function addPart(parts: UnitPart[], part: UnitPart): void {
  const last = parts.at(-1);
  const [before, range] = [last?.range, part.range];
  const isSameFile = last?.file === part.file && last?.source === part.source;
  if (before && range && isSameFile && before.end === range.start) {
    parts[parts.length - 1] = { ...part, range: { ...before, end: range.end } };
  } else {
    parts.push(part);
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
