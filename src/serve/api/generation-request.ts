/** What chat and completions have in common: sampling, and the work that follows from a request. */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { SamplingOptions } from '../../generate/sampling.ts';
import { badValue } from '../protocol/api-error.ts';
import type { Job, PromptInput } from '../protocol/messages.ts';
import type { RuleCheck } from '../protocol/rule-messages.ts';
import {
  booleanField,
  customField,
  type Field,
  type FieldValues,
  ignoredField,
  integerField,
  isObject,
  numberField,
  objectField,
  stringField,
  unsupportedField,
} from './fields.ts';
import { MAX_BIASES, MAX_STOP_LENGTH, MAX_STOPS, type RequestLimits } from './limits.ts';
import { userField } from './user-field.ts';

/** A request that was read, and what it asks the engine for. */
export interface GenerationRequest {
  model: string | undefined;
  prompts: readonly PromptInput[];
  /** Choices per prompt. */
  n: number;
  /** Undefined: as many as fit. */
  maxTokens: number | undefined;
  /** Whether the generated token of `max_tokens` 0 is left out. */
  dropTokens: boolean;
  /** Rules that are to be checked before the engine has the job. */
  checks: readonly RuleCheck[];
  job: Omit<Job, 'prompt' | 'maxTokens' | 'stream' | 'record'>;
  /** The user that the request names. */
  user: string | undefined;
  stream: boolean;
  includeUsage: boolean;
}

export function samplingFields({ maxChoices }: RequestLimits) {
  return {
    model: stringField('Name of the model, as /v1/models gives it.'),
    n: integerField('Choices per prompt. Choice i draws from random stream i.', { min: 1, max: maxChoices }),
    stream: booleanField('Send the answer as server-sent events while it is generated.'),
    stream_options: objectField('Options of a stream.', {
      include_usage: booleanField('End the stream with a chunk that has the usage.'),
      include_obfuscation: ignoredField('Padding of chunks.'),
    }),
    stop: stopField(),
    seed: integerField(
      'Seed of the draws: the same request gives the same text, whatever else the server does. Default: random.',
    ),
    temperature: numberField('0 takes the likeliest token. Default 1.', { min: 0, max: 2 }),
    top_p: numberField('Draw from the smallest set of tokens with this probability. Default 1.', {
      min: 0,
      max: 1,
    }),
    top_k: integerField('Draw from the k likeliest tokens; 0 or -1: all. Default 0.', { min: -1 }),
    min_p: numberField('Draw from tokens with this share of the largest probability. Default 0.', {
      min: 0,
      max: 1,
    }),
    frequency_penalty: numberField('Subtracted from the logit of a token for each time it was drawn.', {
      min: -2,
      max: 2,
    }),
    presence_penalty: numberField('Subtracted from the logit of a token that was drawn.', {
      min: -2,
      max: 2,
    }),
    repetition_penalty: numberField(
      'Divides positive and multiplies negative logits of tokens in prompt or answer. Default 1.',
      { min: 0.01, max: 100 },
    ),
    logit_bias: biasField(),
    ignore_eos: booleanField('Go on at tokens that would end the text.'),
    user: userField('A name of the user, kept with the answer where feedback is collected.'),
    safety_identifier: userField('The newer name of user.'),
    metadata: ignoredField('Notes of the client.'),
    service_tier: unsupportedField('service tiers', ['auto', 'default']),
    store: unsupportedField('stored answers', [false]),
    prompt_cache_key: ignoredField('A hint for caches.'),
    prompt_cache_retention: ignoredField('A hint for caches.'),
  };
}

type SamplingValues = Pick<
  FieldValues<ReturnType<typeof samplingFields>>,
  | 'temperature'
  | 'top_p'
  | 'top_k'
  | 'min_p'
  | 'seed'
  | 'repetition_penalty'
  | 'frequency_penalty'
  | 'presence_penalty'
  | 'logit_bias'
>;

