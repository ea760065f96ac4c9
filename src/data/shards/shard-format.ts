/**
 * The format of a token shard: a header of 64 bytes, the ids of whole documents end to end, and
 * then, at a multiple of 8 bytes, a table with the end of each document in ids and in bytes of
 * text, as u64. An end-of-text token precedes each document. So a window that starts anywhere
 * contains the beginnings of documents, and the first token of a document follows something. All
 * numbers are little-endian.
 */
import { AthanorError } from '../../base/errors.ts';

export const HEADER_BYTES = 64;
/** Bytes of an entry in the table of documents. */
export const END_BYTES = 16;
const MAGIC = 'ATHTOKEN';
const VERSION = 1;

export interface ShardHeader {
  /** Bytes per id: 2 or 4. */
  width: 2 | 4;
  tokens: number;
  documents: number;
}

export function writeHeader({ width, tokens, documents }: ShardHeader): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(MAGIC, 0, 'latin1');
  header.writeUInt32LE(VERSION, 8);
  header.writeUInt32LE(width, 12);
  header.writeBigUInt64LE(BigInt(tokens), 16);
  header.writeBigUInt64LE(BigInt(documents), 24);
  return header;
}

/** Parses a header. Throws ERR_FILE_DAMAGED naming the file and the problem. */
export function parseHeader(header: Buffer, path: string): ShardHeader {
  const wrong = (what: string) =>
    new AthanorError(
      'ERR_FILE_DAMAGED',
      `${path} is not a whole token shard: ${what}`,
      'run athanor data prepare again',
    );
  if (header.length < HEADER_BYTES) throw wrong(`it has ${header.length} bytes`);
  if (header.toString('latin1', 0, 8) !== MAGIC) throw wrong('its first bytes are not a shard header');
  const version = header.readUInt32LE(8);
  if (version !== VERSION) throw wrong(`its format is version ${version} and this build reads ${VERSION}`);
  const width = header.readUInt32LE(12);
  if (width !== 2 && width !== 4) throw wrong(`its ids claim ${width} bytes`);
  const tokens = header.readBigUInt64LE(16);
  const documents = header.readBigUInt64LE(24);
  if (tokens > BigInt(2 ** 48) || documents > tokens)
    throw wrong(`it claims ${tokens} tokens in ${documents} documents`);
  return { width, tokens: Number(tokens), documents: Number(documents) };
}

/** The byte at which the table of documents begins. */
export function tableOffset({ width, tokens }: ShardHeader): number {
  return Math.ceil((HEADER_BYTES + tokens * width) / 8) * 8;
}

/** The size of the file in bytes. */
export function shardBytes(header: ShardHeader): number {
  return tableOffset(header) + header.documents * END_BYTES;
}
