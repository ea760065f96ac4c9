/**
 * The header of a safetensors file: its length in 8 bytes (little-endian), then JSON with each
 * tensor's dtype, shape and byte range in the data that follows. Everything in it is checked:
 * ranges must cover the data exactly, without gaps or overlaps.
 */
import { AthanorError } from '../base/errors.ts';
import { parseJson, quoted } from '../base/json.ts';
import { type DataType, elementCount } from './tensor-data.ts';

/** Bits per element of the dtypes of the format. SafetensorsFile.read reads some of them. */
const sizes: Record<string, number> = {
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E4M3: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2: 8,
  F8_E5M2FNUZ: 8,
  F8_E8M0: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  I64: 64,
  U64: 64,
  F64: 64,
};

export const fileType: Record<DataType, string> = {
  f32: 'F32',
  bf16: 'BF16',
  i32: 'I32',
  i64: 'I64',
  u8: 'U8',
  u16: 'U16',
};

/** The header limit of the reference implementation. */
export const maxHeaderBytes = 100_000_000;

/** A tensor as the header describes it. */
export interface TensorInfo {
  /** The name in the file: F32, BF16, … */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Byte range in the data, which begins after the header. */
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
}

export function damaged(path: string, problem: string): AthanorError {
  const remedy = 'the file is damaged; fetch or write it again';
  return new AthanorError('ERR_FILE_DAMAGED', `${path}: ${problem}`, remedy);
}

/**
 * Parses the JSON of a header and checks it against the number of bytes that follow,
 * `dataBytes`. Throws ERR_FILE_DAMAGED.
 */
export function parseHeader(bytes: Uint8Array, dataBytes: number, path: string): Header {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    parsed = parseJson(text);
  } catch {
    throw damaged(path, 'its header is not JSON in UTF-8');
  }
  if (!isObject(parsed)) throw damaged(path, 'its header is not a JSON object');
  const repeated = repeatedKey(text);
  if (repeated !== undefined)
    throw damaged(path, `the tensor ${quoted(repeated)} is in its header more than once`);
  const { __metadata__: given, ...entries } = parsed;
  const metadata = given ?? {};
  if (!isObject(metadata) || Object.values(metadata).some((value) => typeof value !== 'string')) {
    throw damaged(path, '__metadata__ is not an object of strings');
  }
  const tensors = new Map<string, TensorInfo>();
  for (const [name, entry] of Object.entries(entries)) tensors.set(name, parseTensor(name, entry, path));
  checkRanges(tensors, dataBytes, path);
  return { tensors, metadata: metadata as Record<string, string> };
}

function parseTensor(name: string, entry: unknown, path: string): TensorInfo {
  const fail = (problem: string) => damaged(path, `the tensor ${quoted(name)} ${problem}`);
  if (!isObject(entry)) throw fail('is not described by an object');
  const { dtype, shape, data_offsets: range } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(sizes, dtype))
    throw fail(`has the unknown dtype ${quoted(dtype)}`);
  if (!isSizes(shape)) throw fail(`has the shape ${quoted(shape)}`);
  if (!isSizes(range) || range.length !== 2) throw fail(`has the offsets ${quoted(range)}`);
  const [begin, end] = range as [number, number];
  const needed = (elementCount(shape) * sizes[dtype]!) / 8;
  if (end - begin !== needed) {
    throw fail(`of ${dtype} [${shape.join(', ')}] needs ${needed} bytes but its offsets hold ${end - begin}`);
  }
  return { dtype, shape, begin, end };
}

/** Checks that ranges follow each other without gaps, from 0 to the end of the file. */
function checkRanges(tensors: Map<string, TensorInfo>, dataBytes: number, path: string): void {
  const byPlace = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let end = 0;
  let before = '';
  for (const [name, tensor] of byPlace) {
    if (tensor.begin < end) throw damaged(path, `the tensors ${quoted(before)} and ${quoted(name)} overlap`);
    if (tensor.begin > end) {
      throw damaged(
        path,
        `${tensor.begin - end} bytes before the tensor ${quoted(name)} belong to no tensor`,
      );
    }
    end = tensor.end;
    before = name;
  }
  if (end > dataBytes) {
    throw damaged(path, `it is cut short: the header promises ${end} bytes of data but ${dataBytes} follow`);
  }
  if (end < dataBytes) throw damaged(path, `${dataBytes - end} bytes after the last tensor belong to none`);
}

/**
 * A key that occurs twice in the outer object of valid JSON. JSON.parse would silently keep
 * the last value.
 */
function repeatedKey(json: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const letter = json[at];
    if (letter === '{' || letter === '[') depth++;
    else if (letter === '}' || letter === ']') depth--;
    else if (letter === '"') {
      const begin = at++;
      while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
      if (depth !== 1 || !/^\s*:/.test(json.slice(at + 1, at + 9))) continue;
      const key = JSON.parse(json.slice(begin, at + 1)) as string;
      if (seen.has(key)) return key;
      seen.add(key);
    }
  }
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.length <= 32 &&
    value.every((size) => Number.isSafeInteger(size) && size >= 0)
  );
}

/**
 * The first bytes of a file with these tensors: length and JSON, padded so that the data begins at
 * a multiple of 8 bytes.
 */
export function formatHeader(
  tensors: Iterable<readonly [string, { dtype: DataType; shape: readonly number[]; bytes: number }]>,
  metadata: Readonly<Record<string, string>>,
): Buffer {
  const parts = [`"__metadata__":${JSON.stringify(metadata)}`];
  let at = 0;
  for (const [name, { dtype, shape, bytes }] of tensors) {
    const entry = { dtype: fileType[dtype], shape, data_offsets: [at, at + bytes] };
    parts.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    at += bytes;
  }
  const json = Buffer.from(`{${parts.join(',')}}`);
  const padded = Math.ceil(json.length / 8) * 8;
  const header = Buffer.alloc(8 + padded, ' ');
  header.writeBigUInt64LE(BigInt(padded));
  json.copy(header, 8);
  return header;
}
