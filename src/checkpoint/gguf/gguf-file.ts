/**
 * Writes GGUF, the file format of llama.cpp, version 3: metadata, the description of every tensor,
 * and the tensors, each at a multiple of 32 bytes. All numbers are little-endian.
 */
import { renameSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { AthanorError, fileError } from '../../base/errors.ts';
import { HashedFile, syncPath, type WrittenFile } from '../../base/files/hashed-file.ts';
import { removeStaleFiles, temporarySuffix } from '../../base/files/temporary-files.ts';

/** The types of metadata that Athanor writes, by their numbers in the format. */
const kinds = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;

export type GgufValue =
  | { u32: number }
  | { f32: number }
  | { bool: boolean }
  | { string: string }
  | { strings: readonly string[] }
  | { i32s: readonly number[] }
  | { f32s: readonly number[] };

export interface GgufTensor {
  name: string;
  /** Row-major, as in the engine. The file has the dimensions in the other order. */
  shape: readonly number[];
  /** The number of the tensor's type in the format. */
  type: number;
  bytes: number;
  read: () => Uint8Array;
}

const [MAGIC, VERSION, ALIGNMENT] = ['GGUF', 3, 32];

/** Writes a file that is complete, or is not there. Throws ERR_IO and ERR_DISK_FULL. */
export async function writeGguf(
  path: string,
  metadata: Iterable<readonly [string, GgufValue]>,
  tensors: readonly GgufTensor[],
): Promise<WrittenFile> {
  const temporary = `${path}${temporarySuffix()}`;
  try {
    removeStaleFiles(dirname(resolve(path)), basename(path));
  } catch (error) {
    throw fileError(error, path, 'write');
  }
  const written = await HashedFile.write(temporary, async (file) => {
    const head = header([...metadata], tensors);
    await file.append(head);
    await file.append(padding(head.length));
    for (const { name, bytes, read } of tensors) {
      const data = read();
      if (data.length !== bytes) {
        throw new AthanorError('ERR_INTERNAL', `${name} has ${data.length} bytes instead of ${bytes}`);
      }
      await file.append(data);
      await file.append(padding(bytes));
    }
  });
  try {
    renameSync(temporary, path);
    syncPath(dirname(resolve(path)));
  } catch (error) {
    throw fileError(error, path, 'write');
  }
  return { ...written, name: basename(path) };
}

function header(metadata: readonly (readonly [string, GgufValue])[], tensors: readonly GgufTensor[]): Buffer {
  const out = new Bytes();
  out.raw(Buffer.from(MAGIC)).u32(VERSION).u64(tensors.length).u64(metadata.length);
  for (const [key, value] of metadata) out.string(key).value(value);
  let offset = 0;
  for (const { name, shape, type, bytes } of tensors) {
    out.string(name).u32(shape.length);
    for (const size of shape.toReversed()) out.u64(size);
    out.u32(type).u64(offset);
    offset += bytes + padding(bytes).length;
  }
  return out.all();
}

function padding(bytes: number): Uint8Array {
  return new Uint8Array((ALIGNMENT - (bytes % ALIGNMENT)) % ALIGNMENT);
}

/** Bytes that grow at their end. */
class Bytes {
  readonly #parts: Buffer[] = [];

  raw(bytes: Buffer): this {
    this.#parts.push(bytes);
    return this;
  }

  u32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return this.raw(bytes);
  }

  u64(value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return this.raw(bytes);
  }

  string(text: string): this {
    const bytes = Buffer.from(text);
    return this.u64(bytes.length).raw(bytes);
  }

  value(value: GgufValue): this {
    if ('u32' in value) return this.u32(kinds.u32).u32(value.u32);
    if ('bool' in value) return this.u32(kinds.bool).raw(Buffer.of(value.bool ? 1 : 0));
    if ('string' in value) return this.u32(kinds.string).string(value.string);
    if ('f32' in value) {
      const bytes = Buffer.alloc(4);
      bytes.writeFloatLE(value.f32);
      return this.u32(kinds.f32).raw(bytes);
    }
    if ('strings' in value) {
      this.u32(kinds.array).u32(kinds.string).u64(value.strings.length);
      for (const text of value.strings) this.string(text);
      return this;
    }
    const [kind, items] = 'i32s' in value ? [kinds.i32, value.i32s] : [kinds.f32, value.f32s];
    this.u32(kinds.array).u32(kind).u64(items.length);
    const numbers = 'i32s' in value ? Int32Array.from(items) : Float32Array.from(items);
    return this.raw(Buffer.from(numbers.buffer));
  }

  all(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
