/** Random schemas and values, and a validator of another author to judge them: ajv. */
import { createRequire } from 'node:module';
import type { JsonObject, JsonValue } from '../../src/base/json.ts';
import type { Rng } from './reference.ts';

type Validate = (value: unknown) => boolean;
interface AjvClass {
  new (options: object): { compile(schema: JsonValue): Validate };
}

const require = createRequire(import.meta.url);

const { default: Ajv } = require('ajv/dist/2020.js') as { default: AjvClass };
const addFormats = require('ajv-formats') as (ajv: object) => void;
const ajv = new Ajv({ strict: false, addUsedSchema: false });
addFormats(ajv);

/** Whether values fit a schema, as ajv has it. */
export function validator(schema: JsonValue): Validate {
  return ajv.compile(schema);
}

export function pick<T>(random: Rng, list: readonly T[]): T {
  return list[random.integer(list.length)]!;
}

const NAMES = ['a', 'b', 'ab', 'name', 'né', 'x y', 'q"t', 'π😀', '', 'a\\b'];
const WORDS = ['', 'a', 'red', 'né', '😀', 'a"b', 'x\n', 'abc', '12', '2024-02-29', 'a-1', '€uro'];
const PATTERNS = ['^[a-c]{1,3}$', '^(?:red|né)', '\\d', '^[^a]*$', '^.?$', '€|😀', '^[a-z]+-[0-9]$'];
const FORMATS = ['date', 'time', 'date-time', 'duration', 'uuid', 'ipv4', 'ipv6', 'email', 'hostname', 'uri'];
const NUMBERS = [0, 1, -1, 7, 12, 100, -30, 0.5, -0.25, 3.75, 1e6, 99.99];

/** Any value of few levels. */
export function randomValue(random: Rng, depth = 2): JsonValue {
  switch (random.integer(depth > 0 ? 7 : 5)) {
    case 0:
      return null;
    case 1:
      return random.integer(2) === 0;
    case 2:
      return pick(random, WORDS);
    case 3:
      return pick(random, NUMBERS);
    case 4:
      return random.integer(200) - 100;
    case 5:
      return Array.from({ length: random.integer(4) }, () => randomValue(random, depth - 1));
    default: {
      const names = NAMES.filter(() => random.integer(4) === 0);
      return Object.fromEntries(names.map((name) => [name, randomValue(random, depth - 1)]));
    }
  }
}

/** A schema of the keywords that are supported; its strings and arrays are short. */
export function randomSchema(random: Rng, depth = 3): JsonObject {
  const $defs: JsonObject = {
    tree: {
      type: 'object',
      properties: { v: { type: 'integer', minimum: 0, maximum: 9 }, l: { $ref: '#/$defs/maybe' } },
      required: ['v', 'l'],
      additionalProperties: false,
    },
    maybe: { anyOf: [{ type: 'null' }, { $ref: '#/$defs/tree' }] },
  };
  return { ...schemaOf(random, depth), $defs };
}

function schemaOf(random: Rng, depth: number): JsonObject {
  const leaves = [strings, numbers, lists, others];
  const all = depth > 0 ? [...leaves, objects, objects, arrays, choices] : leaves;
  const schema = pick(random, all)(random, depth - 1);
  if (random.integer(6) === 0) schema.description = 'a note';
  return schema;
}

function strings(random: Rng): JsonObject {
  const least = random.integer(3);
  switch (random.integer(4)) {
    case 0:
      return { type: 'string', format: pick(random, FORMATS) };
    case 1:
      return { type: 'string', pattern: pick(random, PATTERNS), maxLength: 4 + random.integer(4) };
    case 2:
      return { type: 'string', minLength: least, maxLength: least + random.integer(5) };
    default:
      return { type: ['string', 'null'], maxLength: random.integer(6) };
  }
}

function numbers(random: Rng): JsonObject {
  const [low, high] = [pick(random, NUMBERS), pick(random, NUMBERS)].sort((a, b) => a - b);
  const type = pick(random, ['integer', 'number']);
  switch (random.integer(5)) {
    case 0:
      return { type };
    case 1:
      return { type, minimum: Math.floor(low!), maximum: Math.ceil(high!) };
    case 2:
      return { type: 'number', exclusiveMinimum: low!, maximum: high! + 1 };
    case 3:
      return { type: 'integer', multipleOf: 1 + random.integer(12), minimum: Math.floor(low!) };
    default:
      return { type, exclusiveMaximum: high! };
  }
}

function lists(random: Rng): JsonObject {
  if (random.integer(3) === 0) return { const: randomValue(random, 1) };
  const values = Array.from({ length: 1 + random.integer(4) }, () => randomValue(random, 1));
  return { enum: [...new Map(values.map((value) => [JSON.stringify(value), value])).values()] };
}

function others(random: Rng): JsonObject {
  return pick<JsonObject>(random, [
    { type: 'boolean' },
    { type: 'null' },
    { type: ['boolean', 'null'] },
    { $ref: '#/$defs/tree' },
    { type: 'integer', nullable: true, minimum: 0 },
  ]);
}

function objects(random: Rng, depth: number): JsonObject {
  const names = NAMES.filter(() => random.integer(3) === 0);
  const properties = Object.fromEntries(names.map((name) => [name, schemaOf(random, depth)]));
  // ajv 8.20 does not see that an empty key is missing.
  const required = names.filter((name) => name !== '' && random.integer(2) === 0);
  const closed = random.integer(3) > 0;
  const additionalProperties = closed ? false : pick<JsonValue>(random, [true, { type: 'boolean' }]);
  return { type: 'object', properties, required, additionalProperties };
}

function arrays(random: Rng, depth: number): JsonObject {
  const least = random.integer(3);
  const sizes = { minItems: least, maxItems: least + random.integer(3) };
  const items = schemaOf(random, depth);
  if (random.integer(3) > 0) return { type: 'array', items, ...sizes };
  const prefixItems = [schemaOf(random, depth), schemaOf(random, depth)];
  return { type: 'array', prefixItems, items: random.integer(2) === 0 ? false : items, maxItems: 3 };
}

function choices(random: Rng, depth: number): JsonObject {
  const items = Array.from({ length: 2 + random.integer(2) }, () => schemaOf(random, depth));
  return random.integer(4) === 0 ? { allOf: [items[0]!] } : { anyOf: items };
}
