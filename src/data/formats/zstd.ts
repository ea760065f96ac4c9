/** Zstandard data in memory, and what its frames say of themselves (RFC 8878, 3.1.1.1). */
import { Decompress, decompress } from 'fzstd';

const MAGIC = 0xfd2fb528;
/** A frame header has at most so many bytes. */
const MOST_HEADER_BYTES = 18;

/** Whether data begins as a frame does. */
export function isZstd(bytes: Buffer): boolean {
  return bytes.length >= 4 && bytes.readUInt32LE(0) === MAGIC;
}

/** What a frame needs and gives, in bytes. */
export interface ZstdFrame {
  window: number;
  /** Undefined where it does not say. */
  content: number | undefined;
}

/** The first frame of data; undefined for other data and less than a frame. */
export function zstdFrame(bytes: Buffer): ZstdFrame | undefined {
  if (bytes.length < MOST_HEADER_BYTES || !isZstd(bytes)) return undefined;
  const descriptor = bytes[4]!;
  const isSingle = (descriptor & 0x20) !== 0;
  const flag = descriptor >> 6;
  const at = (isSingle ? 5 : 6) + [0, 1, 2, 4][descriptor & 3]!;
  const window = 2 ** (10 + (bytes[5]! >> 3)) * (1 + (bytes[5]! & 7) / 8);
  const sizes = [isSingle ? bytes[at]! : undefined, bytes.readUInt16LE(at) + 256, bytes.readUInt32LE(at)];
  const content = flag === 3 ? Number(bytes.readBigUInt64LE(at)) : sizes[flag];
  return { window: isSingle ? (content ?? 0) : window, content };
}

/** Unpacks data. Throws RangeError when it has over `most` bytes, and Error for damaged data. */
export function unzstd(bytes: Buffer, most: number): Buffer {
  const content = zstdFrame(bytes)?.content;
  if (content !== undefined && content > most) throw tooLong(most);
  // Frames that say nothing may expand without end.
  const out = content === most ? decompress(bytes) : unzstdInSteps(bytes, most);
  return Buffer.from(out.buffer, out.byteOffset, out.byteLength);
}

function unzstdInSteps(bytes: Buffer, most: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const decoder = new Decompress((piece) => {
    length += piece.length;
    if (length > most) throw tooLong(most);
    pieces.push(piece);
  });
  decoder.push(bytes, true);
  return Buffer.concat(pieces);
}

function tooLong(most: number): RangeError {
  return Object.assign(new RangeError(`over ${most} bytes`), { code: 'ERR_BUFFER_TOO_LARGE' });
}
