/** What a row gives the chat template besides its messages, in the fields that TRL reads. */
import { type JsonObject, type JsonValue, parseJson } from '../../base/json.ts';
import type { TemplateInputs } from '../../text/chat-template.ts';
import { isRecord, kindOf } from '../corpus/json-lines.ts';
import { BadRow, has } from './rows.ts';

export const INPUT_FIELDS = ['tools', 'documents', 'chat_template_kwargs'] as const;

/** Nothing, for rows without such fields. Throws BadRow for fields of another type. */
export function inputsOf(row: JsonObject): { inputs?: TemplateInputs } {
  const inputs: TemplateInputs = {};
  if (has(row, 'tools')) inputs.tools = listOf(row.tools!, 'tools');
  if (has(row, 'documents')) inputs.documents = listOf(row.documents!, 'documents');
  if (has(row, 'chat_template_kwargs')) {
    const variables = row.chat_template_kwargs!;
    if (!isRecord(variables)) {
      throw new BadRow(`"chat_template_kwargs" is ${kindOf(variables)}, not an object`);
    }
    inputs.variables = variables;
  }
  return Object.keys(inputs).length === 0 ? {} : { inputs };
}

/** A list, or its JSON: tables cannot hold tools of different shapes otherwise. */
function listOf(value: JsonValue, key: string): JsonValue[] {
  const list = typeof value === 'string' ? parsed(value, key) : value;
  if (!Array.isArray(list)) throw new BadRow(`"${key}" is ${kindOf(list)}, not a list`);
  return list;
}

function parsed(text: string, key: string): JsonValue {
  try {
    return parseJson(text);
  } catch {
    throw new BadRow(`"${key}" is a text that is not JSON`);
  }
}
