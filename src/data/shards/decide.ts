/**
 * The second step of `data prepare`: which documents stay, in which split and order. It looks at
 * all units in order, so one rank does it. Its files are `decided/UNIT.jsonl`, a line per document
 * that stays. A line has the number of the document in its unit, or its text where the document
 * was shortened or is of an earlier unit.
 */
import { join } from 'node:path';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import type { JsonObject } from '../../base/json.ts';
import { JsonlLog } from '../jsonl-log.ts';
import {
  type DecontaminationReport,
  Deduplication,
  type DedupOptions,
  type DedupPass,
  type DedupReport,
} from './deduplication.ts';
import { type ChoiceOptions, DocumentFilter } from './document-filter.ts';
import { type FilteredItem, filteredItems } from './filtered-corpus.ts';
import { rejectedFile } from './filtering.ts';
import type { Split } from './manifest.ts';
import type { PartialFolder } from './partial-folder.ts';
import {
  areIntact,
  isIntact,
  PieceReader,
  type PieceRecord,
  PieceWriter,
  recordsBelow,
} from './piece-files.ts';
import type { PlacedDocument } from './splitter.ts';

/** A document that stays. */
export type DecidedDocument =
  | { index: number; split: Split }
  | { split: Split; source: string; text: string };

/** What is known of the whole corpus then. */
export type Decisions = {
  /** Digests of the files by unit, and of what lies in the result by name. */
  units: PieceRecord[];
  results: Record<string, PieceRecord>;
  dropped: Record<string, number>;
  dedup: DedupReport;
  decontamination: DecontaminationReport | null;
  documents: number;
  bytes: number;
};

export interface DecideOptions extends ChoiceOptions, DedupOptions {
  /** Called with the bytes of text of each document of a pass. */
  onDocument(phase: 'looking for duplicates' | 'choosing', bytes: number): void;
}

const RECORD = 'decided.json';
const DROPPED_LOG = 'dropped.jsonl';
/** Text after which other events get a turn. */
const YIELD_CHARS = 1 << 20;

/** The decisions of an earlier run, if they are complete and intact. */
export function readDecisions(folder: PartialFolder, units: number): Decisions | undefined {
  const found = folder.read(RECORD) as Decisions | undefined;
  if (found?.units?.length !== units || !found.results) return undefined;
  const intact =
    found.units.every((record, unit) => isIntact(folder.file(unit, 'decided', 'jsonl'), record)) &&
    areIntact(folder.result, found.results);
  return intact ? found : undefined;
}

/**
 * Decides on all documents. Throws the errors of Deduplication, DocumentFilter and of writing.
 */
export async function decide(
  folder: PartialFolder,
  units: number,
  options: DecideOptions,
): Promise<Decisions> {
  folder.clear(folder.result, folder.scratch);
  const folders = { folder: folder.result, scratch: folder.scratch };
  const dedup = await Deduplication.begin(options, folders);
  try {
    await dedup.survey((pass) => survey(folder, units, pass, options));
    const decisions = await choose(folder, units, dedup.pass(true), options);
    copyRejected(folder, units);
    decisions.results = recordsBelow(folder.result);
    folder.write(RECORD, decisions as JsonObject);
    return decisions;
  } finally {
    dedup.close();
  }
}

async function* survey(folder: PartialFolder, units: number, pass: DedupPass, options: DecideOptions) {
  const quiet = { ...options, onDropped: undefined };
  for await (const document of new DocumentFilter(items(folder, units), pass, quiet).remaining()) {
    options.onDocument('looking for duplicates', Buffer.byteLength(document.text));
    yield document;
  }
}

/** Other events get a turn now and then, such as an interruption. */
async function* items(folder: PartialFolder, units: number): AsyncGenerator<FilteredItem> {
  let chars = 0;
  for (const item of filteredItems(folder, units)) {
    yield item;
    chars += 'document' in item ? item.document.text.length : 0;
    if (chars < YIELD_CHARS) continue;
    chars = 0;
    await yieldToEvents();
  }
}

async function choose(
  folder: PartialFolder,
  units: number,
  pass: DedupPass,
  options: DecideOptions,
): Promise<Decisions> {
  const log = new JsonlLog(join(folder.result, DROPPED_LOG));
  const writer = new DecisionWriter(folder, units);
  const onDropped: ChoiceOptions['onDropped'] = (dropped) => {
    log.add(dropped);
    options.onDropped?.(dropped);
  };
  const filter = new DocumentFilter(items(folder, units), pass, { ...options, onDropped });
  let [documents, bytes] = [0, 0];
  try {
    for await (const document of filter.documents()) {
      const size = Buffer.byteLength(document.text);
      documents += 1;
      bytes += size;
      options.onDocument('choosing', size);
      writer.add(document);
    }
    const records = writer.finish();
    log.close();
    pass.close();
    const decontamination = pass.decontamination() ?? null;
    const { dropped } = filter;
    return { units: records, results: {}, dropped, dedup: pass.report, decontamination, documents, bytes };
  } finally {
    writer.abandon();
    log.abandon();
    pass.abandon();
  }
}

/** Appends what filters rejected in each unit to the files of the rules. */
function copyRejected(folder: PartialFolder, units: number): void {
  const logs = new Map<string, JsonlLog>();
  try {
    for (let unit = 0; unit < units; unit++) {
      using lines = new PieceReader(folder.file(unit, 'filtered', 'rejected'));
      for (let line = lines.line(); line !== undefined; line = lines.line()) {
        const tab = line.indexOf('\t');
        const rule = line.slice(0, tab);
        const log = logs.get(rule) ?? new JsonlLog(join(folder.result, rejectedFile(rule)));
        logs.set(rule, log);
        log.addLine(line.slice(tab + 1));
      }
    }
    for (const log of logs.values()) log.close();
  } finally {
    for (const log of logs.values()) log.abandon();
  }
}

/** Writes the decisions into the files of units. */
class DecisionWriter {
  readonly #folder: PartialFolder;
  readonly #units: number;
  readonly #records: PieceRecord[] = [];
  #writer: PieceWriter;

  constructor(folder: PartialFolder, units: number) {
    this.#folder = folder;
    this.#units = units;
    this.#writer = this.#open(0);
  }

  add({ unit, index, isEdited, split, source, text }: PlacedDocument): void {
    while (this.#records.length < unit) this.#next();
    const isHere = unit === this.#records.length && !isEdited;
    const row: DecidedDocument = isHere ? { index, split } : { split, source, text };
    this.#writer.write(`${JSON.stringify(row)}\n`);
  }

  /** Completes the files. */
  finish(): PieceRecord[] {
    while (this.#records.length < this.#units - 1) this.#next();
    return [...this.#records, this.#writer.finish()];
  }

  abandon(): void {
    this.#writer.abandon();
  }

  #next(): void {
    this.#records.push(this.#writer.finish());
    this.#writer = this.#open(this.#records.length);
  }

  #open(unit: number): PieceWriter {
    return new PieceWriter(this.#folder.file(unit, 'decided', 'jsonl'));
  }
}

/** The decisions on a unit. Throws the errors of reading. */
export function* decidedDocuments(folder: PartialFolder, unit: number): Generator<DecidedDocument> {
  using lines = new PieceReader(folder.file(unit, 'decided', 'jsonl'));
  for (let line = lines.line(); line !== undefined; line = lines.line()) {
    yield JSON.parse(line) as DecidedDocument;
  }
}
