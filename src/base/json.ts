/** Values that JSON.stringify and JSON.parse carry unchanged. */
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };
/** A JSON object. */
export type JsonObject = { [key: string]: JsonValue };

/**
 * Deeper values would exhaust the stack of code that walks them, such as JSON.stringify. The reader
 * of tokenizer.json in Rust stops at 128 levels.
 */
const maxDepth = 256;

/** JSON from a file. Throws SyntaxError, also for a value that is nested over 256 levels deep. */
export function parseJson(text: string): JsonValue {
  const value = JSON.parse(text) as JsonValue;
  requireDepth(value, maxDepth);
  return value;
}

function requireDepth(value: JsonValue, levels: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (levels === 0) throw new SyntaxError(`it is nested over ${maxDepth} levels deep`);
  for (const key in value) requireDepth((value as JsonObject)[key]!, levels - 1);
}

/** The characters of a value that a message shows. */
const shownLength = 60;

/** A value for a message: its JSON, cut after 60 characters. */
export function quoted(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = typeof value === 'string' ? JSON.stringify(value.slice(0, shownLength * 2)) : json(value);
  return text.length > shownLength ? `${text.slice(0, shownLength)}…` : text;
}

/** Values of programs may have what JSON has not: cycles, bigints, a toJSON that throws. */
function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return `a ${typeof value} without JSON`;
  }
}
