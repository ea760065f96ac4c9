/** Records of a store as JSON objects, as exports have them, and back. */
import { type JsonObject, type JsonValue, quoted } from '../base/json.ts';
import type {
  AnswerRecord,
  AnswerRef,
  ComparisonRecord,
  FeedbackRecord,
  SafetyEvent,
  Sender,
} from './records.ts';
import type { Keyed } from './rows.ts';
import type { Deletion } from './store.ts';

/** A record of a store, with its kind. */
export type AnyRecord =
  | { kind: 'deletion'; record: Deletion }
  | { kind: 'answer'; record: AnswerRecord }
  | { kind: 'feedback'; record: FeedbackRecord & Keyed }
  | { kind: 'comparison'; record: ComparisonRecord & Keyed }
  | { kind: 'safety_event'; record: SafetyEvent };
export type RecordKind = AnyRecord['kind'];

const refJson = ({ id, choice }: AnswerRef): JsonObject => ({ response_id: id, choice });

/** The JSON object of a record. Times are milliseconds since 1970. */
export function recordJson({ kind, record }: AnyRecord): JsonObject {
  switch (kind) {
    case 'deletion':
      return { kind, user_hash: record.userHash, deleted_at: record.deletedAt };
    case 'answer':
      return {
        ...{ kind, ...refJson(record), ...senderJson(record), messages: record.messages },
        ...{ prompt_ids: [...record.promptIds], answer_ids: [...record.answerIds] },
        ...{ log_probs: [...record.logProbs], text: record.text, finish: record.finish },
        ...{ sampling: record.sampling, model_hash: record.modelHash },
        tokenizer_hash: record.tokenizerHash,
      };
    case 'feedback':
      return {
        ...{ kind, id: record.id, ...refJson(record.answer), ...senderJson(record) },
        ...{ rating: record.rating, reason: record.reason, tags: [...record.tags] },
        ...{ correction: record.correction, idempotency_key: record.idempotencyKey },
      };
    case 'comparison':
      return {
        ...{ kind, id: record.id, first: refJson(record.first), second: refJson(record.second) },
        ...{ ...senderJson(record), preferred: record.preferred, reason: record.reason },
        idempotency_key: record.idempotencyKey,
      };
    case 'safety_event':
      return {
        ...{ kind, id: record.id, answer: record.answer && refJson(record.answer) },
        ...{ ...senderJson(record), prompt_harmful: record.promptHarmful },
        ...{ response_refused: record.responseRefused, response_harmful: record.responseHarmful },
        ...{ checks: record.checks.map((check) => ({ ...check })), messages: record.messages },
        model_hash: record.modelHash,
      };
  }
}

function senderJson({ client, user, createdAt }: Sender & { createdAt: number }): JsonObject {
  return { client, user, created_at: createdAt };
}

/** A line that is no record. The message says why. */
export class BadLine extends Error {}

/** Reads the fields of an object by their types. Throws BadLine. */
class Fields {
  readonly #object: JsonObject;
  readonly #left: Set<string>;

  constructor(value: JsonValue | undefined, name: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new BadLine(`${name} must be an object, not ${quoted(value)}`);
    }
    this.#object = value;
    this.#left = new Set(Object.keys(value));
  }

  /** The value of a field that passes a test. */
  get<T extends JsonValue>(name: string, test: (value: JsonValue) => value is T, expected: string): T {
    const value = this.#object[name];
    this.#left.delete(name);
    if (value !== undefined && test(value)) return value;
    throw new BadLine(`${name} must be ${expected}, not ${quoted(value)}`);
  }

  orNull<T extends JsonValue>(
    name: string,
    test: (value: JsonValue) => value is T,
    expected: string,
  ): T | null {
    const allowed = (value: JsonValue): value is T | null => value === null || test(value);
    return this.get(name, allowed, `${expected} or null`);
  }

  /** What `read` makes of the fields. Throws BadLine for a field that it did not read. */
  static read<T>(value: JsonValue | undefined, name: string, read: (fields: Fields) => T): T {
    const fields = new Fields(value, name);
    const result = read(fields);
    const [stray] = fields.#left;
    if (stray === undefined) return result;
    throw new BadLine(`${name} has the unknown field ${quoted(stray)}`);
  }
}

const isText = (value: JsonValue): value is string => typeof value === 'string';
const isName = (value: JsonValue): value is string => isText(value) && value !== '' && !value.includes('\0');
const isTime = (value: JsonValue): value is number => Number.isSafeInteger(value);
const isIndex = (value: JsonValue): value is number => isTime(value) && value >= 0 && value < 2 ** 31;
const isNumber = (value: JsonValue): value is number => typeof value === 'number';
const isFlag = (value: JsonValue): value is boolean => typeof value === 'boolean';
const isList = (value: JsonValue): value is JsonValue[] => Array.isArray(value);
const isObject = (value: JsonValue): value is JsonObject =>
  typeof value === 'object' && value !== null && !isList(value);
const isTexts = (value: JsonValue): value is string[] => isList(value) && value.every(isText);
const isIds = (value: JsonValue): value is number[] => isList(value) && value.every(isIndex);
const isNumbers = (value: JsonValue): value is number[] => isList(value) && value.every(isNumber);
const isRating = (value: JsonValue): value is 1 | -1 => value === 1 || value === -1;
const isHash = (value: JsonValue): value is string => isText(value) && /^[0-9a-f]{64}$/.test(value);
const isSide = (value: JsonValue): value is 'prompt' | 'response' =>
  value === 'prompt' || value === 'response';
