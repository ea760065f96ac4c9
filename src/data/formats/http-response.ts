/** HTTP responses as WARC files hold them. */
import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import { unzstd } from './zstd.ts';

/** A response; the body is unpacked. */
export interface HttpResponse {
  /** Undefined where the block is no HTTP response. */
  status: number | undefined;
  /** Values by name in lower case. */
  headers: ReadonlyMap<string, string>;
  body: Buffer;
}

/** Why the body of a response cannot be read. */
export class BadBody extends Error {}

const MOST_HEADER_BYTES = 1 << 20;

/**
 * Parses a response: status, headers, and the body without its chunks and compressions. Throws
 * BadBody.
 * @param mostBytes the most bytes of an unpacked body
 */
export function parseHttpResponse(block: Buffer, mostBytes: number): HttpResponse {
  const head = block.subarray(0, MOST_HEADER_BYTES).toString('latin1');
  const [start] = /^HTTP\/\S+ +(\d{3})[^\n]*\n/.exec(head) ?? [];
  if (start === undefined) return { status: undefined, headers: new Map(), body: block };
  // From the end of the first line, since there may be no other one.
  const from = start.length - 1;
  const end = /\n\r?\n/.exec(head.slice(from));
  if (!end) throw new BadBody('its header has no end');
  const headers = headersOf(head.slice(from, from + end.index));
  const body = block.subarray(from + end.index + end[0].length);
  const status = Number(/\d{3}/.exec(start.slice(start.indexOf(' ')))![0]);
  return { status, headers, body: unpacked(withoutChunks(body, headers), headers, mostBytes) };
}

function headersOf(fields: string): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of fields.replace(/\r?\n[ \t]+/g, ' ').split('\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).trim().toLowerCase();
    // Of a repeated field the first one counts, as in browsers for the type.
    if (colon > 0 && !headers.has(name)) headers.set(name, line.slice(colon + 1).trim());
  }
  return headers;
}

/** Some crawlers store bodies without chunks and leave the header as it was. */
function withoutChunks(body: Buffer, headers: ReadonlyMap<string, string>): Buffer {
  if (!/\bchunked\b/i.test(headers.get('transfer-encoding') ?? '')) return body;
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const end = body.indexOf(10, at);
    const size = /^([0-9a-f]{1,8})\s*(;.*)?$/i.exec(
      body.toString('latin1', at, end < 0 ? at : Math.min(end, at + 4096)).trim(),
    );
    if (!size) return at === 0 ? body : Buffer.concat(pieces);
    const length = Number.parseInt(size[1]!, 16);
    if (length === 0) break;
    pieces.push(body.subarray(end + 1, end + 1 + length));
    at = end + 1 + length;
    if (body[at] === 13) at += 1;
    if (body[at] === 10) at += 1;
  }
  return Buffer.concat(pieces);
}

function unpacked(body: Buffer, headers: ReadonlyMap<string, string>, mostBytes: number): Buffer {
  const named = (headers.get('content-encoding') ?? '').toLowerCase().split(',');
  const codings = named.map((name) => name.trim()).filter((name) => name !== '' && name !== 'identity');
  // The last one was applied last.
  return codings.reduceRight((bytes, coding) => unpack(bytes, coding, mostBytes), body);
}

function unpack(bytes: Buffer, coding: string, maxOutputLength: number): Buffer {
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const options = { maxOutputLength, finishFlush: 2 };
  try {
    if (/^(x-)?gzip$/.test(coding)) {
      // A body that the crawler unpacked already.
      return isGzip ? gunzipSync(bytes, options) : bytes;
    }
    if (coding === 'deflate') return inflate(bytes, options);
    if (coding === 'br') return brotliDecompressSync(bytes, { maxOutputLength });
    if (coding === 'zstd') return unzstd(bytes, maxOutputLength);
  } catch (error) {
    const isLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    const why = isLarge ? `is over ${maxOutputLength} bytes long` : `is not whole ${coding}`;
    if (looksLikeText(bytes)) return bytes;
    throw new BadBody(`its body ${why}`);
  }
  throw new BadBody(`its body is packed as "${coding.slice(0, 40)}"`);
}

/** Servers send deflate with and without the header of zlib. */
function inflate(bytes: Buffer, options: { maxOutputLength: number }): Buffer {
  const hasHeader = (bytes[0]! & 15) === 8 && bytes.length > 1 && bytes.readUInt16BE(0) % 31 === 0;
  return hasHeader ? inflateSync(bytes, options) : inflateRawSync(bytes, options);
}

/** Whether bytes begin as a page does, so that the header about their packing is wrong. */
function looksLikeText(bytes: Buffer): boolean {
  return /^\s*<(!doctype|html|\?xml|head|body)/i.test(bytes.toString('latin1', 0, 512));
}
