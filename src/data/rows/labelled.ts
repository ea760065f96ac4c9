/** Texts and dialogues with a label, for classifiers. */
import type { JsonObject } from '../../base/json.ts';
import type { Message } from '../../text/chat-template.ts';
import { kindOf } from '../corpus/json-lines.ts';
import { BadRow, has, messagesOf, type RowOptions, type RowsRead, readRows, textField } from './rows.ts';

/** A text or a dialogue, and whether it is of the class. */
export interface LabelledRow {
  /** File and line. */
  id: string;
  /** Undefined for a dialogue. */
  text: string | undefined;
  /** Undefined for a text. */
  messages: Message[] | undefined;
  label: boolean;
}

/** Options of reading labelled rows. */
export interface LabelledOptions extends RowOptions {
  /** The class, where labels are names of classes. */
  category?: string | undefined;
  /** Rows have a `score` in place of a label, and those of at least this one are of the class. */
  minScore?: number | undefined;
}

/**
 * Reads rows with `text` or `messages`, and `label`: 0 or 1, false or true, or with `category` the
 * name of a class or a list of them, where an empty one stands for none. With `minScore` a row has
 * a `score` in place of a label. Throws as readRows does.
 */
export function readLabelled(path: string, options: LabelledOptions = {}): Promise<RowsRead<LabelledRow>> {
  return readRows(path, (row, id) => ({ id, ...contentOf(row), label: labelOf(row, options) }), options, [
    'text',
    'messages',
    options.minScore === undefined ? 'label' : 'score',
  ]);
}

function contentOf(row: JsonObject): Pick<LabelledRow, 'text' | 'messages'> {
  if (has(row, 'messages')) return { text: undefined, messages: messagesOf(row.messages, 'messages') };
  if (has(row, 'text')) return { text: textField(row, 'text'), messages: undefined };
  const names = Object.keys(row).slice(0, 8).join(', ') || 'nothing';
  throw new BadRow(`it has ${names}; expected text or messages, and label`);
}

function labelOf({ label, score }: JsonObject, { category, minScore }: LabelledOptions): boolean {
  if (minScore !== undefined) {
    if (typeof score === 'number') return score >= minScore;
    throw new BadRow(`"score" is ${kindOf(score)}, not a number`);
  }
  if (typeof label === 'boolean') return label;
  if (label === 0 || label === 1) return label === 1;
  const names = Array.isArray(label) ? label : [label];
  if (label === undefined && typeof score === 'number') {
    throw new BadRow('it has a score and no label: say with `minScore` from which score it is of the class');
  }
  if (label === undefined || !names.every((name) => typeof name === 'string')) {
    throw new BadRow(`"label" is ${kindOf(label)}, not 0, 1 or the name of a class`);
  }
  if (category === undefined) {
    throw new BadRow('"label" is the name of a class: say with `category` which class to learn');
  }
  return names.includes(category);
}

/** The messages by which rows are told apart. */
export function contentMessages({ text, messages }: Pick<LabelledRow, 'text' | 'messages'>): Message[] {
  return messages ?? [{ role: 'user', content: text ?? '' }];
}
