/** POST /v1/completions */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import { badValue } from '../protocol/api-error.ts';
import type { PromptInput } from '../protocol/messages.ts';
import {
  booleanField,
  customField,
  type Field,
  ignoredField,
  integerField,
  readFields,
  unsupportedField,
} from './fields.ts';
import {
  type GenerationRequest,
  includesUsage,
  samplingFields,
  samplingOf,
  userOf,
} from './generation-request.ts';
import { MAX_TOP, type RequestLimits } from './limits.ts';

/** Of the OpenAI API. */
const DEFAULT_MAX_TOKENS = 16;

export function completionFields(limits: RequestLimits) {
  return {
    ...samplingFields(limits),
    prompt: promptField(limits),
    max_tokens: integerField(
      `Largest number of new tokens, cut to what fits the context. Default ${DEFAULT_MAX_TOKENS}.`,
      { min: 0 },
    ),
    echo: booleanField('Begin the text with the prompt. With logprobs also score the prompt.'),
    logprobs: logprobsField(),
    best_of: integerField('Must be equal to n.', { min: 1 }),
    suffix: unsupportedField('text after the completion', ['']),
    add_special_tokens: ignoredField('A prompt gets no tokens besides its own.'),
  };
}

/** Throws ApiError of status 400. */
export function readCompletionRequest(
  fields: ReturnType<typeof completionFields>,
  body: JsonValue,
): GenerationRequest {
  const values = readFields(fields, body);
  const { n = 1, max_tokens = DEFAULT_MAX_TOKENS, echo = false, logprobs, stream = false } = values;
  if (values.prompt === undefined) throw badValue('prompt', 'prompt is missing', 'missing_parameter');
  if (values.best_of !== undefined && values.best_of !== n) {
    throw badValue(
      'best_of',
      'this server supports best_of only if it is equal to n',
      'unsupported_parameter',
    );
  }
  if (max_tokens === 0 && !echo) throw badValue('max_tokens', 'max_tokens is 0, and echo is not set');
  return {
    model: values.model,
    prompts: values.prompt,
    n,
    maxTokens: Math.max(1, max_tokens),
    dropTokens: max_tokens === 0,
    checks: [],
    job: {
      sampling: samplingOf(values),
      stopStrings: values.stop ?? [],
      ends: values.ignore_eos ? 'never' : 'text',
      skipSpecial: false,
      topLogProbs: logprobs,
      reportPrompt: echo && logprobs !== undefined,
      echo,
    },
    user: userOf(values),
    stream,
    includeUsage: includesUsage(values),
  };
}

/** A number of likeliest tokens. Clients of the chat API send true, which means 1. */
function logprobsField(): Field<number | undefined> {
  const description =
    'Give the log-probability of each token, and those of this many likeliest tokens; true is 1.';
  const schema: JsonObject = {
    description,
    anyOf: [{ type: 'integer', minimum: 0, maximum: MAX_TOP }, { type: 'boolean' }],
  };
  return customField(schema, (value, param) => {
    if (typeof value === 'boolean') return value ? 1 : undefined;
    if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= MAX_TOP) {
      return value as number;
    }
    throw badValue(param, `${param} must be an integer from 0 to ${MAX_TOP}`);
  });
}

function promptField({ maxPrompts }: RequestLimits): Field<PromptInput[]> {
  const ids: JsonObject = { type: 'array', items: { type: 'integer', minimum: 0 } };
  const schema: JsonObject = {
    description: `The text or token ids to continue, or a list of up to ${maxPrompts} of either.`,
    anyOf: [
      { type: 'string' },
      ids,
      { type: 'array', items: { type: 'string' }, maxItems: maxPrompts },
      { type: 'array', items: ids, maxItems: maxPrompts },
    ],
  };
  return customField(schema, (value, param) => {
    const isIds = Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'number');
    const prompts = Array.isArray(value) && !isIds ? value : [value];
    if (prompts.length === 0) throw badValue(param, `${param} is empty`);
    if (prompts.length > maxPrompts) {
      throw badValue(param, `${param} has ${prompts.length} prompts; at most ${maxPrompts} are allowed`);
    }
    return prompts.map((prompt) => promptInput(prompt, param));
  });
}

function promptInput(prompt: JsonValue, param: string): PromptInput {
  if (typeof prompt === 'string') return { kind: 'text', text: prompt };
  return { kind: 'tokens', tokens: tokenIds(prompt, param) };
}

/** A list of token ids. Throws ApiError of status 400. */
export function tokenIds(value: JsonValue, param: string): number[] {
  if (!Array.isArray(value)) {
    throw badValue(param, `${param} must be a string, a list of strings, or a list of token ids`);
  }
  return value.map((id) => {
    if (Number.isSafeInteger(id) && (id as number) >= 0 && (id as number) < 2 ** 31) return id as number;
    throw badValue(param, `${param} must hold token ids, not ${JSON.stringify(id).slice(0, 40)}`);
  });
}
