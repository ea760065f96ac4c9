/**
 * The contents of files as a stream of bytes: as they are, or unpacked where the name ends in .gz
 * (any number of members) or .zst (any number of frames). Memory stays constant.
 */
import { closeSync, createReadStream, openSync, type ReadStream, readSync } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { Decompress } from 'fzstd';
import { AthanorError, fileError } from '../../base/errors.ts';
import { fileKind } from '../../base/files/file-kind.ts';
import { isZstd, zstdFrame } from './zstd.ts';

const CHUNK_BYTES = 1 << 20;

/** Text becomes up to a hundred times smaller. What expands further is made to fill a disk. */
const MOST_EXPANSION = 500;
/** Below this the expansion does not matter. */
const HARMLESS_BYTES = 8 << 20;

/** Frames may ask for up to 2 GB. The zstd program asks before it uses more than this. */
const MOST_WINDOW_BYTES = 128 << 20;
/** A frame may end in each piece, and each end takes stack. */
const ZSTD_PIECE_BYTES = 32 << 10;

const GZIP = /\.gz$/i;
const ZSTD = /\.(zst|zstd)$/i;

/** A file name without the ending of a compression. */
export function unpackedName(name: string): string {
  return name.replace(GZIP, '').replace(ZSTD, '');
}

/** A part of a file that is not compressed: bytes [start, end). */
export interface ByteRange {
  start: number;
  end: number;
}

/**
 * The bytes of a file, or of a range of it. Throws ERR_FILE_MISSING, ERR_IO, ERR_FILE_DAMAGED for a
 * compressed file that is incomplete or damaged, and ERR_FORMAT for one of another format or one
 * that expands over 500-fold.
 */
export async function* fileBytes(path: string, range?: ByteRange): AsyncGenerator<Buffer> {
  // createReadStream counts the last byte in.
  const part = range && { start: range.start, end: range.end - 1 };
  const raw = createReadStream(path, { highWaterMark: CHUNK_BYTES, ...part });
  const packed = GZIP.test(path) ? gunzipped : ZSTD.test(path) ? unzstd : undefined;
  const pack = GZIP.test(path) ? 'gzip' : 'zstd';
  try {
    yield* packed ? packed(raw, path) : (raw as AsyncIterable<Buffer>);
  } catch (error) {
    if (error instanceof AthanorError) throw error;
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (!packed || (syscall !== undefined && !code?.startsWith('Z_'))) throw fileError(error, path);
    throw notWhole(path, pack, error);
  } finally {
    raw.destroy();
  }
}

async function* gunzipped(raw: ReadStream, path: string): AsyncGenerator<Buffer> {
  const unzip = createGunzip({ chunkSize: CHUNK_BYTES });
  raw.on('error', (error) => unzip.destroy(error));
  let out = 0;
  for await (const chunk of raw.pipe(unzip) as AsyncIterable<Buffer>) {
    out += chunk.length;
    requireLittleExpansion(path, unzip.bytesWritten, out);
    yield chunk;
  }
}

async function* unzstd(raw: ReadStream, path: string): AsyncGenerator<Buffer> {
  let ready: Uint8Array[] = [];
  let [read, out, begun] = [0, 0, false];
  const decoder = new Decompress((bytes) => {
    out += bytes.length;
    requireLittleExpansion(path, read, out);
    ready.push(bytes);
  });
  for await (const chunk of raw as AsyncIterable<Buffer>) {
    if (!begun) requireSmallWindow(path, chunk);
    begun = true;
    for (let start = 0; start < chunk.length; start += ZSTD_PIECE_BYTES) {
      const piece = chunk.subarray(start, start + ZSTD_PIECE_BYTES);
      read += piece.length;
      decoder.push(piece, false);
      if (ready.length > 0) yield Buffer.concat(ready);
      ready = [];
    }
  }
  decoder.push(new Uint8Array(0), true);
}

function requireLittleExpansion(path: string, read: number, out: number): void {
  if (out < HARMLESS_BYTES || out < MOST_EXPANSION * read) return;
  const what = `${path} expands to over ${MOST_EXPANSION} times its size`;
  throw new AthanorError('ERR_FORMAT', what, 'unpack it yourself if it is what you want to read');
}

/** Throws for a first frame that needs a large window. */
function requireSmallWindow(path: string, head: Buffer): void {
  const window = zstdFrame(head)?.window ?? 0;
  if (window <= MOST_WINDOW_BYTES) return;
  const what = `${path} needs a window of ${Math.ceil(window / 2 ** 20)} MiB to be unpacked`;
  const most = `${MOST_WINDOW_BYTES >> 20} MiB are read`;
  throw new AthanorError('ERR_FORMAT', `${what}; up to ${most}`, 'compress it again without --long');
}

/** A compressed file that is cut short or damaged, or no compressed file at all. */
function notWhole(path: string, pack: 'gzip' | 'zstd', cause: unknown): AthanorError {
  const head = firstBytes(path);
  const kind = fileKind(head);
  const isPacked = pack === 'gzip' ? head[0] === 0x1f && head[1] === 0x8b : isZstd(head);
  if (isPacked || kind === undefined) {
    const what = `${path} is not a whole ${pack} file`;
    return new AthanorError('ERR_FILE_DAMAGED', what, 'copy it again', { cause });
  }
  const ending = pack === 'gzip' ? '.gz' : '.zst';
  const what = `${path} is ${kind.name}, although its name ends in ${ending}`;
  return new AthanorError('ERR_FORMAT', what, kind.remedy, { cause });
}

/** The first 512 bytes of a file, and zeros behind a shorter one. */
export function firstBytes(path: string): Buffer {
  const head = Buffer.alloc(512);
  const file = openSync(path, 'r');
  try {
    readSync(file, head);
  } finally {
    closeSync(file);
  }
  return head;
}
