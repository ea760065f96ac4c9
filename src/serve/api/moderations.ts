/** POST /v1/moderations: what the server's safety policy says of texts. */
import { randomBytes } from 'node:crypto';
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { ModerationScores } from '../../safety/checks.ts';
import { ApiError, badValue } from '../protocol/api-error.ts';
import { customField, type Field, isObject, readFields, stringField } from './fields.ts';
import type { RequestLimits } from './limits.ts';

/** UTF-16 units of all texts together: classifiers read all of them. */
const MOST_UNITS = 1 << 18;

export function moderationFields(limits: RequestLimits) {
  return {
    model: stringField('Any text: there is one policy.'),
    input: inputField(limits),
  };
}

/** The texts to check. Throws ApiError of status 400. */
export function readModeration(limits: RequestLimits, body: JsonValue): string[] {
  const { input } = readFields(moderationFields(limits), body);
  if (input === undefined) throw badValue('input', 'input is missing', 'missing_parameter');
  return input;
}

export function noPolicy(): ApiError {
  return new ApiError(404, 'moderation_off', 'this server has no safety policy: start it with --safety FILE');
}

/** Like OpenAI's, with the categories of the policy. */
export function moderationAnswer(policyHash: string, results: readonly ModerationScores[]): JsonObject {
  return {
    id: `modr-${randomBytes(12).toString('hex')}`,
    model: `policy-${policyHash.slice(0, 12)}`,
    results: results.map(({ flagged, categories, scores }) => ({
      flagged,
      categories,
      category_scores: scores,
      category_applied_input_types: Object.fromEntries(
        Object.keys(categories).map((name) => [name, ['text']]),
      ),
    })),
  };
}

/** A text, a list of texts, or the parts of one input, which are checked as one text. */
function inputField({ maxPrompts }: RequestLimits): Field<string[]> {
  const part: JsonObject = {
    type: 'object',
    required: ['type', 'text'],
    properties: { type: { const: 'text' }, text: { type: 'string' } },
  };
  const description = 'A text, a list of texts, or parts of type text that are one input.';
  const schema: JsonObject = {
    description,
    anyOf: [
      { type: 'string' },
      { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: maxPrompts },
      { type: 'array', items: part, minItems: 1, maxItems: maxPrompts },
    ],
  };
  return customField(schema, (value, param) => {
    const texts = textsOf(value, param, maxPrompts);
    const units = texts.reduce((sum, { length }) => sum + length, 0);
    if (units <= MOST_UNITS) return texts;
    throw badValue(param, `${param} has ${units} characters; at most ${MOST_UNITS} are allowed`);
  });
}

function textsOf(value: JsonValue, param: string, most: number): string[] {
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value) || value.length === 0) {
    throw badValue(param, `${param} must be a text, or a list that is not empty`);
  }
  if (value.length > most) {
    throw badValue(param, `${param} has ${value.length} entries; at most ${most} are allowed`);
  }
  if (value.every((one) => typeof one === 'string')) return value;
  return [value.map((one, i) => partText(one, `${param}[${i}]`)).join('\n\n')];
}

function partText(part: JsonValue, param: string): string {
  if (!isObject(part)) throw badValue(param, `${param} must be a part, as the first entry is`);
  if (part.type !== 'text') {
    const shown = JSON.stringify(part.type ?? null).slice(0, 60);
    throw badValue(param, `${param} has the type ${shown}; only text is supported`, 'unsupported_parameter');
  }
  if (typeof part.text !== 'string') throw badValue(`${param}.text`, `${param}.text must be a string`);
  return part.text;
}
