/** Reads GGUF, versions 2 and 3, one tensor at a time. Nothing in the file is trusted. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { AthanorError, fileError } from '../../base/errors.ts';
import { elementCount, type ParameterData } from '../tensor-data.ts';
import { byteLength, decodeTensor, type TensorType, tensorTypes } from './gguf-types.ts';

export type GgufMetadata = number | bigint | boolean | string | GgufMetadata[];

interface TensorPlace {
  /** Row-major, as in the engine. */
  shape: readonly number[];
  type: TensorType;
  begin: number;
}

const CHUNK_BYTES = 4 << 20;
/** Texts and lists of a header: those of a tokenizer with a million tokens are far smaller. */
const [MOST_TEXT, MOST_ITEMS, MOST_ENTRIES] = [16 << 20, 1 << 24, 1 << 20];
const MOST_DIMENSIONS = 4;
const VERSIONS = [2, 3];

/** An open GGUF file. Close it when done. */
export class GgufFile implements Disposable {
  readonly #file: number;
  readonly metadata: ReadonlyMap<string, GgufMetadata>;
  readonly tensors: ReadonlyMap<string, TensorPlace>;

  /**
   * Opens a file and checks its header. Throws ERR_FILE_MISSING, ERR_IO, ERR_FILE_DAMAGED, and
   * ERR_FORMAT for another version and for a type of weights that is not supported.
   */
  constructor(readonly path: string) {
    let file: number | undefined;
    try {
      file = openSync(path, 'r');
      this.#file = file;
      const header = readHeader(new Cursor(file, path));
      this.metadata = header.metadata;
      this.tensors = header.tensors;
    } catch (error) {
      if (file !== undefined) closeSync(file);
      throw fileError(error, path);
    }
  }

