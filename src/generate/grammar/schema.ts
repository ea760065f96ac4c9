/**
 * Reads JSON Schema. Every keyword is either obeyed or refused by name: what is generated always
 * fits the whole schema. Annotations, such as `title`, have no effect.
 */
import { AthanorError } from '../../base/errors.ts';
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { Expression } from './expression.ts';
import { FORMATS } from './formats.ts';
import { type NumberRange, numbers } from './json-numbers.ts';
import { JsonStrings } from './json-text.ts';
import { patternStrings } from './pattern.ts';
import { areApart } from './schema-apart.ts';
import { ANNOTATIONS, mergedSchemas, sizeOf } from './schema-merge.ts';
import { type Member, type Shape, ShapeWriter } from './shape.ts';
import { type Budget, choice, intersection, type Node, type Terminal, textLengths } from './terminal.ts';

/** The keywords of each type of values. */
const KEYWORDS: Readonly<Record<string, readonly string[]>> = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'prefixItems', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  boolean: [],
  null: [],
};
const TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'];
const COMBINING = ['$ref', 'allOf', 'anyOf', 'oneOf', 'enum', 'const', 'type', 'nullable'];
const KNOWN: ReadonlySet<string> = new Set([...Object.values(KEYWORDS).flat(), ...COMBINING]);

const MAX_SCHEMA_LENGTH = 200_000;
const MAX_DEPTH = 64;

/**
 * The texts of the values that fit a schema. Throws ERR_ARGUMENT that names a keyword and its place
 * for what is not valid or not supported, and for a schema that is too large or has no value.
 */
export function schemaExpression(schema: JsonValue, budget: Budget): Expression {
  const length = JSON.stringify(schema).length;
  if (length > MAX_SCHEMA_LENGTH) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `the schema has ${length} characters; at most ${MAX_SCHEMA_LENGTH} are allowed`,
    );
  }
  const reader = new SchemaReader(schema, budget);
  const root = reader.read();
  return new ShapeWriter(reader.shapes, budget).write(root);
}

/** A schema with its place. */
interface Placed {
  schema: JsonValue;
  /** Such as `#/properties/name`. */
  at: string;
  depth: number;
}

class SchemaReader {
  /** Every shape that was made. */
  readonly shapes: Shape[] = [];
  readonly #root: JsonValue;
  readonly #budget: Budget;
  /** What references lead to. */
  readonly #targets = new Map<string, Shape & { kind: 'reference' }>();
  readonly #queue: { target: Shape & { kind: 'reference' }; at: string; schema: JsonValue }[] = [];
  #anything: Shape | undefined;

  constructor(root: JsonValue, budget: Budget) {
    this.#root = root;
    this.#budget = budget;
  }

  read(): Shape {
    const root = this.#referenceTo('#', '#', this.#root);
    for (let i = 0; i < this.#queue.length; ++i) {
      const { target, ...placed } = this.#queue[i]!;
      target.target = this.#shape({ ...placed, depth: 0 });
    }
    return root;
  }

