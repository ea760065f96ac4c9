/** Texts as UTF-8 has them: half of a surrogate pair is exchanged, as the tokenizer would do. */
import type { JsonValue } from '../base/json.ts';

export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}

/** A value of JSON with such texts. */
export function withTexts(value: JsonValue): JsonValue {
  if (typeof value === 'string') return wellFormed(value);
  if (Array.isArray(value)) return value.map(withTexts);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [wellFormed(name), withTexts(item)]));
}
