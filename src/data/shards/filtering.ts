/**
 * The filters of one pass of `data prepare`. In the pass that writes, rejected documents go to the
 * folder `rejected`, a file per rule.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import { isRecord, jsonLines } from '../corpus/json-lines.ts';
import { documentOf } from '../corpus/jsonl-documents.ts';
import type { CorpusItem, Document } from '../document.ts';
import type { Rejection } from '../filters/filter.ts';
import type { FilterChain, FunnelStep } from '../filters/filter-documents.ts';
import { JsonlLog } from '../jsonl-log.ts';

const REJECTED = 'rejected';

/** A line of `rejected/RULE.jsonl`. `rule` is the file's name: filter and rule. */
export type RejectedDocument = {
  id: string;
  source: string;
  rule: string;
  value: number;
  threshold: number;
  found?: string;
  text: string;
};

/** `gopher-quality.min-words` */
const fullName = ({ filter, rule }: Rejection) => `${filter}.${rule}`;

export class FilterPass {
  readonly #chain: FilterChain;
  readonly #folder: string | undefined;
  readonly #logs = new Map<string, JsonlLog>();

  /** @param folder the folder that is being made, in the pass that writes */
  constructor(chain: FilterChain, folder?: string) {
    this.#chain = chain;
    this.#folder = folder;
  }

  /** Documents and bytes before and after each filter. */
  get funnel(): readonly FunnelStep[] {
    return this.#chain.funnel;
  }

  /** Documents that filters let through, and dropped items for the others. */
  async *step(items: AsyncIterable<CorpusItem>): AsyncGenerator<CorpusItem> {
    for await (const item of items) yield 'document' in item ? this.#filter(item.document) : item;
  }

  /** Completes the files. Throws ERR_DISK_FULL or ERR_IO. */
  close(): void {
    for (const log of this.#logs.values()) log.close();
  }

  /** Closes the files without completing them. */
  abandon(): void {
    for (const log of this.#logs.values()) log.abandon();
  }

  #filter(document: Document): CorpusItem {
    const result = this.#chain.apply(document);
    // C4 may take every line away.
    if ('document' in result) return documentOf(result.document);
    const { rejection } = result;
    this.#log(document, rejection);
    const rule = fullName(rejection);
    const { value, threshold } = rejection;
    return {
      dropped: { id: document.id, reason: 'rejected', detail: `${rule} ${value}, threshold ${threshold}` },
    };
  }

  #log({ id, source, text }: Document, rejection: Rejection): void {
    if (this.#folder === undefined) return;
    const rule = fullName(rejection);
    const log = this.#logs.get(rule) ?? new JsonlLog(join(this.#folder, REJECTED, `${rule}.jsonl`));
    this.#logs.set(rule, log);
    const { filter: _, ...measured } = rejection;
    const row: RejectedDocument = { id, source, ...measured, rule, text };
    log.add(row);
  }
}

/** The numbers of rejected documents by `filter.rule`. */
export function rejectedByRule(funnel: readonly FunnelStep[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { filter, rejected } of funnel) {
    for (const [rule, count] of Object.entries(rejected)) {
      counts[`${filter}.${rule}`] = (counts[`${filter}.${rule}`] ?? 0) + count;
    }
  }
  return counts;
}

/** The rules that have a file of rejected documents in a folder of token shards, in name order. */
export function rejectingRules(folder: string): string[] {
  const path = join(folder, REJECTED);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => name.slice(0, -'.jsonl'.length))
    .sort();
}

/**
 * The first `most` documents that a rule rejected. Throws ERR_OPTION for a rule without a file, and
 * ERR_FILE_DAMAGED for a line that is no rejected document.
 */
export async function rejectedExamples(
  folder: string,
  rule: string,
  most: number,
): Promise<RejectedDocument[]> {
  const rules = rejectingRules(folder);
  if (!rules.includes(rule)) {
    const remedy = rules.length > 0 ? `name one of ${rules.join(', ')}` : 'prepare it with `filters`';
    throw new AthanorError('ERR_OPTION', `${folder} has no documents that ${rule} rejected`, remedy);
  }
  const file = join(folder, REJECTED, `${rule}.jsonl`);
  const examples: RejectedDocument[] = [];
  if (most === 0) return examples;
  for await (const line of jsonLines(file)) {
    if ('dropped' in line || !isRejected(line.value)) {
      const place = 'dropped' in line ? line.dropped.id : line.id;
      const what = `${place} is not a rejected document`;
      throw new AthanorError('ERR_FILE_DAMAGED', what, 'run athanor data prepare again');
    }
    examples.push(line.value);
    if (examples.length === most) break;
  }
  return examples;
}

function isRejected(value: unknown): value is RejectedDocument {
  if (!isRecord(value)) return false;
  const texts = [value.id, value.source, value.rule, value.text];
  return texts.every((text) => typeof text === 'string') && typeof value.value === 'number';
}