  #add<S extends Shape>(shape: S): S {
    this.#budget.spend(8);
    this.shapes.push(shape);
    return shape;
  }

  #any(items: Shape[]): Shape {
    return items.length === 1 ? items[0]! : this.#add({ kind: 'any', items });
  }

  #terminal(terminal: Terminal | undefined): Shape {
    return terminal ? this.#add({ kind: 'terminal', terminal }) : this.#any([]);
  }

  /** @param key equal for equal schemas */
  #referenceTo(key: string, at: string, schema: JsonValue): Shape & { kind: 'reference' } {
    let target = this.#targets.get(key);
    if (target === undefined) {
      target = this.#add({ kind: 'reference', target: undefined });
      this.#targets.set(key, target);
      this.#queue.push({ target, at, schema });
    }
    return target;
  }

  /** The schema at a JSON pointer of the document. */
  #resolve(reference: string, at = '#'): JsonValue {
    const refuse = (reason: string): never => fail(at, `"$ref" ${JSON.stringify(reference)} ${reason}`);
    if (reference !== '#' && !reference.startsWith('#/')) {
      refuse('is not supported: it must be a JSON pointer into the schema, such as "#/$defs/name"');
    }
    let value: JsonValue = this.#root;
    for (const part of reference.split('/').slice(1)) {
      const key = unescapedPart(part);
      const known: JsonValue | undefined =
        typeof value === 'object' && value !== null && Object.hasOwn(value, key)
          ? (value as JsonObject)[key]
          : undefined;
      if (known === undefined) return refuse('leads to nothing');
      value = known;
    }
    return value;
  }

  #shape(placed: Placed): Shape {
    const { schema, at, depth } = placed;
    this.#budget.spend(4);
    if (depth > MAX_DEPTH) fail(at, `is nested deeper than ${MAX_DEPTH} levels`);
    if (schema === true) return this.#anyValue();
    if (schema === false) return this.#any([]);
    if (!isObject(schema)) return fail(at, 'must be an object, true or false');
    for (const [keyword, value] of Object.entries(schema)) {
      if (KNOWN.has(keyword) || ANNOTATIONS.has(keyword) || isNeutral(keyword, value)) continue;
      if (keyword === '$id' && at === '#') continue;
      fail(at, `has the keyword ${JSON.stringify(keyword.slice(0, 60))}, which is not supported`);
    }
    const { nullable, ...withoutNull } = schema;
    if (nullable !== undefined) {
      if (typeof nullable !== 'boolean') fail(at, '"nullable" must be true or false');
      const inner = this.#shape({ schema: withoutNull, at, depth: depth + 1 });
      return nullable ? this.#any([inner, this.#literals([null])]) : inner;
    }
    const others = Object.keys(schema).filter((keyword) => KNOWN.has(keyword));
    if (schema.$ref !== undefined) return this.#reference(schema, others, at);
    if (schema.allOf !== undefined) return this.#everyOf(schema, placed);
    if (schema.anyOf !== undefined) return this.#oneOf(schema, 'anyOf', placed);
    if (schema.oneOf !== undefined) return this.#oneOf(schema, 'oneOf', placed);
    if (schema.enum !== undefined || schema.const !== undefined) return this.#listed(schema, others, at);
    return this.#typed(schema, placed);
  }

  #reference(schema: JsonObject, keywords: readonly string[], at: string): Shape {
    const { $ref: reference, ...rest } = schema;
    if (typeof reference !== 'string') return fail(at, '"$ref" must be a string');
    const found = this.#resolve(reference, at);
    if (keywords.length === 1) return this.#referenceTo(reference, reference, found);
    const key = `${reference} ${JSON.stringify(rest)}`;
    return this.#referenceTo(key, at, this.#merged(found, rest, at));
  }

  #merged(one: JsonValue, other: JsonValue, at: string): JsonValue {
    this.#budget.spend(8 + sizeOf(one) + sizeOf(other));
    const merged = mergedSchemas(one, other);
    if (!('conflict' in merged)) return merged.schema;
    return fail(at, `combines schemas that both have "${merged.conflict}", which is not supported`);
  }

  #everyOf(schema: JsonObject, { at, depth }: Placed): Shape {
    const { allOf, ...rest } = schema;
    if (!Array.isArray(allOf)) return fail(at, '"allOf" must be a list');
    const merged = allOf.reduce<JsonValue>(
      (before, one) => this.#merged(before, this.#target(one, at), at),
      rest,
    );
    return this.#shape({ schema: merged, at, depth: depth + 1 });
  }

  /** A schema, or what it refers to if it says nothing else. */
  #target(schema: JsonValue, at: string): JsonValue {
    let target = schema;
    for (let steps = 0; isObject(target) && typeof target.$ref === 'string'; ++steps) {
      const { $ref: reference, ...rest } = target;
      if (steps > MAX_DEPTH) return fail(at, '"$ref" leads to itself');
      target = this.#merged(this.#resolve(reference, at), rest, at);
    }
    return target;
  }

  #oneOf(schema: JsonObject, keyword: 'anyOf' | 'oneOf', { at, depth }: Placed): Shape {
    const { [keyword]: list, ...rest } = schema;
    if (!Array.isArray(list) || list.length === 0) return fail(at, `"${keyword}" must be a list of schemas`);
    if (keyword === 'oneOf') this.#checkApart(list, at);
    const isAlone = Object.keys(rest).every((key) => ANNOTATIONS.has(key));
    const items = list.map((one, i) => {
      const place = `${at}/${keyword}/${i}`;
      const item = isAlone ? one : this.#merged(rest, this.#target(one, place), place);
      return this.#shape({ schema: item, at: place, depth: depth + 1 });
    });
    return this.#any(items);
  }

  /** `oneOf` is `anyOf` where no value fits two of the schemas. */
  #checkApart(list: readonly JsonValue[], at: string): void {
    const targets = list.map((one) => this.#target(one, at));
    targets.forEach((one, i) => {
      for (const other of targets.slice(0, i)) {
        this.#budget.spend(16);
        if (!areApart(one, other)) {
          fail(
            at,
            'has the keyword "oneOf" with schemas that may overlap, which is not supported; use anyOf',
          );
        }
      }
    });
  }

  #listed(schema: JsonObject, keywords: readonly string[], at: string): Shape {
    const stray = keywords.find((keyword) => !['enum', 'const', 'type'].includes(keyword));
    if (stray !== undefined) {
      fail(at, `has "${stray}" beside "enum" or "const", which is not supported`);
    }
    const { enum: list, const: only, type } = schema;
    if (list !== undefined && !Array.isArray(list)) return fail(at, '"enum" must be a list');
    let values = list ?? [only!];
    if (list && only !== undefined) {
      values = values.filter((value) => JSON.stringify(value) === JSON.stringify(only));
    }
    const types = typesOf(type, at);
    return this.#literals(values.filter((value) => !types || types.some((one) => isOfType(value, one))));
  }

  #literals(values: readonly JsonValue[]): Shape {
    if (values.length === 0) return this.#any([]);
    const texts = [...new Set(values.map((value) => JSON.stringify(value)))];
    return this.#terminal(
      choice(
        texts.map((text) => ({ text })),
        this.#budget,
      ),
    );
  }

  #typed(schema: JsonObject, placed: Placed): Shape {
    const given = typesOf(schema.type, placed.at);
    const implied = Object.keys(KEYWORDS).filter((type) =>
      KEYWORDS[type]!.some((keyword) => schema[keyword] !== undefined),
    );
    const types = given ?? implied;
    if (types.length === 0 && !given) return this.#anyValue();
    // An integer is a number.
    const wanted = types.filter((type) => type !== 'integer' || !types.includes('number'));
    return this.#any(wanted.map((type) => this.#ofType(type, schema, placed)));
  }

  #ofType(type: string, schema: JsonObject, placed: Placed): Shape {
    switch (type) {
      case 'object':
        return this.#object(schema, placed);
      case 'array':
        return this.#array(schema, placed);
      case 'string':
        return this.#string(schema, placed.at);
      case 'number':
      case 'integer':
        return this.#number(schema, type === 'integer', placed.at);
      case 'boolean':
        return this.#literals([true, false]);
      default:
        return this.#literals([null]);
    }
  }

  #object(schema: JsonObject, { at, depth }: Placed): Shape {
    const { properties = {}, required = [], additionalProperties: others } = schema;
    if (!isObject(properties)) return fail(at, '"properties" must be an object');
    if (!Array.isArray(required) || !required.every((name) => typeof name === 'string')) {
      return fail(at, '"required" must be a list of strings');
    }
    const names = Object.keys(properties);
    // An object without known keys is any object. One with keys has those alone, unless it says
    // otherwise: that is a part of what the schema allows.
    const isOpen = others === undefined ? schema.properties === undefined : others !== false;
    const shapeOfOthers = !isOpen
      ? undefined
      : others === undefined
        ? this.#anyValue()
        : this.#shape({ schema: others, at: `${at}/additionalProperties`, depth: depth + 1 });
    const members: Member[] = names.map((name) => ({
      name,
      isRequired: required.includes(name),
      shape: this.#shape({
        schema: properties[name]!,
        at: `${at}/properties/${escapedPart(name)}`,
        depth: depth + 1,
      }),
    }));
    for (const name of new Set(required as string[])) {
      if (Object.hasOwn(properties, name)) continue;
      const shape = others === undefined ? this.#anyValue() : (shapeOfOthers ?? this.#any([]));
      members.push({ name, isRequired: true, shape });
    }
    return this.#add({ kind: 'object', members, others: shapeOfOthers });
  }

  #array(schema: JsonObject, { at, depth }: Placed): Shape {
    const { prefixItems = [], items = true } = schema;
    if (!Array.isArray(prefixItems)) return fail(at, '"prefixItems" must be a list of schemas');
    if (Array.isArray(items)) return fail(at, '"items" as a list is not supported; use "prefixItems"');
    const first = prefixItems.map((item, i) =>
      this.#shape({ schema: item, at: `${at}/prefixItems/${i}`, depth: depth + 1 }),
    );
    return this.#add({
      kind: 'array',
      first,
      rest: items === false ? undefined : this.#shape({ schema: items, at: `${at}/items`, depth: depth + 1 }),
      least: countOf(schema, 'minItems', at) ?? 0,
      most: countOf(schema, 'maxItems', at) ?? Number.POSITIVE_INFINITY,
    });
  }

  #string(schema: JsonObject, at: string): Shape {
    const { pattern, format } = schema;
    const least = countOf(schema, 'minLength', at) ?? 0;
    const most = countOf(schema, 'maxLength', at) ?? Number.POSITIVE_INFINITY;
    if (pattern !== undefined && typeof pattern !== 'string') return fail(at, '"pattern" must be a string');
    if (format !== undefined && typeof format !== 'string') return fail(at, '"format" must be a string');
    if (format !== undefined && !Object.hasOwn(FORMATS, format)) {
      fail(at, `has the "format" ${JSON.stringify(format.slice(0, 60))}, which is not supported`);
    }
    if (least > most) return this.#any([]);
    const patterns = [...(pattern === undefined ? [] : [pattern]), ...(format ? [FORMATS[format]!] : [])];
    if (patterns.length === 0) return this.#terminal(new JsonStrings(least, most).start);
    return this.#terminal(
      this.#budget.once(`string ${least} ${most} ${JSON.stringify(patterns)}`, () =>
        this.#patterned(patterns, least, most, at),
      ),
    );
  }

  /** Strings in which all patterns are found. */
  #patterned(patterns: readonly string[], least: number, most: number, at: string): Node | undefined {
    const automata = patterns.map((one) =>
      inPlace(at, () => this.#budget.once(`pattern ${one}`, () => patternStrings(one, this.#budget))),
    );
    let found = automata[0];
    for (const other of automata.slice(1)) found = found && other && this.#both(found, other);
    if (!found || isWithin(found, least, most)) return found;
    return this.#both(found, new JsonStrings(least, most).start);
  }

  #both(one: Terminal, other: Terminal): Node | undefined {
    return intersection(one, other, this.#budget);
  }

  #number(schema: JsonObject, isInteger: boolean, at: string): Shape {
    const of = (keyword: string) => numberOf(schema, keyword, at);
    const [minimum, maximum, multipleOf] = [of('minimum'), of('maximum'), of('multipleOf')];
    const [above, below] = [of('exclusiveMinimum'), of('exclusiveMaximum')];
    if (multipleOf !== undefined && !(isInteger && Number.isInteger(multipleOf) && isSmall(multipleOf))) {
      fail(at, `has "multipleOf" for other things than integers and divisors from 1 to ${MAX_DIVISOR}`);
    }
    const isAboveLeast = above !== undefined && (minimum === undefined || above >= minimum);
    const isBelowMost = below !== undefined && (maximum === undefined || below <= maximum);
    return this.#terminal(
      this.#numbers({
        ...{ isInteger, isAboveLeast, isBelowMost, multipleOf },
        least: isAboveLeast ? above : minimum,
        most: isBelowMost ? below : maximum,
      }),
    );
  }

  #numbers(range: NumberRange): Node | undefined {
    return this.#budget.once(`number ${JSON.stringify(range)}`, () => numbers(range, this.#budget));
  }

  /** Any JSON value. */
  #anyValue(): Shape {
    if (this.#anything) return this.#anything;
    const anything: Shape = this.#add({ kind: 'any', items: [] });
    this.#anything = anything;
    anything.items.push(
      this.#terminal(new JsonStrings().start),
      this.#terminal(this.#numbers({ isInteger: false })),
      this.#literals([true, false, null]),
      this.#add({ kind: 'object', members: [], others: anything }),
      this.#add({ kind: 'array', first: [], rest: anything, least: 0, most: Number.POSITIVE_INFINITY }),
    );
    return anything;
  }
}

