/**
 * Reads the headers of Arrow messages as far as is needed to know that their lists are not longer
 * than the header itself. The decoder takes the lengths on trust.
 */

/** Kinds of messages (Message.fbs). */
export const [SCHEMA, DICTIONARY, RECORDS] = [1, 2, 3];

/** The slots of tables, in the layout of FlatBuffers (Message.fbs, Schema.fbs). */
const message = { kind: 6, header: 8, bodyLength: 10 };
const dictionary = { data: 6 };
const batch = { nodes: 6, buffers: 8, variadicCounts: 12 };
const schema = { fields: 6, metadata: 8, features: 10 };
const field = { typeKind: 8, type: 10, children: 14, metadata: 16 };
const union = { kind: 14, typeIds: 6 };

/** A table of a FlatBuffer. Its methods throw RangeError for places outside. */
class FlatTable {
  readonly bytes: Buffer;
  readonly at: number;
  readonly #fields: number;
  readonly #size: number;

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.at = at;
    this.#fields = at - bytes.readInt32LE(at);
    this.#size = bytes.readUInt16LE(this.#fields);
  }

  /** The place of a field; undefined where it is left out. */
  place(slot: number): number | undefined {
    const offset = slot < this.#size ? this.bytes.readUInt16LE(this.#fields + slot) : 0;
    return offset === 0 ? undefined : this.at + offset;
  }

  table(slot: number): FlatTable | undefined {
    const place = this.place(slot);
    return place === undefined ? undefined : this.#target(place);
  }

  /** The place and length of a list. Throws where it is longer than the bytes. */
  list(slot: number, itemBytes: number): { at: number; count: number } {
    const place = this.place(slot);
    if (place === undefined) return { at: 0, count: 0 };
    const at = place + this.bytes.readUInt32LE(place);
    const count = this.bytes.readUInt32LE(at);
    if (at + 4 + count * itemBytes > this.bytes.length) throw new RangeError('a list is too long');
    return { at: at + 4, count };
  }

  *tables(slot: number): Generator<FlatTable> {
    const { at, count } = this.list(slot, 4);
    for (let i = 0; i < count; i++) yield this.#target(at + 4 * i);
  }

  #target(place: number): FlatTable {
    return new FlatTable(this.bytes, place + this.bytes.readUInt32LE(place));
  }
}

/** What a header says of its message. */
export interface MessageHeader {
  kind: number;
  /** Bytes of the body behind it. */
  bodyLength: number;
}

/** Throws RangeError for a header whose parts lie outside of it. */
export function readHeader(header: Buffer): MessageHeader {
  const root = new FlatTable(header, header.readUInt32LE(0));
  const [kindAt, bodyAt] = [root.place(message.kind), root.place(message.bodyLength)];
  const kind = kindAt === undefined ? 0 : header.readUInt8(kindAt);
  const content = root.table(message.header);
  if (content && kind === SCHEMA) checkSchema(content);
  if (content && kind === RECORDS) checkBatchLists(content);
  const data = kind === DICTIONARY ? content?.table(dictionary.data) : undefined;
  if (data) checkBatchLists(data);
  return { kind, bodyLength: bodyAt === undefined ? 0 : Number(header.readBigInt64LE(bodyAt)) };
}

function checkBatchLists(table: FlatTable): void {
  table.list(batch.nodes, 16);
  table.list(batch.buffers, 16);
  table.list(batch.variadicCounts, 8);
}

function checkSchema(table: FlatTable): void {
  table.list(schema.metadata, 4);
  table.list(schema.features, 8);
  // A field has more bytes than this. Fields that several others share would have no end.
  let left = table.bytes.length / 8;
  const open = [...table.tables(schema.fields)];
  for (let next = open.pop(); next; next = open.pop()) {
    if (--left < 0) throw new RangeError('its fields have no end');
    next.list(field.metadata, 4);
    const kindAt = next.place(field.typeKind);
    const isUnion = kindAt !== undefined && next.bytes.readUInt8(kindAt) === union.kind;
    if (isUnion) next.table(field.type)?.list(union.typeIds, 4);
    open.push(...next.tables(field.children));
  }
}
