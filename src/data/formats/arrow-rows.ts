/**
 * The rows of Arrow files: streams of messages, as `datasets` writes them, and files with a footer
 * (Feather), which hold the same messages. One record batch is in memory at a time.
 */
import { CompressionType, setCompressionCodec, type Table, tableFromIPC } from '@uwdata/flechette';
import { AthanorError } from '../../base/errors.ts';
import { fileKind } from '../../base/files/file-kind.ts';
import type { JsonObject } from '../../base/json.ts';
import { checkBatch, isText } from './arrow-batches.ts';
import { ByteReader } from './byte-reader.ts';
import { fileBytes, firstBytes } from './byte-stream.ts';
import type { TableRow } from './table-row.ts';
import { jsonOfCell, sizeOfJson } from './table-value.ts';
import { unzstd } from './zstd.ts';

/** Writers make batches of some thousand rows. */
const MOST_BODY_BYTES = 1 << 30;
const MOST_HEADER_BYTES = 64 << 20;
const FILE_MARK = 'ARROW1';
/** Kinds of messages (Message.fbs). */
const [SCHEMA, DICTIONARY, RECORDS] = [1, 2, 3];

setCompressionCodec(CompressionType.ZSTD, {
  encode: () => {
    throw new Error('Arrow is read, not written');
  },
  decode: (bytes, length) => {
    const packed = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // A copy, which begins where numbers may be read in place.
    return new Uint8Array(unzstd(packed, Math.min(length, MOST_BODY_BYTES)));
  },
});

/**
 * The rows of a file. A damaged batch is a problem and the next one follows; a damaged message ends
 * the file. Throws ERR_FORMAT for another format, and as fileBytes does.
 * @param columns names of the columns to read; all when missing. Absent ones are left out.
 */
export async function* arrowRows(path: string, columns?: ReadonlySet<string>): AsyncGenerator<TableRow> {
  const reader = new ByteReader(fileBytes(path));
  let row = 0;
  try {
    const context: Uint8Array[] = [];
    for await (const { kind, bytes } of messages(reader, path)) {
      if (kind === SCHEMA || kind === DICTIONARY) context.push(bytes);
      if (kind !== RECORDS) continue;
      const table = openBatch([...context, bytes]);
      if ('problem' in table) yield { row, problem: table.problem };
      else for (const value of batchRows(table, columns)) yield { row: row++, ...value };
    }
  } catch (error) {
    if (error instanceof AthanorError) throw error;
    yield { row, problem: (error as Error).message };
  } finally {
    await reader.close();
  }
}

/** Names of the columns of a file. Throws as arrowRows does. */
export async function arrowColumns(path: string): Promise<string[]> {
  const reader = new ByteReader(fileBytes(path));
  try {
    for await (const { kind, bytes } of messages(reader, path)) {
      if (kind === SCHEMA) return tableFromIPC([bytes]).schema.fields.map(({ name }) => name);
    }
    return [];
  } catch (error) {
    if (error instanceof AthanorError) throw error;
    const what = `${path} is not a whole Arrow file: ${(error as Error).message}`;
    throw new AthanorError('ERR_FILE_DAMAGED', what, 'copy it again', { cause: error });
  } finally {
    await reader.close();
  }
}

function openBatch(bytes: Uint8Array[]): Table | { problem: string } {
  try {
    const table = tableFromIPC(bytes, { useDate: true, useBigInt: true });
    for (const column of table.children) column.data.forEach(checkBatch);
    return table;
  } catch (error) {
    return { problem: `a batch of rows cannot be read: ${(error as Error).message}` };
  }
}

function* batchRows(table: Table, columns: ReadonlySet<string> | undefined) {
  const { names } = table;
  const wanted = [...names.keys()].filter((i) => columns?.has(names[i]!) ?? true);
  const allText = table.children.every(({ data }) => data.every(isText));
  for (let i = 0; i < table.numRows; i++) {
    const value: JsonObject = {};
    for (const at of wanted) value[names[at]!] = jsonOfCell(table.children[at]!.at(i));
    // The decoder replaces what is not UTF-8.
    if (!allText && JSON.stringify(value).includes('\ufffd')) yield { notUtf8: true as const };
    else yield { value, bytes: sizeOfJson(value) };
  }
}

interface Message {
  kind: number;
  /** The whole message: its length, header and body. */
  bytes: Uint8Array;
}

/** The messages of a stream up to its end mark. Throws Error where it is cut short. */
async function* messages(reader: ByteReader, path: string): AsyncGenerator<Message> {
  let length = await readLength(reader);
  if (length === undefined) throw new Error('the file is empty');
  if (length === Buffer.from(FILE_MARK).readInt32LE(0)) {
    // The mark of a file takes eight bytes, of which four were read.
    await reader.skip(4);
    length = await readLength(reader);
  }
  for (let first = true; length !== undefined && length !== 0; first = false) {
    if (length < 0 || length > MOST_HEADER_BYTES) throw notArrow(path, first);
    const header = await reader.bytes(length);
    if (header.length < length) throw new Error('the file ends within a message');
    const { kind, bodyLength } = fieldsOf(header);
    if (first && kind !== SCHEMA) throw notArrow(path, first);
    if (!(bodyLength >= 0 && bodyLength <= MOST_BODY_BYTES)) {
      throw new Error(`a batch of rows has ${bodyLength} bytes; up to ${MOST_BODY_BYTES} are read`);
    }
    const body = await reader.bytes(bodyLength);
    if (body.length < bodyLength) throw new Error('the file ends within a message');
    yield { kind, bytes: joined(header, body) };
    length = await readLength(reader);
  }
}

/** The length of the header that follows; 0 and undefined at the end. */
async function readLength(reader: ByteReader): Promise<number | undefined> {
  const mark = await reader.bytes(4);
  if (mark.length < 4) return undefined;
  // Since Arrow 0.15 a mark precedes the length.
  if (mark.readInt32LE(0) !== -1) return mark.readInt32LE(0);
  const length = await reader.bytes(4);
  return length.length < 4 ? undefined : length.readInt32LE(0);
}

/** Two fields of the table Message, by the layout of FlatBuffers. Throws RangeError. */
function fieldsOf(header: Buffer): { kind: number; bodyLength: number } {
  const table = header.readUInt32LE(0);
  const fields = table - header.readInt32LE(table);
  const size = header.readUInt16LE(fields);
  const place = (slot: number) => (slot < size ? header.readUInt16LE(fields + slot) : 0);
  const [kindAt, bodyAt] = [place(6), place(10)];
  return {
    kind: kindAt === 0 ? 0 : header.readUInt8(table + kindAt),
    bodyLength: bodyAt === 0 ? 0 : Number(header.readBigInt64LE(table + bodyAt)),
  };
}

/** The message in one piece. Its body begins at a multiple of 8: numbers are read in place. */
function joined(header: Buffer, body: Buffer): Uint8Array {
  const pad = -header.length & 7;
  const bytes = Buffer.from(new ArrayBuffer(pad + 8 + header.length + body.length)).subarray(pad);
  bytes.writeInt32LE(-1, 0);
  bytes.writeInt32LE(header.length, 4);
  header.copy(bytes, 8);
  body.copy(bytes, 8 + header.length);
  return bytes;
}

function notArrow(path: string, first: boolean): Error {
  const kind = first ? fileKind(firstBytes(path)) : undefined;
  if (!kind || kind.name.startsWith('an Arrow')) return new Error('a message has a length that cannot be');
  return new AthanorError('ERR_FORMAT', `${path} is ${kind.name}, not an Arrow file`, kind.remedy);
}
