/**
 * Comparisons of completions of one prompt: pairs, rankings, or pairs of transcripts as in HH-RLHF.
 */
import { isDeepStrictEqual } from 'node:util';
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { Message, TemplateInputs } from '../../text/chat-template.ts';
import { kindOf } from '../corpus/json-lines.ts';
import {
  answerOf,
  BadRow,
  has,
  messagesOf,
  promptOf,
  type RowOptions,
  type RowsRead,
  readRows,
  textOf,
} from './rows.ts';
import { INPUT_FIELDS, inputsOf } from './template-inputs.ts';

/** Two or more completions of a prompt and their order. */
export interface Comparison {
  /** File and line. */
  id: string;
  /** Ends with the user's turn. */
  prompt: Message[];
  completions: string[];
  /** Other fields of each completion for the template; missing when all are plain texts. */
  completionFields?: (JsonObject | undefined)[];
  inputs?: TemplateInputs;
  /** The rank of each completion. 0 is the best; equal ranks are ties. */
  ranks: number[];
  /** The lead that the first should have over the second, if a pair gives one. */
  margin?: number;
}

/** The index of the better completion and that of the worse one. */
export type RankedPair = readonly [better: number, worse: number];

/** All pairs of a comparison except ties. */
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
 * Reads comparisons. A row has `prompt`, `chosen` and `rejected`, or `prompt` and `completions`
 * (best first, or with `ranks` or `scores`), or `chosen` and `rejected` as whole transcripts.
 * Identical completions are merged and get the best of their ranks. A row without any order is
 * dropped as a tie, a repeated row as a duplicate. Throws as readRows does.
 */
export function readComparisons(path: string, options?: RowOptions): Promise<RowsRead<Comparison>> {
  const seen = new Set<string>();
  return readRows(
    path,
    (row, id, counts) => {
      const parsed = comparisonOf(row);
      const comparison = { id, ...withoutRepeats(parsed) };
      const { prompt, completions, completionFields, inputs, ranks } = comparison;
      const pairs = rankedPairs(comparison).length;
      if (pairs === 0) throw new BadRow('no completion is better than another', 'tie');
      const key = JSON.stringify([prompt, completions, ranks, completionFields, inputs]);
      if (seen.has(key)) throw new BadRow('the same comparison came before', 'duplicate');
      seen.add(key);
      counts.change('repeated completions merged', parsed.completions.length - completions.length);
      counts.change('tied pairs left out', (completions.length * (completions.length - 1)) / 2 - pairs);
      return comparison;
    },
    options,
    fields,
  );
}

const fields = ['prompt', 'chosen', 'rejected', 'completions', 'ranks', 'scores', 'margin', ...INPUT_FIELDS];

type Parsed = Omit<Comparison, 'id'>;

/** The comparison of a row, with repeated completions. Throws BadRow. */
export function comparisonOf(row: JsonObject): Omit<Comparison, 'id'> {
  return { ...compared(row), ...inputsOf(row) };
}

function compared(row: JsonObject): Parsed {
  if (has(row, 'completions')) return ranking(row);
  if (!(has(row, 'chosen') && has(row, 'rejected'))) {
    throw new BadRow('it has neither chosen and rejected nor completions');
  }
  const margin = has(row, 'margin') ? { margin: marginOf(row.margin!) } : {};
  if (has(row, 'prompt')) {
    const prompt = promptOf(row.prompt, 'prompt');
    const completions = ['chosen', 'rejected'].map((key) => answerTo(prompt, row, key));
    return { prompt, ...answers(completions), ranks: [0, 1], ...margin };
  }
  const [chosen, rejected] = [transcript(row, 'chosen'), transcript(row, 'rejected')];
  const prompt = chosen.slice(0, -1);
  if (!isDeepStrictEqual(prompt, rejected.slice(0, -1))) {
    throw new BadRow('chosen and rejected differ before their last turn, so they answer different prompts');
  }
  return {
    prompt,
    ...answers([chosen.at(-1)!, rejected.at(-1)!]),
    ranks: [0, 1],
    ...margin,
  };
}

