/** Checks of record batches, whose numbers come from the file and are taken on trust otherwise. */
import { isUtf8 } from 'node:buffer';
import { type Batch, Type } from '@uwdata/flechette';

/** Columns without data have no bytes that their length can be compared with. */
const MOST_ROWS = 1 << 24;

const textTypes: ReadonlySet<number> = new Set([Type.Utf8, Type.LargeUtf8]);
const byteTypes: ReadonlySet<number> = new Set([...textTypes, Type.Binary, Type.LargeBinary]);
const listTypes: ReadonlySet<number> = new Set([Type.List, Type.LargeList, Type.Map]);
const refused: ReadonlySet<number> = new Set([Type.ListView, Type.LargeListView, Type.Union]);

/** Throws an Error when the parts of a batch, or of a batch in it, contradict each other. */
export function checkBatch(batch: Batch<unknown>): void {
  const { type, length, values, offsets, children } = batch;
  const { typeId } = type;
  if (refused.has(typeId)) throw new Error('lists as views and unions are not read');
  if (!(length >= 0 && length <= MOST_ROWS)) throw new Error(`a batch of ${length} values`);
  if (byteTypes.has(typeId)) checkOffsets(offsets, length, values.length);
  else if (listTypes.has(typeId)) checkOffsets(offsets, length, children[0]!.length);
  else if (typeId === Type.Bool) requireRoom(values.length * 8, length);
  else if (typeId === Type.Struct) for (const child of children) requireRoom(child.length, length);
  else if (typeId === Type.FixedSizeList) requireRoom(children[0]!.length, length);
  for (const child of children ?? []) checkBatch(child);
}

function checkOffsets(offsets: ArrayLike<number | bigint>, length: number, limit: number): void {
  if (length === 0) return;
  requireRoom(offsets.length - 1, length);
  let last = 0;
  for (let i = 0; i <= length; i++) {
    const offset = Number(offsets[i]);
    if (offset < last || offset > limit) throw new Error('the offsets of a column do not fit its values');
    last = offset;
  }
}

function requireRoom(room: number, length: number): void {
  if (room < length) throw new Error(`a column of ${length} values has room for ${room}`);
}

/** Whether all texts of a batch are UTF-8. */
export function isText({ type, values, children }: Batch<unknown>): boolean {
  if (textTypes.has(type.typeId) && !isUtf8(values as Uint8Array)) return false;
  return (children ?? []).every(isText);
}
