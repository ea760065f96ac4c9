/** Encodes rows with a chat template. A row that the template refuses is a bad row. */
import { RefusedMessages } from '../../text/refused-messages.ts';
import { describeDropped } from '../document.ts';
import type { RowCounts, RowOptions } from './rows.ts';

/** What to do with a row that a template refuses. */
export interface RefusalOptions extends RowOptions {
  /** Counts the rows that are left out. */
  counts?: RowCounts;
}

/** The encoded rows. */
export interface EncodedRows<T> {
  encoded: T[];
  /** The first refusal of the template: the reason if no row is left. */
  refusal: RefusedMessages | undefined;
}

/**
 * Encodes each row. With onBadLine 'skip' a row that the template refuses is counted and left out.
 * Otherwise, which is the default here, it throws ERR_CONFIG naming the row.
 */
export function encodeRows<Row extends { id: string }, T>(
  rows: readonly Row[],
  encode: (row: Row) => T,
  { onBadLine = 'fail', counts }: RefusalOptions,
): EncodedRows<T> {
  const encoded: T[] = [];
  let refusal: RefusedMessages | undefined;
  for (const row of rows) {
    try {
      encoded.push(encode(row));
    } catch (error) {
      if (!(error instanceof RefusedMessages) || onBadLine === 'fail') throw error;
      refusal ??= error;
      const description = describeDropped({ id: row.id, reason: 'refused', detail: error.reason });
      counts?.add('refused', description);
    }
  }
  return { encoded, refusal };
}
