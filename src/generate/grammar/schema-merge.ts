/** One schema for the values that fit two. */
import type { JsonObject, JsonValue } from '../../base/json.ts';

/** The schema, or the keyword that cannot be combined. */
export type Merged = { schema: JsonValue } | { conflict: string };

/** Keywords of which the larger, or the smaller, value holds. */
const LARGER: ReadonlySet<string> = new Set(['minLength', 'minItems', 'minimum', 'exclusiveMinimum']);
const SMALLER: ReadonlySet<string> = new Set(['maxLength', 'maxItems', 'maximum', 'exclusiveMaximum']);
/** Keywords that say nothing about the values; `$defs` are read from the root. */
export const ANNOTATIONS: ReadonlySet<string> = new Set(
  '$schema $comment $defs definitions title description default examples example deprecated readOnly writeOnly contentEncoding contentMediaType discriminator'.split(
    ' ',
  ),
);

export function mergedSchemas(one: JsonValue, other: JsonValue): Merged {
  if (one === true) return { schema: other };
  if (other === true) return { schema: one };
  if (one === false || other === false) return { schema: false };
  if (!isObject(one) || !isObject(other)) return { conflict: 'no object' };
  if (isFree(one) || isFree(other)) return { schema: { ...one, ...other } };
  if ((one.nullable === true) !== (other.nullable === true)) return { conflict: 'nullable' };
  const merged: JsonObject = { ...one };
  for (const [keyword, value] of Object.entries(other)) {
    const before = Object.hasOwn(one, keyword) ? one[keyword] : undefined;
    if (
      before === undefined ||
      ANNOTATIONS.has(keyword) ||
      JSON.stringify(before) === JSON.stringify(value)
    ) {
      merged[keyword] = value;
      continue;
    }
    const both = mergedValues(keyword, before, value);
    if (both === undefined) return { conflict: keyword };
    merged[keyword] = both;
  }
  return closedObjects(one, other) ?? { schema: merged };
}

/** How much of a schema a merge walks through: its keywords, properties and lists. */
export function sizeOf(schema: JsonValue): number {
  if (!isObject(schema)) return 1;
  return Object.values(schema).reduce<number>((sum, value) => {
    if (Array.isArray(value)) return sum + 1 + value.length;
    return sum + (isObject(value) ? 1 + Object.keys(value).length : 1);
  }, 1);
}

/** Whether a schema says nothing about the values. */
function isFree(schema: JsonObject): boolean {
  return Object.keys(schema).every((keyword) => ANNOTATIONS.has(keyword));
}

/** `additionalProperties` speaks of the keys of its own schema. A merged one does not know them. */
function closedObjects(one: JsonObject, other: JsonObject): Merged | undefined {
  const isClosed = (schema: JsonObject) =>
    schema.additionalProperties !== undefined && schema.additionalProperties !== true;
  const hasOtherKeys = (schema: JsonObject, { properties = {} }: JsonObject) => {
    const known = isObject(properties) ? properties : {};
    return (
      isObject(schema.properties) &&
      Object.keys(schema.properties).some((name) => !Object.hasOwn(known, name))
    );
  };
  const isWrong =
    (isClosed(one) && hasOtherKeys(other, one)) || (isClosed(other) && hasOtherKeys(one, other));
  return isWrong ? { conflict: 'additionalProperties' } : undefined;
}

function mergedValues(keyword: string, one: JsonValue, other: JsonValue): JsonValue | undefined {
  if (typeof one === 'number' && typeof other === 'number') {
    if (LARGER.has(keyword)) return Math.max(one, other);
    if (SMALLER.has(keyword)) return Math.min(one, other);
  }
  if (keyword === 'required' && Array.isArray(one) && Array.isArray(other)) {
    return [...new Set([...one, ...other])];
  }
  if (keyword === 'type') return commonTypes([one].flat(), [other].flat());
  if (keyword === 'properties' && isObject(one) && isObject(other)) return mergedProperties(one, other);
  return undefined;
}

function commonTypes(one: readonly JsonValue[], other: readonly JsonValue[]): JsonValue | undefined {
  const has = (list: readonly JsonValue[], type: JsonValue) =>
    list.includes(type) || (type === 'integer' && list.includes('number'));
  const common = [...one.filter((type) => has(other, type)), ...other.filter((type) => has(one, type))];
  return common.length > 0 ? [...new Set(common)] : undefined;
}

function mergedProperties(one: JsonObject, other: JsonObject): JsonObject | undefined {
  const merged: JsonObject = { ...one };
  for (const [name, schema] of Object.entries(other)) {
    const both: Merged = Object.hasOwn(one, name) ? mergedSchemas(one[name]!, schema) : { schema };
    if ('conflict' in both) return undefined;
    merged[name] = both.schema;
  }
  return merged;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
