/** A grammar against ajv: every text is a value that fits, and fitting values are texts. */
import { describe, expect, it } from 'vitest';
import type { AthanorError } from '../../../src/base/errors.ts';
import type { JsonObject, JsonValue } from '../../../src/base/json.ts';
import { Grammar, type GrammarState } from '../../../src/generate/grammar/grammar.ts';
import { pick, randomSchema, randomValue, validator } from '../../helpers/json-schemas.ts';
import { type Rng, rng } from '../../helpers/reference.ts';

function grammarOf(schema: JsonValue): Grammar {
  return new Grammar({ kind: 'json', schema });
}

function accepts(grammar: Grammar, text: string): boolean {
  let state: GrammarState | undefined = grammar.start;
  for (const byte of Buffer.from(text)) state = state && grammar.step(state, byte);
  return state?.accepts ?? false;
}

const CLOSING = [...Buffer.from('"]},')];

/** A random text, byte by byte; undefined for one that did not end. */
function randomText(grammar: Grammar, random: Rng): string | undefined {
  const bytes: number[] = [];
  let state = grammar.start;
  while (bytes.length < 3000) {
    const next = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => grammar.step(state, byte));
    if (next.length === 0 || (state.accepts && random.integer(3) === 0)) {
      expect(state.accepts, `a dead end after ${Buffer.from(bytes).toString()}`).toBe(true);
      return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(bytes));
    }
    const closing = next.filter((byte) => CLOSING.includes(byte));
    const byte = pick(random, closing.length > 0 && random.integer(3) === 0 ? closing : next);
    bytes.push(byte);
    state = grammar.step(state, byte)!;
  }
  return undefined;
}

/** The error of a schema. */
function refusal(schema: JsonValue): string {
  try {
    grammarOf(schema);
  } catch (error) {
    expect((error as AthanorError).code).toBe('ERR_ARGUMENT');
    return (error as AthanorError).message;
  }
  return 'taken';
}

it('writes values that fit, of 120 random schemas', () => {
  let [texts, cut, empty] = [0, 0, 0];
  for (let seed = 0; seed < 120; ++seed) {
    const random = rng(seed);
    const schema = randomSchema(random);
    const name = `${seed} ${JSON.stringify(schema)}`;
    let grammar: Grammar;
    try {
      grammar = grammarOf(schema);
    } catch (error) {
      // A random schema may ask for what cannot be, such as a long text of a short pattern.
      expect((error as Error).message, name).toBe('no value of finite length fits the schema');
      ++empty;
      continue;
    }
    const fits = validator(schema);
    for (let i = 0; i < 8; ++i) {
      const text = randomText(grammar, random);
      if (text === undefined) ++cut;
      else expect(fits(JSON.parse(text)), `${name}: ${text}`).toBe(true);
      ++texts;
    }
  }
  expect(cut).toBeLessThan(texts / 20);
  expect(empty).toBeLessThan(24);
});

it('takes the values that fit and no others, of 150 random schemas', () => {
  let fitting = 0;
  for (let seed = 1000; seed < 1150; ++seed) {
    const random = rng(seed);
    const schema = randomSchema(random, 2);
    if (refusal(schema) !== 'taken') continue;
    const grammar = grammarOf(schema);
    const fits = validator(schema);
    for (let i = 0; i < 60; ++i) {
      const value = randomValue(random);
      const isFitting = fits(value);
      if (isFitting) ++fitting;
      // Keys have one order in a text, that of the schema, which these values do not know.
      if (isFitting && JSON.stringify(value).includes('":')) continue;
      expect(
        accepts(grammar, JSON.stringify(value)),
        `${JSON.stringify(schema)}: ${JSON.stringify(value)}`,
      ).toBe(isFitting);
    }
  }
  expect(fitting).toBeGreaterThan(300);
});

