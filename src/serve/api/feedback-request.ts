/** POST /v1/feedback and /v1/comparisons */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { AnswerRef, ComparisonRecord } from '../../feedback/records.ts';
import type { NewComparison, NewFeedback } from '../../feedback/store.ts';
import { badValue } from '../protocol/api-error.ts';
import { customField, type Field, integerField, listField, objectField, readFields } from './fields.ts';
import { boundedField, userField } from './user-field.ts';

const MAX_ID = 200;
const MAX_KEY = 256;
const MAX_REASON = 10_000;
const MAX_CORRECTION = 1_000_000;
const MAX_TAG = 100;
const MAX_TAGS = 32;
const MAX_CHOICE = 2 ** 31 - 1;

const answerFields = {
  response_id: boundedField('The `id` of the answer.', MAX_ID),
  choice: integerField('Index of the choice. Default 0.', { min: 0, max: MAX_CHOICE }),
};
const senderFields = {
  user: userField('Name of the user, for the deletion of what the user sent.'),
  idempotency_key: boundedField(
    'The same key from the same sender is stored once: send it with every retry.',
    MAX_KEY,
  ),
  reason: boundedField('Why.', MAX_REASON),
};

/** One of a few values. */
function oneOf<T extends string | number>(description: string, values: readonly T[]): Field<T> {
  return customField({ enum: [...values], description }, (value, param) => {
    const found = values.find((one) => one === value);
    if (found !== undefined) return found;
    throw badValue(param, `${param} must be ${values.map((one) => JSON.stringify(one)).join(' or ')}`);
  });
}

export const feedbackFields = {
  ...answerFields,
  rating: oneOf('1 for a good answer, -1 for a bad one.', [1, -1]),
  tags: listField('Words of the client.', boundedField('A word.', MAX_TAG), MAX_TAGS),
  correction: boundedField('The text that the answer should have been.', MAX_CORRECTION),
  ...senderFields,
};

export const comparisonFields = {
  first: objectField('One answer.', answerFields),
  second: objectField('Another answer to the same prompt.', answerFields),
  preferred: oneOf<ComparisonRecord['preferred']>('Which of them is better.', [
    'first',
    'second',
    'tie',
    'neither',
  ]),
  ...senderFields,
};

/** Throws ApiError of status 400. */
export function readFeedback(body: JsonValue, client: string | undefined): NewFeedback {
  const values = readFields(feedbackFields, body);
  const { rating = null, correction = null, tags = [] } = values;
  const answer = answerRef(values, 'response_id');
  if (rating === null && correction === null) {
    throw badValue('rating', 'give a rating or a correction', 'missing_parameter');
  }
  return { answer, rating, correction, tags, ...said(values, client) };
}

/** Throws ApiError of status 400. */
export function readComparison(body: JsonValue, client: string | undefined): NewComparison {
  const values = readFields(comparisonFields, body);
  const [first, second] = [values.first, values.second];
  if (first === undefined) throw missing('first');
  if (second === undefined) throw missing('second');
  if (values.preferred === undefined) throw missing('preferred');
  return {
    first: answerRef(first, 'first.response_id'),
    second: answerRef(second, 'second.response_id'),
    preferred: values.preferred,
    ...said(values, client),
  };
}

function answerRef(
  { response_id: id, choice = 0 }: { response_id?: string | undefined; choice?: number | undefined },
  param: string,
): AnswerRef {
  if (id === undefined) throw missing(param);
  if (id.includes('\0')) throw badValue(param, `${param} has a zero character`);
  return { id, choice };
}

function missing(param: string) {
  return badValue(param, `${param} is missing`, 'missing_parameter');
}

interface SaidValues {
  user?: string | undefined;
  idempotency_key?: string | undefined;
  reason?: string | undefined;
}

function said({ user, idempotency_key, reason }: SaidValues, client: string | undefined) {
  const idempotencyKey = idempotency_key ?? null;
  return { client: client ?? null, user: user ?? null, reason: reason ?? null, idempotencyKey };
}

/** The answer to what was stored. */
export function storedAnswer(
  object: 'feedback' | 'comparison',
  { id, createdAt, duplicate }: { id: string; createdAt: number; duplicate: boolean },
): JsonObject {
  return { id, object, created: Math.floor(createdAt / 1000), duplicate };
}