type StreamValues = Pick<FieldValues<ReturnType<typeof samplingFields>>, 'stream' | 'stream_options'>;

/** The part of a job that these fields decide. Throws ApiError of status 400. */
export function samplingOf(values: Partial<SamplingValues>): SamplingOptions {
  const { temperature = 1, top_p: topP = 1, top_k: topK = 0, seed, logit_bias: logitBias } = values;
  // Many clients send 0 for "off", which as a share of the probability would keep no token.
  if (topP === 0) throw badValue('top_p', 'top_p must be above 0; 1 turns it off');
  if (temperature > 0 && temperature < 1e-6) {
    throw badValue('temperature', 'temperature must be 0 or at least 0.000001');
  }
  return {
    ...{ temperature, topP, topK: Math.max(0, topK), minP: values.min_p ?? 0 },
    repetitionPenalty: values.repetition_penalty ?? 1,
    frequencyPenalty: values.frequency_penalty ?? 0,
    presencePenalty: values.presence_penalty ?? 0,
    ...(logitBias && { logitBias }),
    ...(seed !== undefined && { seed }),
  };
}

/** Whether a stream ends with the usage. Throws ApiError where there is no stream. */
export function includesUsage({ stream, stream_options: options }: StreamValues): boolean {
  if (options !== undefined && !stream) {
    throw badValue('stream_options', 'stream_options needs stream to be true');
  }
  return options?.include_usage ?? false;
}

/** Throws ApiError of status 400 when the two names of the field differ. */
export function userOf({ user, safety_identifier: newName }: Partial<UserValues>): string | undefined {
  if (user === undefined || newName === undefined || user === newName) return newName ?? user;
  throw badValue('user', 'user and safety_identifier are not equal: give one of them');
}

type UserValues = Pick<FieldValues<ReturnType<typeof samplingFields>>, 'user' | 'safety_identifier'>;

function stopField(): Field<string[]> {
  const text: JsonObject = { type: 'string', maxLength: MAX_STOP_LENGTH };
  const list: JsonObject = { type: 'array', items: text, maxItems: MAX_STOPS };
  return customField(
    { description: 'Strings that end the text; they are no part of it.', anyOf: [text, list] },
    (value, param) => {
      const stops = typeof value === 'string' ? [value] : value;
      if (!Array.isArray(stops)) throw badValue(param, `${param} must be a string or a list of strings`);
      if (stops.length > MAX_STOPS) {
        throw badValue(param, `${param} has ${stops.length} strings; at most ${MAX_STOPS} are allowed`);
      }
      return stops.map((stop) => {
        if (typeof stop === 'string' && stop !== '' && stop.length <= MAX_STOP_LENGTH) return stop;
        throw badValue(param, `${param} must hold strings of 1 to ${MAX_STOP_LENGTH} characters`);
      });
    },
  );
}

function biasField(): Field<Record<number, number>> {
  const description = 'Added to the logits of tokens: an object from token id to a number from -100 to 100.';
  const schema: JsonObject = { type: 'object', description, additionalProperties: { type: 'number' } };
  return customField(schema, (value, param) => {
    if (!isObject(value)) throw badValue(param, `${param} must be an object from token ids to numbers`);
    const entries = Object.entries(value);
    if (entries.length > MAX_BIASES) {
      throw badValue(param, `${param} has ${entries.length} tokens; at most ${MAX_BIASES} are allowed`);
    }
    return Object.fromEntries(entries.map(([id, bias]) => [tokenId(id, param), biasOf(bias, param)]));
  });
}

function tokenId(id: string, param: string): number {
  if (/^\d{1,9}$/.test(id)) return Number(id);
  throw badValue(param, `${param} has the key ${JSON.stringify(id.slice(0, 20))}, which is no token id`);
}

function biasOf(bias: JsonValue, param: string): number {
  if (typeof bias === 'number' && Math.abs(bias) <= 100) return bias;
  throw badValue(param, `${param} must hold numbers from -100 to 100`);
}
