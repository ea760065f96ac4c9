import type { JsonObject } from '../../base/json.ts';

/** A row of a table by its number from 0, or the reason why there is none. */
export type TableRow =
  | { row: number; value: JsonObject; bytes: number }
  | { row: number; notUtf8: true }
  | { row: number; problem: string };
