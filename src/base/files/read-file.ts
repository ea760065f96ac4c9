/**
 * Reads whole files into memory: all that are not read as a stream. A file is refused when it is
 * larger than any of its kind, so that no file can exhaust the memory or the longest string.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { AthanorError, fileError } from '../errors.ts';
import { type JsonObject, type JsonValue, parseJson } from '../json.ts';
import { fileKind } from './file-kind.ts';

/** How a file is read. */
export interface ReadOptions {
  /** The largest file of this kind, in bytes. Default 16 MiB. */
  most?: number;
  /** Makes the error of a file with other contents than expected. Default: ERR_FORMAT. */
  fail?: (problem: string, remedy?: string, cause?: unknown) => AthanorError;
}

const MEBIBYTE = 1 << 20;
const mostBytes = 16 * MEBIBYTE;

/** Largest sizes of kinds of files that may exceed 16 MiB. Real ones have a third at most. */
export const largest = {
  /** JSON of this size takes up to 1.5 GB of memory. */
  tokenizer: 64 * MEBIBYTE,
  rankFile: 64 * MEBIBYTE,
  weightIndex: 64 * MEBIBYTE,
  /** Athanor writes it and checks it against a checksum. */
  state: 256 * MEBIBYTE,
  manifest: 64 * MEBIBYTE,
  prompts: 64 * MEBIBYTE,
  page: 256 * MEBIBYTE,
  archive: 512 * MEBIBYTE,
} as const;

/**
 * The bytes of a file, or of standard input. Throws ERR_FILE_MISSING, ERR_IO, ERR_ARGUMENT for a
 * folder, and ERR_FORMAT for a file over `most` bytes.
 * @param path 0 for standard input
 */
export function readBytes(path: string | 0, { most = mostBytes, fail }: ReadOptions = {}): Buffer {
  const name = path === 0 ? 'standard input' : path;
  const refuse = failing(name, fail);
  let file: number | undefined;
  try {
    file = path === 0 ? 0 : openSync(path, 'r');
    const stat = fstatSync(file);
    if (stat.isFile() && stat.size > most) throw tooLarge(refuse, formatBytes(stat.size), most);
    // Devices, pipes and files of /proc have no size.
    return readToEnd(file, stat.isFile() ? stat.size : 0, most, () => tooLarge(refuse, 'longer', most));
  } catch (error) {
    throw fileError(error, name);
  } finally {
    if (path !== 0 && file !== undefined) closeSync(file);
  }
}

function readToEnd(file: number, expected: number, most: number, tooLong: () => AthanorError): Buffer {
  let bytes = Buffer.allocUnsafe(Math.min(expected, most) + 1);
  let length = 0;
  for (;;) {
    const read = readChunk(file, bytes, length);
    if (read === 0) return bytes.subarray(0, length);
    length += read;
    if (length > most) throw tooLong();
    if (length < bytes.length) continue;
    const larger = Buffer.allocUnsafe(Math.min(Math.max(2 * length, 1 << 16), most + 1));
    bytes.copy(larger, 0, 0, length);
    bytes = larger;
  }
}

/** A pipe on standard input may say that it has nothing yet, and that it has ended. */
function readChunk(file: number, bytes: Buffer, at: number): number {
  for (;;) {
    try {
      return readSync(file, bytes, at, bytes.length - at, null);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

function tooLarge(refuse: NonNullable<ReadOptions['fail']>, size: string, most: number): AthanorError {
  return refuse(
    `it is ${size}, and a file of this kind has at most ${formatBytes(most)}`,
    'name the right file',
  );
}

function formatBytes(bytes: number): string {
  return bytes < MEBIBYTE ? `${bytes} bytes` : `${Math.round(bytes / MEBIBYTE)} MiB`;
}

function failing(path: string, fail: ReadOptions['fail']): NonNullable<ReadOptions['fail']> {
  return (
    fail ??
    ((problem, remedy, cause) => new AthanorError('ERR_FORMAT', `${path}: ${problem}`, remedy, { cause }))
  );
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * The text of a file in UTF-8, without a byte-order mark. Throws as readBytes does, and ERR_FORMAT
 * for other encodings, because damaged text must not silently turn into other text.
 */
export function readText(path: string, options: ReadOptions = {}): string {
  const bytes = readBytes(path, options);
  const refuse = failing(path, options.fail);
  const kind = fileKind(bytes);
  if (kind) throw refuse(`it is ${kind.name}, not text`, kind.remedy);
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw refuse('it is not UTF-8 text', undefined, error);
  }
}

/** The value of a JSON file. Throws as readText does, and ERR_FORMAT for what is not JSON. */
export function readJson(path: string, options: ReadOptions = {}): JsonValue {
  const text = readText(path, options);
  try {
    return parseJson(text);
  } catch (error) {
    const empty = text.trim() === '' ? 'it is empty' : `it is not JSON: ${(error as Error).message}`;
    throw failing(path, options.fail)(empty, undefined, error);
  }
}

/** The object of a JSON file. Throws as readJson does, and ERR_FORMAT for any other value. */
export function readJsonObject(path: string, options: ReadOptions = {}): JsonObject {
  const value = readJson(path, options);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw failing(path, options.fail)('it is not a JSON object');
}

/** What `read` returns for a file, or undefined where there is none. */
export function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof AthanorError && error.code === 'ERR_FILE_MISSING') return undefined;
    throw error;
  }
}
