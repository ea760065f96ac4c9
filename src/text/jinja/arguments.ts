/** Arguments of filters and methods as the types that they must have. */
import { asNumber } from './comparison.ts';
import { TemplateError } from './errors.ts';
import { Tuple, textOf, typeName, type Value } from './values.ts';

export function textArgument(value: Value | undefined, what: string): string {
  const text = textOf(value);
  if (text !== undefined) return text;
  throw new TemplateError(`${what} must be str, not ${typeName(value ?? null)}`);
}

/** A text that may be left out, or None. */
export function optionalText(value: Value | undefined, what: string): string | undefined {
  return value === undefined || value === null ? undefined : textArgument(value, what);
}

/** An integer, bounded to what JavaScript counts exactly. */
export function integerArgument(value: Value | undefined, byDefault: number, what: string): number {
  if (value === undefined) return byDefault;
  const number = asNumber(value);
  if (typeof number !== 'bigint') throw new TemplateError(`${what} must be int, not ${typeName(value)}`);
  const limit = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(number > limit ? limit : number < -limit ? -limit : number);
}

/** A text or a tuple of texts, as startswith takes them. */
export function textsArgument(value: Value | undefined, what: string): string[] {
  if (value instanceof Tuple) return value.items.map((item) => textArgument(item, what));
  return [textArgument(value, what)];
}
