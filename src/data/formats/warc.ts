/**
 * The records of WARC files (ISO 28500, versions 0.17 to 1.1), one at a time: of WET and WAT files
 * too.
 */
import { ByteReader } from './byte-reader.ts';
import { fileBytes } from './byte-stream.ts';

/** A record of a WARC file. */
export interface WarcRecord {
  /** Its number in the file, from 1. */
  number: number;
  /** `response`, `conversion` and so on, in lower case. */
  type: string;
  /** Values by name in lower case, such as `warc-target-uri`. */
  headers: ReadonlyMap<string, string>;
  /** The bytes of the record; undefined where they were not wanted, or are too many. */
  block: Buffer | undefined;
  /** Bytes of the block as the header says. */
  length: number;
}

/** A place where the file is no WARC file, or its end where it is cut short. */
export interface WarcDamage {
  /** The number that the record would have. */
  number: number;
  problem: string;
}

/** Such a line, and all of a header. */
const MOST_LINE_BYTES = 64 << 10;
const MOST_HEADER_BYTES = 1 << 20;
const VERSION = /^WARC\/\d+\.\d+\s*$/;

/** Which blocks are read: others are passed over. */
export interface WarcOptions {
  wants: (type: string, headers: ReadonlyMap<string, string>) => boolean;
  /** The most bytes of a block; larger ones are passed over. */
  mostBytes: number;
}

/**
 * All records of a file in their order. Behind a damaged header it goes on with the next line that
 * begins a record. Throws as fileBytes does.
 */
export async function* warcRecords(
  path: string,
  options: WarcOptions,
): AsyncGenerator<WarcRecord | WarcDamage> {
  const reader = new ByteReader(fileBytes(path));
  try {
    for (let number = 1; ; number++) {
      const { lost, ended } = await nextRecord(reader);
      if (lost) yield { number, problem: 'text that belongs to no record' };
      if (ended) return;
      yield await readRecord(reader, number, options);
    }
  } finally {
    await reader.close();
  }
}

/** Reads up to the version line of a record. `lost`: there was something else before it. */
async function nextRecord(reader: ByteReader): Promise<{ lost: boolean; ended: boolean }> {
  let lost = false;
  for (;;) {
    const line = await reader.line(MOST_LINE_BYTES);
    if (line === undefined) return { lost, ended: true };
    const text = line.toString('latin1');
    if (VERSION.test(text)) return { lost, ended: false };
    if (text.trim() !== '') lost = true;
  }
}

async function readRecord(
  reader: ByteReader,
  number: number,
  { wants, mostBytes }: WarcOptions,
): Promise<WarcRecord | WarcDamage> {
  const headers = await readHeaders(reader);
  if (headers === undefined) return { number, problem: 'the header of a record has no end' };
  const type = headers.get('warc-type')?.toLowerCase() ?? '';
  const stated = headers.get('content-length') ?? '';
  if (!/^\d{1,15}$/.test(stated)) {
    return { number, problem: `a record with the Content-Length "${stated.slice(0, 40)}"` };
  }
  const length = Number(stated);
  const record = { number, type, headers, length };
  const cut = { number, problem: 'the file ends inside of a record' };
  if (length > mostBytes || !wants(type, headers)) {
    return (await reader.skip(length)) ? { ...record, block: undefined } : cut;
  }
  const block = await reader.bytes(length);
  return block.length === length ? { ...record, block } : cut;
}

/** The named fields up to the blank line; undefined when there is none. */
async function readHeaders(reader: ByteReader): Promise<Map<string, string> | undefined> {
  const headers = new Map<string, string>();
  let last: string | undefined;
  const limit = reader.position + MOST_HEADER_BYTES;
  while (reader.position < limit) {
    const line = await reader.line(MOST_LINE_BYTES);
    if (line === undefined) return undefined;
    const text = line.toString('utf8').replace(/\r?\n$/, '');
    if (text === '') return headers;
    const colon = text.indexOf(':');
    if (/^[ \t]/.test(text)) {
      if (last !== undefined) headers.set(last, `${headers.get(last)} ${text.trim()}`.trim());
    } else if (colon > 0) {
      last = text.slice(0, colon).trim().toLowerCase();
      headers.set(last, text.slice(colon + 1).trim());
    }
  }
  return undefined;
}