/** Values of other keywords that generators of schemas write, and that ask for nothing. */
const NEUTRAL: Readonly<Record<string, readonly string[]>> = {
  propertyNames: ['{"type":"string"}', '{}', 'true'],
  uniqueItems: ['false'],
  minProperties: ['0'],
};

function isNeutral(keyword: string, value: JsonValue): boolean {
  return Object.hasOwn(NEUTRAL, keyword) && NEUTRAL[keyword]!.includes(JSON.stringify(value));
}

/** Bytes of the longest spelling of a character in JSON. */
const LONGEST_CHARACTER = 6;

/** Whether all strings of an automaton surely have this many characters. */
function isWithin(strings: Node, least: number, most: number): boolean {
  if (least === 0 && most === Number.POSITIVE_INFINITY) return true;
  const { shortest, longest } = textLengths(strings);
  return (shortest - 2) / LONGEST_CHARACTER >= least && longest - 2 <= most;
}

const MAX_DIVISOR = 64;
/** Bounds of numbers have few digits after the dot. */
const MAX_EXPONENT = 30;

function isSmall(divisor: number): boolean {
  return divisor >= 1 && divisor <= MAX_DIVISOR;
}

function fail(at: string, problem: string): never {
  throw new AthanorError('ERR_ARGUMENT', `the schema at ${at.slice(0, 200)} ${problem}`);
}