describe('objects', () => {
  const schema: JsonObject = {
    type: 'object',
    properties: { a: { type: 'integer' }, b: { type: 'null' }, c: { type: 'boolean' } },
    required: ['b'],
  };
  it.each([
    ['{"a":1,"b":null,"c":true}', true],
    ['{"b":null}', true],
    ['{ "b": null }', true],
    ['{\n  "a": 1,\n  "b": null\n}', true],
    ['{"a":1}', false],
    ['{"b":null,"a":1}', false],
    ['{"b":null,"d":1}', false],
    ['{"b":null,}', false],
    ['{"b" :null}', false],
    ['{"b":null}  ', false],
  ])('%s: %s', (text, isText) => expect(accepts(grammarOf(schema), text)).toBe(isText));

  it('have other keys where the schema says so, and each known key with its own value', () => {
    const open = grammarOf({ ...schema, additionalProperties: { type: 'string' } });
    expect(accepts(open, '{"b":null,"d":"x","":"y","bb":"z"}')).toBe(true);
    for (const text of ['{"b":null,"d":1}', '{"b":null,"a":"x"}', '{"b":null,"\\u0061":"x"}']) {
      expect(accepts(open, text), text).toBe(false);
    }
    expect(accepts(grammarOf({ type: 'object' }), '{"x":[1,{"y":"z"}]}')).toBe(true);
    expect(accepts(grammarOf({ type: 'object', properties: {} }), '{"x":1}')).toBe(false);
    expect(accepts(grammarOf({ required: ['z'], properties: {} }), '{"z":[]}')).toBe(true);
  });

  it('with a thousand optional keys are written at once', () => {
    const names = Array.from({ length: 1000 }, (_, i) => `key${i}`);
    const properties = Object.fromEntries(names.map((name) => [name, { type: 'integer' }]));
    const grammar = grammarOf({ type: 'object', properties });
    expect(accepts(grammar, '{"key3":1,"key500":2,"key999":3}')).toBe(true);
    expect(accepts(grammar, '{"key500":1,"key3":2}')).toBe(false);
  });
});

describe('strings', () => {
  it('are UTF-8 of the right number of characters, with escapes', () => {
    const grammar = grammarOf({ type: 'string', minLength: 2, maxLength: 3 });
    for (const text of ['"ab"', '"π😀"', '"\\n\\u00e9"', '"\\u0041\\"x"', '"😀😀😀"']) {
      expect(accepts(grammar, text), text).toBe(true);
    }
    for (const text of ['"a"', '"abcd"', '"😀"', '"a\nb"', '"\\x41a"', '"\\ud83d\\ude00a"', 'ab']) {
      expect(accepts(grammar, text), text).toBe(false);
    }
  });

  // RegExp is another author's view of the same patterns.
  it.each([
    '^[a-z]{2,4}$',
    '^(?:a|bc)*d?$',
    'b+',
    '^[^\\s"]+$',
    '^.$',
    '[à-ÿ]{2}',
    '^\\w+\\.(?<end>\\d\\d|x)$',
    '^$',
    'a|^b|c$',
    '^[\\u{1F600}-\\u{1F64F}]?\\u0041$',
    '^\\\\"\\/$',
    '^[-a\\]]+$',
    '^a{0}b{1,}?c{2}$',
    '[^\\W\\d]',
    '^[\\x00-\\x1f]$',
  ])('fit the pattern %s as RegExp has it', (pattern) => {
    const grammar = grammarOf({ type: 'string', pattern });
    const expression = new RegExp(pattern, 'u');
    const random = rng(3);
    // The letters of the pattern come more often.
    const letters = [...'abcdxAz0189 .-_]"\\/éÿ😀😁€\n\u0000\u001f', ...pattern, ...pattern];
    let found = 0;
    for (let i = 0; i < 3000; ++i) {
      const text = Array.from({ length: random.integer(6) }, () => pick(random, letters)).join('');
      const isFound = expression.test(text);
      if (isFound) ++found;
      expect(accepts(grammar, JSON.stringify(text)), JSON.stringify(text)).toBe(isFound);
    }
    for (let i = 0; i < 30; ++i) {
      const text = randomText(grammar, random);
      if (text === undefined) continue;
      expect(expression.test(JSON.parse(text)), text).toBe(true);
      ++found;
    }
    expect(found).toBeGreaterThan(0);
  });

  it.each([
    ['(?=a)b', 'looks ahead'],
    ['(?<!a)b', 'looks behind'],
    ['(a)\\1', 'refers to a group'],
    ['\\bword', 'the ends of words'],
    ['\\p{L}', '\\p'],
    ['a^b', '^ in another place'],
    ['(a', 'a group without an end'],
    ['a)', '")" without its beginning'],
    ['[a', 'a class without an end'],
    ['a{2,1}', 'a repetition that is not valid'],
    ['a{2000}', 'repeats over 1024 times'],
    ['*a', 'without something before it'],
    ['[b-a]', 'a range that is not valid'],
    ['\\q', 'not valid'],
  ])('refuse the pattern %s: %s', (pattern, reason) => {
    const message = refusal({ properties: { x: { pattern } } });
    expect(message).toContain('the schema at #/properties/x: the pattern');
    expect(message).toContain(reason);
  });
});

