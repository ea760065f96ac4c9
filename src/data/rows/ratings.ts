/** Single answers that are good or bad, as people rate a served assistant. */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { Message, TemplateInputs } from '../../text/chat-template.ts';
import { kindOf } from '../corpus/json-lines.ts';
import { comparisonOf } from './comparisons.ts';
import { answerOf, BadRow, has, promptOf, type RowOptions, type RowsRead, readRows } from './rows.ts';
import { INPUT_FIELDS, inputsOf } from './template-inputs.ts';

/** An answer to a prompt with its rating. */
export interface Rating {
  /** File and line. */
  id: string;
  /** Ends with the user's turn. */
  prompt: Message[];
  answer: Message;
  isGood: boolean;
  inputs?: TemplateInputs;
}

const fields = ['prompt', 'completion', 'label', 'chosen', 'rejected', 'paired', ...INPUT_FIELDS];

/**
 * Reads rows with `prompt`, `completion` and `label` (true or false, 1 or 0), as TRL's KTOTrainer
 * does. A row with `chosen` and `rejected` is a good and a bad answer. Throws as readRows does.
 */
export async function readRatings(path: string, options?: RowOptions): Promise<RowsRead<Rating>> {
  const { rows, counts } = await readRows(path, (row, id) => ratingsOf(row, id), options, fields);
  return { rows: rows.flat(), counts };
}

function ratingsOf(row: JsonObject, id: string): Rating[] {
  if (has(row, 'chosen') && has(row, 'rejected')) return pairOf(row, id);
  for (const key of ['prompt', 'completion']) if (!has(row, key)) throw new BadRow(`it has no ${key}`);
  const rating = { prompt: promptOf(row.prompt, 'prompt'), answer: answerOf(row, 'completion') };
  return [{ id, ...rating, isGood: labelOf(row.label), ...inputsOf(row) }];
}

function pairOf(row: JsonObject, id: string): Rating[] {
  const { prompt, completions, completionFields, inputs } = comparisonOf(row);
  return completions.map((content, i) => {
    const own = completionFields?.[i];
    const answer = { role: 'assistant', content, ...(own && { fields: own }) };
    return { id, prompt, answer, isGood: i === 0, ...(inputs && { inputs }) };
  });
}

function labelOf(value: JsonValue | undefined): boolean {
  if (typeof value === 'boolean') return value;
  if (value === 0 || value === 1) return value === 1;
  throw new BadRow(`"label" is ${typeof value === 'number' ? value : kindOf(value)}, not true or false`);
}
