/**
 * The first step of `data prepare`: reads and filters a unit. Its files are
 *
 * - `items`: a line per document that stays or item that was dropped, in their order;
 * - `texts`: the texts of the documents, end to end;
 * - `unedited`: the texts before filters edited them, where decontamination reads these;
 * - `rejected`: a line per document that a filter rejected, behind the name of the rule.
 */
import { createHash } from 'node:crypto';
import { AthanorError } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import type { CorpusOptions } from '../corpus/corpus.ts';
import { type CorpusItem, type Dropped, describeDropped, isBad } from '../document.ts';
import type { FilterChain, FunnelStep } from '../filters/filter-documents.ts';
import { filtered } from './filtering.ts';
import type { DoneRecord, PartialFolder } from './partial-folder.ts';
import { PieceWriter } from './piece-files.ts';
import { readUnit, type WorkUnit } from './plan.ts';
import { addRead, type CorpusStatistics, newStatistics } from './statistics.ts';

/** What is done to a unit. All of it can be sent to a thread. */
export interface UnitReading extends CorpusOptions {
  onBadLine: 'skip' | 'fail';
  /** Whether texts are kept as they were before filters edited them. */
  keepsUnedited?: boolean;
}

/** A line of `items`. */
export type UnitItem = { dropped: Dropped } | UnitDocument;

interface UnitDocument {
  id: string;
  source: string;
  /** The programming language of source code. */
  language?: string;
  bytes: number;
  sha256: string;
  /** Bytes of its text in `unedited`. */
  unedited?: number;
}

/** What is known of a unit that was filtered. */
export type UnitSummary = {
  /** Documents that were read, and their bytes of text. */
  documents: number;
  bytes: number;
  /** Documents that stay. */
  kept: number;
  kept_bytes: number;
  /** Lines and files that could not be used. */
  bad: number;
  funnel: FunnelStep[];
  statistics: CorpusStatistics;
};

/**
 * Throws ERR_FORMAT for a bad line with onBadLine 'fail', and the errors of reading and writing.
 * @param onItem is called behind each item with its bytes of text, and may wait or throw
 */
export async function filterUnit(
  folder: PartialFolder,
  index: number,
  unit: WorkUnit,
  reading: UnitReading,
  chain: FilterChain,
  onItem: (bytes: number) => Promise<void> | undefined = () => undefined,
): Promise<UnitSummary> {
  const writer = (ending: string) => new PieceWriter(folder.file(index, 'filtered', ending));
  const [items, texts, rejected] = [writer('items'), writer('texts'), writer('rejected')];
  const unedited = writer('unedited');
  const counts = { documents: 0, bytes: 0, kept: 0, kept_bytes: 0, bad: 0 };
  const summary: UnitSummary = { ...counts, funnel: [], statistics: newStatistics() };
  chain.reset();
  const reject = (rule: string, row: object) => rejected.write(`${rule}\t${JSON.stringify(row)}\n`);
  try {
    for await (const item of readUnit(unit, reading)) {
      const rest = 'document' in item ? filtered(item.document, chain, reject) : item;
      if ('dropped' in rest && isBad(rest.dropped.reason)) {
        if (reading.onBadLine === 'fail') throw badLine(rest.dropped);
        summary.bad += 1;
      }
      summary.kept_bytes += add(rest, { items, texts, unedited }, reading);
      const bytes = 'document' in item ? Buffer.byteLength(item.document.text) : 0;
      summary.bytes += bytes;
      if ('document' in item) {
        summary.documents += 1;
        addRead(summary.statistics, item.document, bytes);
      }
      if ('document' in rest) summary.kept += 1;
      const pause = onItem(bytes);
      if (pause) await pause;
    }
    summary.funnel = structuredClone([...chain.funnel]);
    summary.statistics.measures = chain.measures;
    const files = {
      items: items.finish(),
      texts: texts.finish(),
      rejected: rejected.finish(),
      unedited: unedited.finish(),
    };
    folder.writeRecord(index, 'filtered', { files, summary: summary as JsonObject });
    return summary;
  } finally {
    for (const file of [items, texts, rejected, unedited]) file.abandon();
  }
}

export const summaryOf = (record: DoneRecord) => record.summary as UnitSummary;

/** Returns the bytes of text that stay. */
function add(
  item: CorpusItem,
  { items, texts, unedited }: Readonly<Record<'items' | 'texts' | 'unedited', PieceWriter>>,
  { keepsUnedited = false }: UnitReading,
): number {
  if ('dropped' in item) {
    items.write(`${JSON.stringify(item satisfies UnitItem)}\n`);
    return 0;
  }
  const { id, source, language, text } = item.document;
  const bytes = Buffer.from(text);
  texts.write(bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const row: UnitDocument = { id, source, ...(language && { language }), bytes: bytes.length, sha256 };
  if (keepsUnedited && item.unedited !== undefined) {
    const before = Buffer.from(item.unedited);
    unedited.write(before);
    row.unedited = before.length;
  }
  items.write(`${JSON.stringify(row)}\n`);
  return bytes.length;
}

function badLine(dropped: Dropped): AthanorError {
  const remedy = 'correct it, or leave such lines out with `onBadLine` skip';
  return new AthanorError('ERR_FORMAT', describeDropped(dropped), remedy);
}

/** What the filters did to all units. */
export function addFunnels(funnels: readonly (readonly FunnelStep[])[]): FunnelStep[] {
  const [first = [], ...others] = funnels;
  const sum = first.map((step) => ({ ...step, rejected: { ...step.rejected } }));
  for (const funnel of others) {
    for (const [i, step] of funnel.entries()) {
      const total = sum[i]!;
      for (const key of ['documents_in', 'documents_out', 'bytes_in', 'bytes_out'] as const) {
        total[key] += step[key];
      }
      for (const [rule, count] of Object.entries(step.rejected)) {
        total.rejected[rule] = (total.rejected[rule] ?? 0) + count;
      }
    }
  }
  return sum;
}
