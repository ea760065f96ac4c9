/**
 * The fields of a request. A table of them both reads a request and describes it in the OpenAPI
 * document. A field that is not in the table is refused by name: nothing that a client asks for is
 * silently left out.
 */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import { nearest } from '../../base/suggest.ts';
import { ApiError, badValue } from '../protocol/api-error.ts';

/** One field: its schema, and how its value is read. `null` counts as absent. */
export interface Field<T> {
  readonly schema: JsonObject;
  /** Throws ApiError of status 400. */
  read(value: JsonValue, param: string): T;
}

// Values of a request are data of the client: names such as __proto__ must not meet prototypes.
export type Fields = Readonly<Record<string, Field<unknown>>>;
export type FieldValues<F extends Fields> = {
  [K in keyof F]: F[K] extends Field<infer T> ? T | undefined : never;
};

/** Reads a request. Throws ApiError of status 400 that names the field. */
export function readFields<const F extends Fields>(fields: F, body: JsonValue): FieldValues<F> {
  if (!isObject(body)) throw new ApiError(400, 'invalid_body', 'the body must be a JSON object');
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(body)) {
    if (!Object.hasOwn(fields, name)) {
      throw badValue(
        name.slice(0, 60),
        `this server has no parameter ${unknownName(name, fields)}`,
        'unknown_parameter',
      );
    }
    if (value !== null) values[name] = fields[name]!.read(value, name);
  }
  return values as FieldValues<F>;
}

/** The name as it is shown, with the field that was most likely meant. */
function unknownName(name: string, fields: Fields): string {
  const meant = nearest(name, Object.keys(fields));
  const question = meant === undefined ? '' : `; did you mean ${JSON.stringify(meant)}?`;
  return JSON.stringify(name.slice(0, 60)) + question;
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuse(param: string, expected: string, value: JsonValue): never {
  const text = JSON.stringify(value);
  const shown = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  throw badValue(param, `${param} must be ${expected}, not ${shown}`);
}

interface Range {
  min?: number;
  max?: number;
}

function inRange(value: number, { min = -Infinity, max = Infinity }: Range): boolean {
  return value >= min && value <= max;
}

function rangeText({ min, max }: Range): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  if (min !== undefined) return ` of at least ${min}`;
  return max === undefined ? '' : ` of at most ${max}`;
}

function rangeSchema({ min, max }: Range): JsonObject {
  return { ...(min !== undefined && { minimum: min }), ...(max !== undefined && { maximum: max }) };
}

export function numberField(description: string, range: Range = {}): Field<number> {
  return {
    schema: { type: 'number', description, ...rangeSchema(range) },
    read: (value, param) =>
      typeof value === 'number' && Number.isFinite(value) && inRange(value, range)
        ? value
        : refuse(param, `a number${rangeText(range)}`, value),
  };
}

export function integerField(description: string, range: Range = {}): Field<number> {
  return {
    schema: { type: 'integer', description, ...rangeSchema(range) },
    read: (value, param) =>
      Number.isSafeInteger(value) && inRange(value as number, range)
        ? (value as number)
        : refuse(param, `an integer${rangeText(range)}`, value),
  };
}

export function booleanField(description: string): Field<boolean> {
  return {
    schema: { type: 'boolean', description },
    read: (value, param) => (typeof value === 'boolean' ? value : refuse(param, 'true or false', value)),
  };
}

export function stringField(description: string): Field<string> {
  return {
    schema: { type: 'string', description },
    read: (value, param) => (typeof value === 'string' ? value : refuse(param, 'a string', value)),
  };
}

/** A list of at most so many items. */
export function listField<T>(description: string, item: Field<T>, most: number): Field<T[]> {
  return {
    schema: { type: 'array', description, items: item.schema, maxItems: most },
    read: (value, param) => {
      if (!Array.isArray(value)) return refuse(param, 'a list', value);
      if (value.length > most) {
        throw badValue(param, `${param} has ${value.length} entries; at most ${most} are allowed`);
      }
      return value.map((one, i) => item.read(one, `${param}[${i}]`));
    },
  };
}

/** An object with fields of its own. */
export function objectField<const F extends Fields>(description: string, fields: F): Field<FieldValues<F>> {
  return {
    schema: { type: 'object', description, properties: schemasOf(fields), additionalProperties: false },
    read: (value, param) => {
      if (!isObject(value)) return refuse(param, 'an object', value);
      for (const name of Object.keys(value)) {
        if (Object.hasOwn(fields, name)) continue;
        throw badValue(param, `${param} has no field ${unknownName(name, fields)}`, 'unknown_parameter');
      }
      const entries = Object.entries(value).filter(([, one]) => one !== null);
      const read = entries.map(([name, one]) => [name, fields[name]!.read(one, `${param}.${name}`)]);
      return Object.fromEntries(read) as FieldValues<F>;
    },
  };
}

/** Read by a function of its own. */
export function customField<T>(schema: JsonObject, read: Field<T>['read']): Field<T> {
  return { schema, read };
}

/** A field without effect on the answer, which clients send. */
export function ignoredField(description: string): Field<JsonValue> {
  return { schema: { description: `${description} It has no effect.` }, read: (value) => value };
}

/**
 * A field of the OpenAI API that is not built. The values that ask for nothing are taken; any other
 * is refused, and not ignored.
 */
export function unsupportedField(what: string, neutral: readonly JsonValue[] = []): Field<undefined> {
  const texts = neutral.map((value) => JSON.stringify(value));
  const allowed = texts.length > 0 ? ` Allowed: ${texts.join(', ')}.` : '';
  return {
    schema: { description: `Not supported.${allowed}` },
    read: (value, param) => {
      if (texts.includes(JSON.stringify(value))) return undefined;
      throw badValue(
        param,
        `this server does not support ${what}: leave ${param} out`,
        'unsupported_parameter',
      );
    },
  };
}

/** The schemas of fields, for the OpenAPI document. */
export function schemasOf(fields: Fields): JsonObject {
  return Object.fromEntries(Object.entries(fields).map(([name, { schema }]) => [name, schema]));
}
