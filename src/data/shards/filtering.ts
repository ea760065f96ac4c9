/** The documents that filters reject. They go to the folder `rejected`, a file per rule. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import { isRecord, jsonLines } from '../corpus/json-lines.ts';
import { documentOf } from '../corpus/jsonl-documents.ts';
import type { CorpusItem, Document } from '../document.ts';
import type { Rejection } from '../filters/filter.ts';
import type { FilterChain, FunnelStep } from '../filters/filter-documents.ts';

const REJECTED = 'rejected';

/** A line of `rejected/RULE.jsonl`. `rule` is the file's name: filter and rule. */
export type RejectedDocument = {
  id: string;
  source: string;
  /** The programming language of source code. */
  language?: string;
  rule: string;
  value: number;
  threshold: number;
  found?: string;
  text: string;
};

/** `gopher-quality.min-words` */
const fullName = ({ filter, rule }: Rejection) => `${filter}.${rule}`;

/**
 * What the filters leave of a document.
 * @param onRejected takes the line of a rejected one and the rule whose file it goes to
 */
export function filtered(
  document: Document,
  chain: FilterChain,
  onRejected: (rule: string, row: RejectedDocument) => void,
): CorpusItem {
  const result = chain.apply(document);
  // C4 may take every line away.
  if ('document' in result) {
    const item = documentOf(result.document);
    const isEdited = 'document' in item && item.document.text !== document.text;
    return isEdited ? { ...item, unedited: document.text } : item;
  }
  const { id, source, language, text } = document;
  const { filter: _, ...measured } = result.rejection;
  const rule = fullName(result.rejection);
  onRejected(rule, { id, source, ...(language && { language }), ...measured, rule, text });
  const { value, threshold } = measured;
  return { dropped: { id, reason: 'rejected', detail: `${rule} ${value}, threshold ${threshold}` } };
}

/** The file of what a rule rejected, below the folder of token shards. */
export const rejectedFile = (rule: string) => join(REJECTED, `${rule}.jsonl`);

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