const PREFERRED = ['first', 'second', 'tie', 'neither'];
const isPreferred = (value: JsonValue): value is ComparisonRecord['preferred'] =>
  isText(value) && PREFERRED.includes(value);

/** The record of a JSON object. Throws BadLine. */
export function recordOf(value: JsonValue): AnyRecord {
  return Fields.read(value, 'a line', (fields): AnyRecord => {
    const kind = fields.get('kind', isText, 'a text');
    switch (kind) {
      case 'deletion':
        return { kind, record: deletionOf(fields) };
      case 'answer':
        return { kind, record: answerOf(fields) };
      case 'feedback':
        return { kind, record: feedbackOf(fields) };
      case 'comparison':
        return { kind, record: comparisonOf(fields) };
      case 'safety_event':
        return { kind, record: safetyEventOf(fields) };
      default:
        throw new BadLine(`kind ${quoted(kind)} is no kind of a record`);
    }
  });
}

function refOf(fields: Fields): AnswerRef {
  const id = fields.get('response_id', isName, 'a name');
  return { id, choice: fields.get('choice', isIndex, 'an index') };
}

function namedRef(fields: Fields, name: string): AnswerRef {
  return Fields.read(fields.get(name, isObject, 'an object'), name, refOf);
}

function senderOf(fields: Fields) {
  return {
    client: fields.orNull('client', isName, 'a name'),
    user: fields.orNull('user', isText, 'a text'),
    createdAt: fields.get('created_at', isTime, 'milliseconds'),
  };
}

function saidOf(fields: Fields) {
  return {
    ...{ id: fields.get('id', isName, 'a name'), ...senderOf(fields) },
    reason: fields.orNull('reason', isText, 'a text'),
    idempotencyKey: fields.orNull('idempotency_key', isText, 'a text'),
  };
}

function deletionOf(fields: Fields): Deletion {
  const userHash = fields.get('user_hash', isHash, 'a SHA-256 in hexadecimal');
  return { userHash, deletedAt: fields.get('deleted_at', isTime, 'milliseconds') };
}

function answerOf(fields: Fields): AnswerRecord {
  const record: AnswerRecord = {
    ...{ ...refOf(fields), ...senderOf(fields) },
    messages: fields.orNull('messages', isList, 'a list'),
    promptIds: fields.get('prompt_ids', isIds, 'a list of token ids'),
    answerIds: fields.get('answer_ids', isIds, 'a list of token ids'),
    logProbs: fields.get('log_probs', isNumbers, 'a list of numbers'),
    text: fields.get('text', isText, 'a text'),
    finish: fields.get('finish', isName, 'a word'),
    sampling: fields.get('sampling', isObject, 'an object'),
    modelHash: fields.get('model_hash', isName, 'a hash'),
    tokenizerHash: fields.get('tokenizer_hash', isName, 'a hash'),
  };
  const [ids, logProbs] = [record.answerIds.length, record.logProbs.length];
  if (ids === logProbs) return record;
  throw new BadLine(`answer_ids has ${ids} entries and log_probs has ${logProbs}`);
}

function feedbackOf(fields: Fields): FeedbackRecord & Keyed {
  const record = {
    ...{ answer: refOf(fields), ...saidOf(fields) },
    rating: fields.orNull('rating', isRating, '1, -1'),
    tags: fields.get('tags', isTexts, 'a list of texts'),
    correction: fields.orNull('correction', isText, 'a text'),
  };
  if (record.rating !== null || record.correction !== null) return record;
  throw new BadLine('there is neither a rating nor a correction');
}

function comparisonOf(fields: Fields): ComparisonRecord & Keyed {
  return {
    ...{ first: namedRef(fields, 'first'), second: namedRef(fields, 'second'), ...saidOf(fields) },
    preferred: fields.get('preferred', isPreferred, PREFERRED.join(', ')),
  };
}

function safetyEventOf(fields: Fields): SafetyEvent {
  const isAbsent = fields.orNull('answer', isObject, 'an object') === null;
  return {
    ...{ id: fields.get('id', isName, 'a name'), answer: isAbsent ? null : namedRef(fields, 'answer') },
    ...senderOf(fields),
    promptHarmful: fields.orNull('prompt_harmful', isFlag, 'true, false'),
    responseRefused: fields.orNull('response_refused', isFlag, 'true, false'),
    responseHarmful: fields.orNull('response_harmful', isFlag, 'true, false'),
    checks: fields.get('checks', isList, 'a list').map((check) => Fields.read(check, 'a check', checkOf)),
    messages: fields.orNull('messages', isList, 'a list'),
    modelHash: fields.get('model_hash', isName, 'a hash'),
  };
}

function checkOf(fields: Fields): SafetyEvent['checks'][number] {
  return {
    name: fields.get('name', isText, 'a text'),
    on: fields.get('on', isSide, 'prompt or response'),
    value: fields.get('value', isNumber, 'a number'),
    threshold: fields.get('threshold', isNumber, 'a number'),
  };
}