describe('numbers', () => {
  it.each([
    [{ type: 'integer', minimum: -12, maximum: 105 }],
    [{ type: 'integer', exclusiveMinimum: 0 }],
    [{ type: 'integer', maximum: -7 }],
    [{ type: 'integer', minimum: 0, multipleOf: 4, maximum: 100 }],
    [{ type: 'number', minimum: -0.5, maximum: 1.25 }],
    [{ type: 'number', exclusiveMinimum: 0.1, exclusiveMaximum: 0.30000000000000004 }],
    [{ type: 'number', minimum: 1e-7, maximum: 2e-7 }],
    [{ type: 'number', minimum: 99.5, maximum: 1e21 }],
    [{ type: ['integer', 'number'], exclusiveMaximum: 0 }],
  ] as [JsonObject][])('are in the range of %j', (schema) => {
    const grammar = grammarOf(schema);
    const fits = validator(schema);
    for (let n = -130; n <= 130; ++n) {
      for (const value of schema.type === 'integer' ? [n] : [n, n / 8, n / 100, n * 1e-9]) {
        const text = JSON.stringify(value);
        if (!text.includes('e')) expect(accepts(grammar, text), text).toBe(fits(value));
      }
    }
    const random = rng(1);
    for (let i = 0; i < 300; ++i) {
      const text = randomText(grammar, random)!;
      expect(fits(JSON.parse(text)), text).toBe(true);
    }
  });
});

describe('a schema', () => {
  it.each([
    [{ type: 'string', not: {} }, 'the schema at # has the keyword "not", which is not supported'],
    [
      { properties: { a: { items: { uniqueItems: true } } } },
      'the schema at #/properties/a/items has the keyword "uniqueItems", which is not supported',
    ],
    [{ anyOf: [{ patternProperties: {} }] }, 'at #/anyOf/0 has the keyword "patternProperties"'],
    [{ $defs: { x: { if: {} } }, $ref: '#/$defs/x' }, 'at #/$defs/x has the keyword "if"'],
    [{ format: 'iri' }, '"format" "iri", which is not supported'],
    [{ type: 'text' }, '"type" "text"; types are object,'],
    [{ $ref: 'https://example.org/x' }, '"$ref" "https://example.org/x" is not supported'],
    [{ $ref: '#/$defs/none' }, '"$ref" "#/$defs/none" leads to nothing'],
    [{ type: 'number', multipleOf: 0.01 }, '"multipleOf"'],
    [{ items: [{}] }, '"items" as a list is not supported'],
    [{ enum: [1], minimum: 0 }, '"minimum" beside "enum" or "const"'],
    [{ oneOf: [{ type: 'string' }, { maxLength: 3 }] }, '"oneOf" with schemas that may overlap'],
    [{ allOf: [{ pattern: 'a' }, { pattern: 'b' }] }, 'both have "pattern"'],
    [{ enum: [] }, 'no value of finite length'],
    [{ type: 'string', minLength: 3, maxLength: 2 }, 'no value of finite length'],
    [{ properties: { a: { $ref: '#' } }, required: ['a'] }, 'no value of finite length'],
    [{ $ref: '#' }, 'no value of finite length'],
    [{ minItems: -1 }, '"minItems" must be an integer of at least 0'],
    [7, 'must be an object, true or false'],
  ] as [JsonValue, string][])('%j is refused: %s', (schema, reason) => {
    expect(refusal(schema)).toContain(reason);
  });

  it('combines schemas by $ref, allOf, anyOf and oneOf', () => {
    const base: JsonObject = { type: 'object', properties: { k: { type: 'string' } }, required: ['k'] };
    for (const [schema, good, bad] of [
      [{ $ref: '#/$defs/a', minLength: 2, $defs: { a: { type: 'string' } } }, '"ab"', '"a"'],
      [{ allOf: [base, { properties: { n: { type: 'integer' } } }] }, '{"k":"x","n":1}', '{"n":1}'],
      [{ ...base, anyOf: [{ required: ['m'] }, { required: ['n'] }] }, '{"k":"","m":1}', '{"k":""}'],
      [
        { oneOf: [{ properties: { t: { const: 1 } }, required: ['t'], type: 'object' }, { type: 'null' }] },
        '{"t":1}',
        '{"t":2}',
      ],
      [{ type: ['array', 'null'], items: { nullable: true, type: 'integer' } }, '[1,null]', '["x"]'],
      [{ title: 'x', default: 1, type: 'integer', examples: [1] }, '3', '"3"'],
    ] as [JsonValue, string, string][]) {
      const grammar = grammarOf(schema);
      expect([good, accepts(grammar, good)]).toEqual([good, true]);
      expect([bad, accepts(grammar, bad)]).toEqual([bad, false]);
    }
  });

  it('is taken as zod and pydantic write it', () => {
    const pattern =
      '^([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}|00000000-0000-0000-0000-000000000000)$';
    const zod: JsonObject = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: {
        id: { type: 'string', format: 'uuid', pattern },
        count: { type: 'integer', minimum: -9007199254740991, maximum: 9007199254740991 },
        map: { type: 'object', propertyNames: { type: 'string' }, additionalProperties: { type: 'number' } },
        kind: { anyOf: [{ type: 'string', const: 'a' }, { type: 'null' }] },
      },
      required: ['id', 'count', 'map', 'kind'],
      additionalProperties: false,
    };
    const pydantic: JsonObject = {
      $defs: { Colour: { enum: ['red', 'blue'], title: 'Colour', type: 'string' } },
      properties: {
        colour: { $ref: '#/$defs/Colour', default: 'red', description: 'One of them.' },
        pair: {
          maxItems: 2,
          minItems: 2,
          prefixItems: [{ type: 'integer' }, { type: 'string', maxLength: 5 }],
          title: 'Pair',
          type: 'array',
        },
        url: { format: 'uri', maxLength: 2083, minLength: 1, title: 'Url', type: 'string' },
        note: { anyOf: [{ type: 'string', maxLength: 9 }, { type: 'null' }], default: null, title: 'Note' },
      },
      required: ['pair', 'url'],
      title: 'Thing',
      type: 'object',
    };
    for (const schema of [zod, pydantic]) {
      const grammar = grammarOf(schema);
      const fits = validator(schema);
      for (let seed = 0; seed < 20; ++seed) {
        const text = randomText(grammar, rng(seed));
        if (text !== undefined) expect(fits(JSON.parse(text)), text).toBe(true);
      }
    }
  });

  it('of any size and shape is read in bounded time, or refused', () => {
    const nested = (depth: number): JsonValue =>
      depth === 0 ? { type: 'string' } : { type: 'array', items: nested(depth - 1) };
    const chain = Object.fromEntries(
      Array.from({ length: 3000 }, (_, i) => [`d${i}`, { $ref: `#/$defs/d${i + 1}` }] as const),
    );
    const twice = {
      type: 'object',
      properties: { a: { $ref: '#', title: 'a' }, b: { $ref: '#', title: 'b' } },
    };
    const double = (depth: number): JsonValue =>
      depth === 0
        ? { type: 'null' }
        : { allOf: [{ type: 'null' }], anyOf: [double(depth - 1), double(depth - 1)] };
    const cases: JsonValue[] = [
      nested(60),
      nested(200),
      { $defs: { ...chain, d3000: { type: 'null' } }, $ref: '#/$defs/d0' },
      twice,
      double(14),
      { pattern: '(?:(?:(?:a{50}){50}){50}){50}' },
      { pattern: '^(?:a|b)*a(?:a|b){30}$' },
      { pattern: `^(?:[a-f]{1,500}x){1,500}$` },
      { pattern: '\\w{1,1000}\\W{1,1000}', maxLength: 100_000 },
      { enum: Array.from({ length: 5000 }, (_, i) => `value ${i}`) },
      { anyOf: Array.from({ length: 2000 }, (_, i) => ({ type: 'string', minLength: i })) },
      { type: 'string', minLength: 1e9 },
      { minItems: 1e15, items: {} },
    ];
    for (const schema of cases) {
      const before = performance.now();
      let reason = 'taken';
      try {
        const grammar = grammarOf(schema);
        let state: GrammarState | undefined = grammar.start;
        for (const byte of Buffer.from('{"a": "aaaaaaaaaaaa')) state = state && grammar.step(state, byte);
      } catch (error) {
        reason = (error as Error).message;
      }
      const seconds = (performance.now() - before) / 1000;
      const name = `${JSON.stringify(schema).slice(0, 80)}: ${reason}`;
      expect(seconds, name).toBeLessThan(5);
    }
  });
});