function answers(messages: readonly Message[]): Pick<Comparison, 'completions' | 'completionFields'> {
  const completions = messages.map(({ content }) => content);
  if (messages.every((message) => message.fields === undefined)) return { completions };
  return { completions, completionFields: messages.map((message) => message.fields) };
}

function marginOf(value: JsonValue): number {
  if (typeof value === 'number' && value >= 0) return value;
  throw new BadRow(
    `"margin" is ${typeof value === 'number' ? value : kindOf(value)}, not a number of at least 0`,
  );
}

function ranking(row: JsonObject): Parsed {
  const prompt = promptOf(row.prompt, 'prompt');
  const { completions } = row;
  if (!Array.isArray(completions)) throw new BadRow(`"completions" is ${kindOf(completions)}, not a list`);
  const texts = completions.map((completion, i) => textOf(completion, `completion ${i + 1}`));
  if (texts.length < 2) throw new BadRow('a ranking needs at least two completions');
  return { prompt, completions: texts, ranks: ranksOf(row, texts.length) };
}

/** The number of better completions of each one, so equal ones are ties. */
function ranksOf(row: JsonObject, count: number): number[] {
  if (has(row, 'scores')) {
    const scores = numbers(row.scores!, 'scores', count);
    return scores.map((score) => scores.filter((other) => other > score).length);
  }
  if (!has(row, 'ranks')) return Array.from({ length: count }, (_, i) => i);
  const ranks = numbers(row.ranks!, 'ranks', count);
  return ranks.map((rank) => ranks.filter((other) => other < rank).length);
}

function numbers(value: JsonValue, key: string, count: number): number[] {
  if (!Array.isArray(value) || value.length !== count || !value.every((n) => Number.isFinite(n))) {
    throw new BadRow(`"${key}" is not a list of ${count} numbers, one per completion`);
  }
  return value as number[];
}

/** An answer, or a whole dialogue that begins with the prompt and ends with the answer. */
function answerTo(prompt: readonly Message[], row: JsonObject, key: string): Message {
  const value = row[key];
  if (!Array.isArray(value) || value.length < 2) return answerOf(row, key);
  const messages = transcript(row, key);
  if (!isDeepStrictEqual(messages.slice(0, -1), prompt)) {
    throw new BadRow(`"${key}" does not begin with the messages of "prompt"`);
  }
  return messages.at(-1)!;
}

/** A whole dialogue that ends with the answer: messages, or "\n\nHuman: … \n\nAssistant: …". */
function transcript(row: JsonObject, key: string): Message[] {
  const value = row[key];
  const messages =
    typeof value === 'string' ? messagesOf(humanAssistant(value, key), key) : messagesOf(value, key);
  if (messages.at(-1)!.role !== 'assistant') throw new BadRow(`"${key}" does not end with an answer`);
  return messages;
}

function humanAssistant(text: string, key: string): JsonValue[] {
  const [before, ...parts] = `\n\n${text.trim()}`.split(/\n\n(Human|Assistant):/);
  if (parts.length === 0) {
    throw new BadRow(`"${key}" has no turns of "Human:" and "Assistant:", and the row has no prompt`);
  }
  if (before !== '') throw new BadRow(`"${key}" begins with text before the first turn`);
  const messages: JsonValue[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    messages.push({ role: parts[i] === 'Human' ? 'user' : 'assistant', content: parts[i + 1]!.trim() });
  }
  return messages;
}

/** Merges equal completions. The one with the best rank stays. */
function withoutRepeats(parsed: Parsed): Parsed {
  const { completions, completionFields, ranks } = parsed;
  const best = new Map<string, number>();
  completions.forEach((text, i) => {
    const said = JSON.stringify([text, completionFields?.[i]]);
    const before = best.get(said);
    if (before === undefined || ranks[i]! < ranks[before]!) best.set(said, i);
  });
  const kept = [...best.values()].sort((a, b) => a - b);
  return {
    ...parsed,
    completions: kept.map((i) => completions[i]!),
    ...(completionFields && { completionFields: kept.map((i) => completionFields[i]) }),
    ranks: kept.map((i) => ranks[i]!),
  };
}
