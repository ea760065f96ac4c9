/**
 * Files and packaged corpora as a stream of documents. Reading is by line or by file and never holds a corpus; what
 * cannot be used comes out as a dropped item with its place and reason.
 */
import { createReadStream, type Dirent, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createGunzip, gunzipSync } from 'node:zlib';
import { AthanorError, fileError } from '../native/errors.ts';
import type { CorpusItem } from './document.ts';
import { isPackagedName, packagedDocuments, packagedNames } from './packaged.ts';

export interface CorpusOptions {
  /** Field of a JSONL line that holds the text. Default `text`. */
  textKey?: string;
  /** Splits text files into documents at lines equal to this. */
  separator?: string;
}

const TEXT_FILE = /\.(txt|md)(\.gz)?$/i;
const JSONL_FILE = /\.(jsonl|ndjson)(\.gz)?$/i;

/**
 * Documents of files, folders (searched to any depth, in name order) and packaged names.
 * Throws ERR_FILE_MISSING, ERR_IO, or ERR_ARGUMENT for a folder without usable files or a file of another kind.
 */
export async function* readCorpus(
  sources: readonly string[],
  options: CorpusOptions = {},
): AsyncGenerator<CorpusItem> {
  for (const source of sources) {
    if (isPackagedName(source)) {
      for await (const document of packagedDocuments(source)) yield { document };
      continue;
    }
    for (const file of corpusFiles(source)) {
      if (JSONL_FILE.test(file)) yield* readJsonl(file, options.textKey ?? 'text');
      else yield* readTextFile(file, options.separator);
    }
  }
}

function corpusFiles(source: string): string[] {
  let folder: boolean;
  try {
    folder = statSync(source).isDirectory();
  } catch (error) {
    const known = fileError(error, source);
    if (known.code !== 'ERR_FILE_MISSING') throw known;
    const remedy = `give a file, a folder, or one of ${packagedNames.join(', ')}`;
    throw new AthanorError('ERR_FILE_MISSING', `${source} does not exist`, remedy, { cause: error });
  }
  const kinds = '.txt, .md or .jsonl, each also as .gz';
  if (!folder) {
    if (TEXT_FILE.test(source) || JSONL_FILE.test(source)) return [source];
    throw new AthanorError(
      'ERR_ARGUMENT',
      `${source} is not a kind of file that can be read`,
      `give ${kinds}`,
    );
  }
  const files = filesBelow(source).filter((file) => TEXT_FILE.test(file) || JSONL_FILE.test(file));
  if (files.length === 0)
    throw new AthanorError('ERR_ARGUMENT', `${source} holds no text`, `put files of ${kinds} there`);
  return files;
}

function filesBelow(folder: string): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw fileError(error, folder);
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

function* readTextFile(file: string, separator: string | undefined): Generator<CorpusItem> {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
    if (/\.gz$/i.test(file)) bytes = gunzipSync(bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code?.startsWith('Z_')) throw damagedGzip(file, error);
    throw fileError(error, file);
  }
  // A NUL byte never stands in text, and stands early in nearly every binary format.
  if (bytes.subarray(0, 8192).includes(0)) {
    yield { dropped: { id: file, reason: 'binary' } };
    return;
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) {
    yield { dropped: { id: file, reason: 'not_utf8', detail: `line ${badLine(bytes)}` } };
    return;
  }
  if (separator === undefined) {
    yield documentOf(file, text);
    return;
  }
  const parts: string[][] = [[]];
  for (const line of text.split(/\r?\n/)) {
    if (line === separator) parts.push([]);
    else parts.at(-1)!.push(line);
  }
  for (const [i, lines] of parts.entries()) yield documentOf(`${file}#${i}`, lines.join('\n'));
}

function documentOf(id: string, text: string): CorpusItem {
  return text.trim() === '' ? { dropped: { id, reason: 'empty' } } : { document: { id, text } };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function badLine(bytes: Buffer): number {
  let line = 1;
  for (let start = 0; start < bytes.length; ++line) {
    const end = bytes.indexOf(10, start);
    const stop = end < 0 ? bytes.length : end + 1;
    if (decodeUtf8(bytes.subarray(start, stop)) === undefined) return line;
    start = stop;
  }
  return line;
}

/** One document a line; lines are cut as bytes, so that one bad line does not spoil its neighbours' decoding. */
async function* readJsonl(file: string, key: string): AsyncGenerator<CorpusItem> {
  let number = 0;
  for await (const line of byteLines(file)) {
    number += 1;
    const id = `${file}:${number}`;
    const text = decodeUtf8(line);
    if (text === undefined) yield { dropped: { id, reason: 'not_utf8' } };
    else if (text.trim() !== '') yield parseLine(id, text, key);
  }
}

function parseLine(id: string, line: string, key: string): CorpusItem {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    return { dropped: { id, reason: 'bad_json', detail: (error as Error).message } };
  }
  const text =
    value !== null && typeof value === 'object' ? (value as Record<string, unknown>)[key] : undefined;
  if (typeof text !== 'string')
    return { dropped: { id, reason: 'missing_field', detail: `no text in "${key}"` } };
  return documentOf(id, text);
}

async function* byteLines(file: string): AsyncGenerator<Uint8Array> {
  const raw = createReadStream(file);
  const zipped = /\.gz$/i.test(file);
  const stream = zipped ? raw.pipe(createGunzip()) : raw;
  raw.on('error', (error) => stream.destroy(error));
  const pieces: Buffer[] = [];
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      let start = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
        pieces.push(chunk.subarray(start, end));
        yield pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
        pieces.length = 0;
        start = end + 1;
      }
      if (start < chunk.length) pieces.push(chunk.subarray(start));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code?.startsWith('Z_')) throw damagedGzip(file, error);
    throw fileError(error, file);
  }
  if (pieces.length > 0) yield Buffer.concat(pieces);
}

function damagedGzip(file: string, cause: unknown): AthanorError {
  return new AthanorError('ERR_FILE_DAMAGED', `${file} is not a whole gzip file`, 'copy it again', { cause });
}