it('a part of a schema that comes again costs nothing more', () => {
  const properties = (count: number, part: JsonObject) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, part]));
  const parts: JsonObject[] = [
    { type: 'string', format: 'email' },
    { type: 'string', pattern: '^.{1,100}$' },
    { type: 'string', pattern: '^[a-z]{1,300}$', maxLength: 200 },
    { type: 'number', minimum: -90, maximum: 90 },
  ];
  for (const part of parts) {
    expect(() => grammarOf({ type: 'object', properties: properties(300, part) })).not.toThrow();
  }
});

it('a schema that is not supported leaves room for any object, and costs at most half', () => {
  const slow = { type: 'string', pattern: '^(?:a|b)*a(?:a|b){30}$' };
  const exact = { type: 'object', properties: { a: { const: 1 } }, required: ['a'] };
  const items: JsonValue[] = [{ not: {} }, slow, exact];
  const [unknown, large, known] = items.map(
    (schema) => new Grammar({ kind: 'json-if-supported', schema, otherwise: { type: 'object' } }),
  );
  for (const grammar of [unknown!, large!]) {
    expect(['{"x": [1]}', '3'].map((text) => accepts(grammar, text))).toEqual([true, false]);
  }
  expect(['{"x": [1]}', '{"a": 1}'].map((text) => accepts(known!, text))).toEqual([false, true]);
});