/** Adds the place to the errors of what has none. */
function inPlace<T>(at: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof AthanorError)) throw error;
    throw new AthanorError(error.code, `the schema at ${at.slice(0, 200)}: ${error.message}`, error.remedy);
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typesOf(type: JsonValue | undefined, at: string): string[] | undefined {
  if (type === undefined) return undefined;
  const list = Array.isArray(type) ? type : [type];
  const stray = list.find((one) => typeof one !== 'string' || !TYPES.includes(one));
  if (stray !== undefined || list.length === 0) {
    fail(at, `has the "type" ${JSON.stringify(type).slice(0, 60)}; types are ${TYPES.join(', ')}`);
  }
  return [...new Set(list as string[])];
}

function isOfType(value: JsonValue, type: string): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return isObject(value);
  if (type === 'integer') return Number.isInteger(value);
  return typeof value === type;
}

function countOf(schema: JsonObject, keyword: string, at: string): number | undefined {
  const value = schema[keyword];
  if (value === undefined) return undefined;
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  return fail(at, `"${keyword}" must be an integer of at least 0`);
}

function numberOf(schema: JsonObject, keyword: string, at: string): number | undefined {
  const value = schema[keyword];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isFinite(value)) return fail(at, `"${keyword}" must be a number`);
  const exponent = value === 0 ? 0 : Math.abs(Math.log10(Math.abs(value)));
  if (exponent <= MAX_EXPONENT) return value === 0 ? 0 : value;
  return fail(at, `has a "${keyword}" of a size that is not supported`);
}

function unescapedPart(part: string): string {
  const text = part.replace(/~1/g, '/').replace(/~0/g, '~');
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function escapedPart(name: string): string {
  return name.replace(/~/g, '~0').replace(/\//g, '~1');
}
