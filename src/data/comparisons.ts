/** Comparisons of completions of one prompt, best first: pairs, rankings, or HH-RLHF's pairs of transcripts. */
import type { JsonObject, JsonValue } from '../native/json.ts';
import type { Message } from '../text/chat-template.ts';
import { isRecord, kindOf } from './json-lines.ts';
import { BadRow, messagesOf, promptOf, type RowOptions, type RowsRead, readRows, textField } from './rows.ts';

export interface Comparison {
  /** File and line. */
  id: string;
  /** Ends with the user's turn. */
  prompt: Message[];
  completions: string[];
  /** Of each completion; 0 is the best, equal ones are ties. */
  ranks: number[];
  /** By how much the first should lead the second, of pairs that say so. */
  margin?: number;
}

/** Index of the better, index of the worse. */
export type RankedPair = readonly [better: number, worse: number];

/** All pairs of a comparison that are no tie. */
export function rankedPairs({ ranks }: Comparison): RankedPair[] {
  const pairs: RankedPair[] = [];
  ranks.forEach((a, i) => {
    ranks.forEach((b, j) => {
      if (a < b) pairs.push([i, j]);
    });
  });
  return pairs;
}

/**
 * Reads rows with `prompt`, `chosen`, `rejected`; `prompt` and `completions`, best first or with `ranks` or `scores`; or
 * `chosen` and `rejected` as whole transcripts. Identical completions are one; a row that has no order left is a tie; a
 * row that was there before is a duplicate. Throws as readRows does.
 */
export function readComparisons(path: string, options?: RowOptions): Promise<RowsRead<Comparison>> {
  const seen = new Set<string>();
  return readRows(
    path,
    (row, id) => {
      const comparison = withoutRepeats({ id, ...parse(row) });
      if (rankedPairs(comparison).length === 0)
        throw new BadRow('no completion is better than another', 'tie');
      const { prompt, completions, ranks } = comparison;
      const key = JSON.stringify([prompt, completions, ranks]);
      if (seen.has(key)) throw new BadRow('the same comparison was there before', 'duplicate');
      seen.add(key);
      return comparison;
    },
    options,
  );
}

type Parsed = Omit<Comparison, 'id'>;

function parse(row: JsonObject): Parsed {
  if ('completions' in row) return ranking(row);
  if (!('chosen' in row && 'rejected' in row)) {
    throw new BadRow('it has neither chosen and rejected nor completions');
  }
  const margin = row.margin;
  if (margin !== undefined && margin !== null && typeof margin !== 'number') {
    throw new BadRow(`"margin" is ${kindOf(margin)}, not a number`);
  }
  const extra = typeof margin === 'number' ? { margin } : {};
  if ('prompt' in row) {
    const prompt = promptOf(row.prompt, 'prompt');
    return { prompt, completions: [answer(row, 'chosen'), answer(row, 'rejected')], ranks: [0, 1], ...extra };
  }
  const [chosen, rejected] = [transcript(row, 'chosen'), transcript(row, 'rejected')];
  const prompt = chosen.slice(0, -1);
  if (JSON.stringify(prompt) !== JSON.stringify(rejected.slice(0, -1))) {
    throw new BadRow('chosen and rejected differ before their last turn, so they answer different prompts');
  }
  return { prompt, completions: [chosen.at(-1)!.content, rejected.at(-1)!.content], ranks: [0, 1], ...extra };
}

function ranking(row: JsonObject): Parsed {
  const prompt = promptOf(row.prompt, 'prompt');
  const { completions } = row;
  if (!Array.isArray(completions)) throw new BadRow(`"completions" is ${kindOf(completions)}, not a list`);
  const texts = completions.map((_, i) => textField({ text: completions[i]! }, 'text'));
  if (texts.length < 2) throw new BadRow('a ranking needs two completions at least');
  if (row.scores !== undefined) {
    const scores = numbers(row.scores, 'scores', texts.length);
    // The best is the highest, and equal scores are a tie: the rank is how many are higher.
    return {
      prompt,
      completions: texts,
      ranks: scores.map((score) => scores.filter((other) => other > score).length),
    };
  }
  const ranks = row.ranks === undefined ? texts.map((_, i) => i) : numbers(row.ranks, 'ranks', texts.length);
  return { prompt, completions: texts, ranks };
}

function numbers(value: JsonValue, key: string, count: number): number[] {
  if (!Array.isArray(value) || value.length !== count || !value.every((n) => Number.isFinite(n))) {
    throw new BadRow(`"${key}" is not a list of ${count} numbers, one a completion`);
  }
  return value as number[];
}

/** A text, or a list of messages that is the answer alone. */
function answer(row: JsonObject, key: string): string {
  const value = row[key];
  if (!Array.isArray(value)) return textField(row, key);
  const message = value.at(-1);
  if (!isRecord(message) || message.role !== 'assistant')
    throw new BadRow(`"${key}" does not end with an answer`);
  return textField(message, 'content');
}

/** A whole dialogue that ends with the answer: messages, or "\n\nHuman: … \n\nAssistant: …". */
function transcript(row: JsonObject, key: string): Message[] {
  const value = row[key];
  const messages = typeof value === 'string' ? humanAssistant(value, key) : messagesOf(value, key);
  if (messages.at(-1)?.role !== 'assistant') throw new BadRow(`"${key}" does not end with an answer`);
  return messages;
}

function humanAssistant(text: string, key: string): Message[] {
  const parts = `\n\n${text.trim()}`.split(/\n\n(Human|Assistant):/).slice(1);
  const messages: JsonValue[] = [];
  for (let i = 0; i + 1 < parts.length; i += 2) {
    messages.push({ role: parts[i] === 'Human' ? 'user' : 'assistant', content: parts[i + 1]!.trim() });
  }
  if (messages.length === 0) {
    throw new BadRow(`"${key}" has no turns of "Human:" and "Assistant:", and the row has no prompt`);
  }
  return messagesOf(messages, key);
}

/** Of completions that say the same, the best stays. */
function withoutRepeats(comparison: Comparison): Comparison {
  const best = new Map<string, number>();
  comparison.completions.forEach((text, i) => {
    const before = best.get(text);
    if (before === undefined || comparison.ranks[i]! < comparison.ranks[before]!) best.set(text, i);
  });
  const kept = [...best.values()].sort((a, b) => a - b);
  return {
    ...comparison,
    completions: kept.map((i) => comparison.completions[i]!),
    ranks: kept.map((i) => comparison.ranks[i]!),
  };
}
