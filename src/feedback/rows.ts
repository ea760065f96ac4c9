/** Records as rows of the tables, and back. */
import type { JsonObject, JsonValue } from '../base/json.ts';
import type { SqlRow, SqlValue } from './database.ts';
import type {
  AnswerRecord,
  AnswerRef,
  ComparisonRecord,
  FeedbackRecord,
  SafetyEvent,
  Sender,
} from './records.ts';

/** A row to insert, by the names of its columns. */
export type NewRow = Readonly<Record<string, SqlValue>>;

/** A record that was sent with an idempotency key. */
export interface Keyed {
  idempotencyKey: string | null;
}

/** An answer to write, with its ids and log-probabilities in any kind of array. */
export interface NewAnswer extends Omit<AnswerRecord, 'promptIds' | 'answerIds' | 'logProbs'> {
  promptIds: ArrayLike<number>;
  answerIds: ArrayLike<number>;
  logProbs: ArrayLike<number>;
}

/** `[n]`: ids as bytes. */
function idBytes(ids: ArrayLike<number>): Uint8Array {
  return new Uint8Array(Int32Array.from(ids).buffer);
}

function ids(value: SqlValue): number[] {
  return Array.from(new Int32Array(copied(value)));
}

function floats(value: SqlValue): number[] {
  return Array.from(new Float32Array(copied(value)));
}

/** A blob may begin at any byte of its memory; a typed array may not. */
function copied(value: SqlValue): ArrayBuffer {
  return Uint8Array.from(value as Uint8Array).buffer;
}

function jsonOrNull(value: JsonValue[] | null): string | null {
  return value && JSON.stringify(value);
}

function parsedOrNull(value: SqlValue): JsonValue[] | null {
  return value === null ? null : (JSON.parse(value as string) as JsonValue[]);
}

/**
 * Words of people and of models are stored as JSON, which has signs for zero characters and for
 * halves of surrogate pairs: a text of SQLite ends at the one and cannot have the other.
 */
export function words(text: string): string;
export function words(text: string | null): string | null;
export function words(text: string | null): string | null {
  return text === null ? null : JSON.stringify(text);
}

export function wordsOf(value: SqlValue): string | null {
  return value === null ? null : (JSON.parse(value as string) as string);
}

function flag(value: boolean | null): number | null {
  return value === null ? null : Number(value);
}

function flagOf(value: SqlValue): boolean | null {
  return value === null ? null : value === 1;
}

function senderOf({ client, user }: SqlRow): Sender {
  return { client: client as string | null, user: wordsOf(user!) };
}

export function answerRow(answer: NewAnswer): NewRow {
  return {
    ...{ id: answer.id, choice: answer.choice, client: answer.client, user: words(answer.user) },
    created_at: answer.createdAt,
    messages: jsonOrNull(answer.messages),
    prompt_ids: idBytes(answer.promptIds),
    answer_ids: idBytes(answer.answerIds),
    log_probs: new Uint8Array(Float32Array.from(answer.logProbs).buffer),
    ...{ text: words(answer.text), finish: answer.finish, sampling: JSON.stringify(answer.sampling) },
    ...{ model_hash: answer.modelHash, tokenizer_hash: answer.tokenizerHash },
  };
}

export function answerOf(row: SqlRow): AnswerRecord {
  return {
    ...{ id: row.id as string, choice: row.choice as number, ...senderOf(row) },
    createdAt: row.created_at as number,
    messages: parsedOrNull(row.messages!),
    promptIds: ids(row.prompt_ids!),
    answerIds: ids(row.answer_ids!),
    logProbs: floats(row.log_probs!),
    text: wordsOf(row.text!)!,
    finish: row.finish as string,
    sampling: JSON.parse(row.sampling as string) as JsonObject,
    modelHash: row.model_hash as string,
    tokenizerHash: row.tokenizer_hash as string,
  };
}

/** @param answer row of the answer */
export function feedbackRow(feedback: FeedbackRecord & Keyed, answer: number): NewRow {
  return {
    ...{ id: feedback.id, answer, client: feedback.client, user: words(feedback.user) },
    ...{ idempotency_key: words(feedback.idempotencyKey), created_at: feedback.createdAt },
    ...{ rating: feedback.rating, reason: words(feedback.reason), tags: JSON.stringify(feedback.tags) },
    correction: words(feedback.correction),
  };
}

/** Columns of feedback with those of its answer. */
export const FEEDBACK_COLUMNS =
  'feedback.*, answers.id AS answer_id, answers.choice AS choice ' +
  'FROM feedback JOIN answers ON answers.row = feedback.answer';

export function feedbackOf(row: SqlRow): FeedbackRecord & Keyed {
  return {
    ...{ id: row.id as string, ...senderOf(row) },
    answer: { id: row.answer_id as string, choice: row.choice as number },
    createdAt: row.created_at as number,
    rating: row.rating as FeedbackRecord['rating'],
    reason: wordsOf(row.reason!),
    tags: JSON.parse(row.tags as string) as string[],
    correction: wordsOf(row.correction!),
    idempotencyKey: wordsOf(row.idempotency_key!),
  };
}

/** @param first row of the answer, as second */
export function comparisonRow(comparison: ComparisonRecord & Keyed, first: number, second: number): NewRow {
  return {
    ...{ id: comparison.id, first, second, client: comparison.client, user: words(comparison.user) },
    ...{ idempotency_key: words(comparison.idempotencyKey), created_at: comparison.createdAt },
    ...{ preferred: comparison.preferred, reason: words(comparison.reason) },
  };
}

/** Columns of comparisons with those of their answers. */
export const COMPARISON_COLUMNS =
  'comparisons.*, a.id AS first_id, a.choice AS first_choice, b.id AS second_id, ' +
  'b.choice AS second_choice FROM comparisons JOIN answers AS a ON a.row = comparisons.first ' +
  'JOIN answers AS b ON b.row = comparisons.second';

export function comparisonOf(row: SqlRow): ComparisonRecord & Keyed {
  return {
    ...{ id: row.id as string, ...senderOf(row) },
    first: { id: row.first_id as string, choice: row.first_choice as number },
    second: { id: row.second_id as string, choice: row.second_choice as number },
    preferred: row.preferred as ComparisonRecord['preferred'],
    createdAt: row.created_at as number,
    reason: wordsOf(row.reason!),
    idempotencyKey: wordsOf(row.idempotency_key!),
  };
}

export function safetyRow(event: SafetyEvent): NewRow {
  return {
    ...{ id: event.id, answer_id: event.answer?.id ?? null, choice: event.answer?.choice ?? null },
    ...{ client: event.client, user: words(event.user), created_at: event.createdAt },
    prompt_harmful: flag(event.promptHarmful),
    response_refused: flag(event.responseRefused),
    response_harmful: flag(event.responseHarmful),
    checks: JSON.stringify(event.checks),
    messages: jsonOrNull(event.messages),
    model_hash: event.modelHash,
  };
}

export function safetyEventOf(row: SqlRow): SafetyEvent {
  const answer: AnswerRef | null =
    row.answer_id === null ? null : { id: row.answer_id as string, choice: row.choice as number };
  return {
    ...{ id: row.id as string, ...senderOf(row), answer },
    createdAt: row.created_at as number,
    promptHarmful: flagOf(row.prompt_harmful!),
    responseRefused: flagOf(row.response_refused!),
    responseHarmful: flagOf(row.response_harmful!),
    checks: JSON.parse(row.checks as string) as SafetyEvent['checks'],
    messages: parsedOrNull(row.messages!),
    modelHash: row.model_hash as string,
  };
}
