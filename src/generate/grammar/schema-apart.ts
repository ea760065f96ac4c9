/** Which schemas surely have no value in common, so that `oneOf` is `anyOf`. */
import type { JsonObject, JsonValue } from '../../base/json.ts';

/** Whether no value fits both schemas: by their types, or by a key that must have other values. */
export function areApart(one: JsonValue, other: JsonValue): boolean {
  if (!isObject(one) || !isObject(other)) return one === false || other === false;
  const [values, otherValues] = [valuesOf(one), valuesOf(other)];
  if (values && otherValues) return !values.some((value) => otherValues.includes(value));
  const [types, otherTypes] = [kindsOf(one), kindsOf(other)];
  if (types && otherTypes && !types.some((type) => otherTypes.includes(type))) return true;
  const [properties, otherProperties] = [one.properties, other.properties];
  if (!types || !otherTypes || `${types}${otherTypes}` !== 'objectobject') return false;
  if (!isObject(properties) || !isObject(otherProperties)) return false;
  return Object.keys(properties).some((name) => {
    if (!Object.hasOwn(otherProperties, name)) return false;
    const isRequired = [one, other].every(
      ({ required }) => Array.isArray(required) && required.includes(name),
    );
    return isRequired && areApart(properties[name]!, otherProperties[name]!);
  });
}

/** The texts of all values of a schema that lists them. */
function valuesOf(schema: JsonObject): string[] | undefined {
  if (schema.const !== undefined) return [JSON.stringify(schema.const)];
  return Array.isArray(schema.enum) ? schema.enum.map((value) => JSON.stringify(value)) : undefined;
}

/** The types of a schema, with numbers for integers. */
function kindsOf(schema: JsonObject): string[] | undefined {
  const { type } = schema;
  if (type === undefined || schema.nullable === true) return undefined;
  return (Array.isArray(type) ? type : [type]).map((one) => (one === 'integer' ? 'number' : String(one)));
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