  /** A tensor: bf16 as it is, every other type as f32. */
  read(name: string): ParameterData {
    const { shape, type, begin } = this.tensors.get(name)!;
    const bytes = new Uint8Array(byteLength(type, elementCount(shape)));
    try {
      for (let at = 0; at < bytes.length; ) {
        const read = readSync(this.#file, bytes, at, Math.min(bytes.length - at, 1 << 30), begin + at);
        if (read === 0) throw damaged(this.path, `it ended while ${name} was read`);
        at += read;
      }
    } catch (error) {
      throw fileError(error, this.path);
    }
    return decodeTensor(type, bytes, shape);
  }

  close(): void {
    closeSync(this.#file);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function damaged(path: string, problem: string): AthanorError {
  return new AthanorError('ERR_FILE_DAMAGED', `${path} is damaged: ${problem}`, 'fetch or write it again');
}

/** Reads numbers and texts of a header in their order. */
class Cursor {
  readonly size: number;
  readonly #file: number;
  #buffer = Buffer.alloc(0);
  /** Where the buffer begins in the file, and the place within it. */
  #origin = 0;
  #at = 0;

  constructor(
    file: number,
    readonly path: string,
  ) {
    this.#file = file;
    this.size = fstatSync(file).size;
  }

  get place(): number {
    return this.#origin + this.#at;
  }

  take(bytes: number): Buffer {
    if (this.place + bytes > this.size) throw damaged(this.path, 'its header goes beyond its end');
    if (this.#at + bytes > this.#buffer.length) this.#fill(bytes);
    this.#at += bytes;
    return this.#buffer.subarray(this.#at - bytes, this.#at);
  }

  #fill(bytes: number): void {
    this.#origin = this.place;
    this.#at = 0;
    const wanted = Math.min(Math.max(bytes, CHUNK_BYTES), this.size - this.#origin);
    this.#buffer = Buffer.alloc(wanted);
    const read = readSync(this.#file, this.#buffer, 0, wanted, this.#origin);
    if (read < bytes) throw damaged(this.path, 'it ended while its header was read');
    this.#buffer = this.#buffer.subarray(0, read);
  }

  u32(): number {
    return this.take(4).readUInt32LE();
  }

  /** @param most of a damaged file any number may come */
  u64(what: string, most: number): number {
    const value = this.take(8).readBigUInt64LE();
    if (value > BigInt(most)) throw damaged(this.path, `it says that ${what} is ${value}`);
    return Number(value);
  }

  text(): string {
    return this.take(this.u64('the length of a text', MOST_TEXT)).toString('utf8');
  }
}

/** The kinds of single values by their numbers in the format. */
const scalars: Readonly<Record<number, (cursor: Cursor) => GgufMetadata>> = {
  0: (cursor) => cursor.take(1).readUInt8(),
  1: (cursor) => cursor.take(1).readInt8(),
  2: (cursor) => cursor.take(2).readUInt16LE(),
  3: (cursor) => cursor.take(2).readInt16LE(),
  4: (cursor) => cursor.u32(),
  5: (cursor) => cursor.take(4).readInt32LE(),
  6: (cursor) => cursor.take(4).readFloatLE(),
  7: (cursor) => cursor.take(1)[0] !== 0,
  8: (cursor) => cursor.text(),
  10: (cursor) => cursor.take(8).readBigUInt64LE(),
  11: (cursor) => cursor.take(8).readBigInt64LE(),
  12: (cursor) => cursor.take(8).readDoubleLE(),
};
const ARRAY = 9;

function metadataValue(cursor: Cursor, kind: number, depth = 0): GgufMetadata {
  const read = scalars[kind];
  if (read) return read(cursor);
  if (kind !== ARRAY || depth > 3) throw damaged(cursor.path, `it has a value of kind ${kind}`);
  const item = cursor.u32();
  const count = cursor.u64('the length of a list', MOST_ITEMS);
  // Every item takes a byte at least.
  if (count > cursor.size - cursor.place) throw damaged(cursor.path, 'a list goes beyond its end');
  const items: GgufMetadata[] = [];
  for (let i = 0; i < count; i++) items.push(metadataValue(cursor, item, depth + 1));
  return items;
}

function readHeader(cursor: Cursor): Pick<GgufFile, 'metadata' | 'tensors'> {
  const { path } = cursor;
  if (cursor.size < 24 || cursor.take(4).toString('latin1') !== 'GGUF') {
    throw new AthanorError('ERR_FORMAT', `${path} is not a GGUF file`, 'name a file that ends in .gguf');
  }
  const version = cursor.u32();
  if (!VERSIONS.includes(version)) {
    const remedy = 'write it again with a present llama.cpp';
    throw new AthanorError(
      'ERR_FORMAT',
      `${path} is GGUF of version ${version}; 2 and 3 are supported`,
      remedy,
    );
  }
  const tensorCount = cursor.u64('the number of tensors', MOST_ENTRIES);
  const keys = cursor.u64('the number of entries', MOST_ENTRIES);
  const metadata = new Map<string, GgufMetadata>();
  for (let i = 0; i < keys; i++) {
    const key = cursor.text();
    metadata.set(key, metadataValue(cursor, cursor.u32()));
  }
  const infos = Array.from({ length: tensorCount }, () => tensorInfo(cursor));
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || !(alignment >= 8 && alignment <= 1 << 20)) {
    throw damaged(path, 'its alignment is no number of bytes');
  }
  const start = Math.ceil(cursor.place / alignment) * alignment;
  const tensors = new Map<string, TensorPlace>();
  for (const { name, shape, type, offset } of infos) {
    const begin = start + offset;
    const end = begin + byteLength(type, elementCount(shape));
    if (tensors.has(name)) throw damaged(path, `it has two tensors ${name}`);
    if (end > cursor.size) throw damaged(path, `${name} goes beyond its end`);
    tensors.set(name, { shape, type, begin });
  }
  return { metadata, tensors };
}

function tensorInfo(cursor: Cursor) {
  const name = cursor.text();
  const dimensions = cursor.u32();
  if (dimensions < 1 || dimensions > MOST_DIMENSIONS) {
    throw damaged(cursor.path, `${name} has ${dimensions} dimensions`);
  }
  const sizes = Array.from({ length: dimensions }, () => cursor.u64(`a size of ${name}`, 2 ** 40));
  const shape = sizes.reverse();
  const number = cursor.u32();
  const types = Object.keys(tensorTypes) as TensorType[];
  const type = types.find((known) => tensorTypes[known].number === number);
  if (type === undefined) {
    throw new AthanorError(
      'ERR_FORMAT',
      `${cursor.path}: ${name} has weights of type ${number}, which is not supported`,
      `the types that can be read: ${types.join(', ')}`,
    );
  }
  const count = elementCount(shape);
  if (!Number.isSafeInteger(count) || (shape.at(-1) ?? 0) % tensorTypes[type].block[0] !== 0) {
    throw damaged(cursor.path, `${name} of type ${type} has the shape [${shape.join(', ')}]`);
  }
  return { name, shape, type, offset: cursor.u64(`the place of ${name}`, 2 ** 52) };
}
