/** Values of tables, such as Parquet and Arrow, as JSON. */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import { decodeUtf8 } from './utf8.ts';

/** Stands for a text that is not UTF-8. */
export const notUtf8: unique symbol = Symbol('not UTF-8');

/** Thrown for a text that is not UTF-8. */
export class BadText extends Error {}

/** The text of a cell, or the mark of one that is not UTF-8. */
export function textOfCell(bytes: Uint8Array | undefined): string | typeof notUtf8 | undefined {
  return bytes && (decodeUtf8(bytes) ?? notUtf8);
}

/**
 * A cell as JSON: whole numbers beyond 2^53 as texts, times in ISO 8601, bytes and what is not
 * finite as null. Throws BadText.
 */
export function jsonOfCell(cell: unknown): JsonValue {
  if (typeof cell === 'string' || typeof cell === 'boolean') return cell;
  if (typeof cell === 'number') return Number.isFinite(cell) ? cell : null;
  if (typeof cell === 'bigint') return Number.isSafeInteger(Number(cell)) ? Number(cell) : String(cell);
  if (cell === notUtf8) throw new BadText();
  if (typeof cell !== 'object' || cell === null || cell instanceof Uint8Array) return null;
  if (cell instanceof Date) return Number.isNaN(cell.getTime()) ? null : cell.toISOString();
  if (Array.isArray(cell)) return cell.map(jsonOfCell);
  if (ArrayBuffer.isView(cell)) return Array.from(cell as Float64Array | BigInt64Array, jsonOfCell);
  const fields = cell as { [name: string]: unknown };
  const value: JsonObject = {};
  for (const name in fields) value[name] = jsonOfCell(fields[name]);
  return value;
}

/** About so many bytes of memory as a value takes. */
export function sizeOfJson(value: JsonValue): number {
  if (typeof value === 'string') return value.length + 8;
  if (typeof value !== 'object' || value === null) return 8;
  let size = 16;
  for (const key in value) size += 8 + sizeOfJson((value as JsonObject)[key]!);
  return size;
}
