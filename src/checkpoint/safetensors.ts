/**
 * Reads and writes safetensors files one tensor at a time, so that memory holds no second copy of a
 * model. Values are little-endian, as on every machine that the engine is built for.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { AthanorError, fileError } from '../base/errors.ts';
import { fileKind } from '../base/files/file-kind.ts';
import { HashedFile, type WrittenFile } from '../base/files/hashed-file.ts';
import {
  damaged,
  fileType,
  formatHeader,
  type Header,
  maxHeaderBytes,
  parseHeader,
  type TensorInfo,
} from './safetensors-header.ts';
import { f8Types, f32FromF8 } from './scaled-weights.ts';
import {
  bytesPerElement,
  elementCount,
  f32FromF16,
  type LateTensorSource,
  lateSourceData,
  type TensorData,
} from './tensor-data.ts';

/** A system call reads at most 2 GiB. */
const maxRead = 1 << 30;

/** An open safetensors file. Close it when done. */
export class SafetensorsFile implements Disposable {
  readonly #file: number;
  readonly #dataAt: number;
  readonly #header: Header;
  #closed = false;

  private constructor(
    readonly path: string,
    file: number,
    header: Header,
    dataAt: number,
  ) {
    this.#file = file;
    this.#header = header;
    this.#dataAt = dataAt;
  }

  /**
   * Opens a file and checks its whole structure. Throws ERR_FILE_MISSING,
   * ERR_FILE_DAMAGED or ERR_IO.
   */
  static open(path: string): SafetensorsFile {
    let file: number | undefined;
    try {
      file = openSync(path, 'r');
      const { size } = fstatSync(file);
      if (size < 8) throw damaged(path, `it has ${size} bytes, too few for a safetensors file`);
      const headerBytes = Number(readBytes(file, 0, 8, path).readBigUInt64LE());
      if (headerBytes > Math.min(size - 8, maxHeaderBytes)) {
        refuseOtherKind(readBytes(file, 0, Math.min(size, 512), path), path);
        throw damaged(path, `its header claims ${headerBytes} bytes, but the file has ${size}`);
      }
      const header = parseHeader(readBytes(file, 8, headerBytes, path), size - 8 - headerBytes, path);
      return new SafetensorsFile(path, file, header, 8 + headerBytes);
    } catch (error) {
      if (file !== undefined) closeSync(file);
      throw fileError(error, path);
    }
  }

  /** The tensors of the file by name, in the order of its header. */
  get tensors(): ReadonlyMap<string, TensorInfo> {
    return this.#header.tensors;
  }

  /** The strings under __metadata__. */
  get metadata(): Readonly<Record<string, string>> {
    return this.#header.metadata;
  }

  /**
   * Reads one tensor into new memory. F32, BF16, I32, I64, U8 and U16 stay as they are; F16, F64,
   * F8_E4M3, F8_E5M2 and F8_E8M0 become f32. Throws ERR_FORMAT for other dtypes and ERR_ARGUMENT
   * for an unknown name.
   */
  read(name: string): TensorData {
    const info = this.tensors.get(name);
    if (info === undefined) {
      throw new AthanorError('ERR_ARGUMENT', `${this.path} has no tensor ${JSON.stringify(name)}`);
    }
    if (this.#closed) throw new AthanorError('ERR_STATE', `${this.path} is closed`);
    const { dtype, shape } = info;
    if (!convertible.has(dtype) && !Object.values(fileType).includes(dtype)) {
      throw new AthanorError(
        'ERR_FORMAT',
        `${this.path}: ${JSON.stringify(name)} is ${dtype}, which is not supported`,
        'convert it to float32 or bfloat16',
      );
    }
    const f8 = f8Types.get(dtype);
    const { buffer } = readBytes(this.#file, this.#dataAt + info.begin, info.end - info.begin, this.path);
    if (f8) return { dtype: 'f32', shape, data: f32FromF8(new Uint8Array(buffer), f8) };
    switch (dtype) {
      case 'F32':
        return { dtype: 'f32', shape, data: new Float32Array(buffer) };
      case 'F16':
        return { dtype: 'f32', shape, data: f32FromF16(new Uint16Array(buffer)) };
      case 'F64':
        return { dtype: 'f32', shape, data: Float32Array.from(new Float64Array(buffer)) };
      case 'BF16':
        return { dtype: 'bf16', shape, data: new Uint16Array(buffer) };
      case 'U16':
        return { dtype: 'u16', shape, data: new Uint16Array(buffer) };
      case 'I32':
        return { dtype: 'i32', shape, data: new Int32Array(buffer) };
      case 'I64':
        return { dtype: 'i64', shape, data: new BigInt64Array(buffer) };
      default:
        return { dtype: 'u8', shape, data: new Uint8Array(buffer) };
    }
  }

  close(): void {
    if (!this.#closed) closeSync(this.#file);
    this.#closed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Types of files that become f32. */
const convertible: ReadonlySet<string> = new Set(['F16', 'F64', ...f8Types.keys()]);

/** Throws ERR_FORMAT for weights in another format. */
function refuseOtherKind(head: Uint8Array, path: string): void {
  const kind = fileKind(head);
  if (kind === undefined) return;
  throw new AthanorError('ERR_FORMAT', `${path}: it is ${kind.name}, not a safetensors file`, kind.remedy);
}

/** Fills memory of exactly `length` bytes from a file. */
function readBytes(file: number, position: number, length: number, path: string): Buffer<ArrayBuffer> {
  let buffer: Buffer<ArrayBuffer>;
  try {
    // Not from Node's pool: the tensor takes over all of this memory.
    buffer = Buffer.from(new ArrayBuffer(length));
  } catch {
    throw new AthanorError(
      'ERR_OUT_OF_MEMORY',
      `no memory for ${length} bytes of ${path}`,
      'use a smaller model or free some memory',
    );
  }
  try {
    for (let at = 0; at < length; ) {
      const read = readSync(file, buffer, at, Math.min(length - at, maxRead), position + at);
      if (read === 0) throw damaged(path, `it ended at byte ${position + at} while being read`);
      at += read;
    }
  } catch (error) {
    throw fileError(error, path);
  }
  return buffer;
}

/**
 * Writes a safetensors file and fsyncs it. It overwrites an old file in place, so give a temporary
 * name and rename. Functions that give data are called in order, one at a time. A partial file is
 * removed on failure. Throws ERR_ARGUMENT for a repeated name or data that does not fit its shape,
 * ERR_DISK_FULL and ERR_IO.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<readonly [string, LateTensorSource]>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<WrittenFile> {
  const entries = [...tensors].map(([name, source]) => {
    const bytes = elementCount(source.shape) * bytesPerElement[source.dtype];
    return [name, { source, dtype: source.dtype, shape: source.shape, bytes }] as const;
  });
  const names = new Set<string>();
  for (const [name] of entries) {
    if (names.has(name) || name === '__metadata__') {
      throw new AthanorError('ERR_ARGUMENT', `cannot write ${path}: two tensors are named ${name}`);
    }
    names.add(name);
  }
  return HashedFile.write(path, async (file) => {
    await file.append(formatHeader(entries, metadata));
    for (const [name, { source, bytes }] of entries) {
      const data = await lateSourceData(source);
      if (data.byteLength !== bytes) {
        throw new AthanorError(
          'ERR_ARGUMENT',
          `cannot write ${path}: ${name} is ${source.dtype} [${source.shape.join(', ')}], ${bytes} bytes, but its data has ${data.byteLength}`,
        );
      }
      await file.append(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
  });
}
