/**
 * Reads files and packaged corpora as a stream of documents. A corpus or a large file is never
 * in memory as a whole. A line or file that cannot be used becomes a dropped item with its place
 * and the reason.
 */
import { type Dirent, readdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError, fileError } from '../../base/errors.ts';
import { isWithin } from '../../base/files/same-file.ts';
import type { CorpusItem } from '../document.ts';
import { isPackagedName, packagedDocuments, packagedNames } from '../packaged/packaged.ts';
import { readJsonl } from './jsonl-documents.ts';
import { type FileRange, lineRanges } from './line-blocks.ts';
import { type CorpusSource, renamed } from './source.ts';
import { readTextFile, textRanges } from './text-documents.ts';

/** How files become documents. */
export interface CorpusOptions {
  /** The field of a JSONL line that holds the text. Default `text`. */
  textKey?: string | undefined;
  /** A line that equals this ends a document of a text file. Default: none. */
  separator?: string | undefined;
  /** The most bytes in a document of a text file; longer ones are cut. Default 64 KiB. */
  partBytes?: number | undefined;
}

const TEXT_FILE = /\.(txt|md)(\.gz)?$/i;
const JSONL_FILE = /\.(jsonl|ndjson)(\.gz)?$/i;
const KINDS = '.txt, .md or .jsonl, each also as .gz';
const PART_BYTES = 64 << 10;
const LEAST_PART_BYTES = 1 << 10;

/**
 * The documents of files, folders and packaged corpora, in the order of `sources`. Folders are
 * searched to any depth in the order of names; hidden entries are left out. Throws
 * ERR_FILE_MISSING, ERR_IO, ERR_FILE_DAMAGED, or ERR_ARGUMENT for an option out of range, for a
 * folder without usable files and for a file of another kind.
 */
export async function* readCorpus(
  sources: readonly (string | CorpusSource)[],
  options: CorpusOptions = {},
): AsyncGenerator<CorpusItem> {
  for (const given of sources) {
    const { path, name, ...own } = typeof given === 'string' ? { path: given } : given;
    const all = { ...options, ...own };
    checkOptions(all);
    yield* renamed(readSource(path, all), name);
  }
}

async function* readSource(source: string, options: CorpusOptions): AsyncGenerator<CorpusItem> {
  if (isPackagedName(source)) {
    for await (const document of packagedDocuments(source)) yield { document };
    return;
  }
  for (const file of filesOf(source)) yield* readFileOf(source, file, options);
}

function checkOptions({ partBytes = PART_BYTES, separator }: CorpusOptions): void {
  if (!Number.isSafeInteger(partBytes) || partBytes < LEAST_PART_BYTES) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `expected partBytes of at least ${LEAST_PART_BYTES} but got ${partBytes}`,
    );
  }
  if (separator === '') throw new AthanorError('ERR_ARGUMENT', 'expected a separator but it is empty');
}

/**
 * The documents of one file of a source, or of a range of a file of lines. Throws the errors of
 * reading.
 */
export async function* readFileOf(
  source: string,
  file: string,
  options: CorpusOptions = {},
  range?: FileRange,
): AsyncGenerator<CorpusItem> {
  const { textKey = 'text', separator, partBytes = PART_BYTES } = options;
  if (JSONL_FILE.test(file)) yield* readJsonl(file, source, textKey, range);
  else if (TEXT_FILE.test(file)) yield* readTextFile(file, source, { separator, partBytes }, range);
  else yield { dropped: { id: file, reason: 'other_kind' } };
}

/**
 * Ranges of at least so many bytes whose documents together are those of the file; undefined for a
 * file that is read as a whole. Throws the errors of reading.
 */
export async function fileRanges(
  file: string,
  options: CorpusOptions,
  leastBytes: number,
): Promise<FileRange[] | undefined> {
  const { separator, partBytes = PART_BYTES } = options;
  if (/\.gz$/i.test(file)) return undefined;
  if (JSONL_FILE.test(file)) return lineRanges(file, leastBytes);
  return TEXT_FILE.test(file) ? textRanges(file, { separator, partBytes }, leastBytes) : undefined;
}

/**
 * Throws the errors of readCorpus that need no reading of files, and ERR_OPTION when `out` lies in
 * the source: what is written there would be read as text.
 */
export function checkSource(source: string, out: string): void {
  if (isPackagedName(source)) return;
  filesOf(source);
  if (!isWithin(out, source)) return;
  throw new AthanorError(
    'ERR_OPTION',
    `\`out\` ${out} lies in ${source}, so its own files would be read as text`,
    'name an `out` elsewhere, or put the text into a folder of its own',
  );
}

/** The files of a source that is not packaged, in the order in which they are read. */
export function filesOf(source: string): string[] {
  let folder: boolean;
  try {
    folder = statSync(source).isDirectory();
  } catch (error) {
    const known = fileError(error, source);
    if (known.code !== 'ERR_FILE_MISSING') throw known;
    const remedy = `give a file, a folder, or one of ${packagedNames.join(', ')}`;
    throw new AthanorError('ERR_FILE_MISSING', `${source} does not exist`, remedy, { cause: error });
  }
  const usable = (file: string) => TEXT_FILE.test(file) || JSONL_FILE.test(file);
  if (!folder) {
    if (usable(source)) return [source];
    const what = `${source} is not a kind of file that can be read`;
    throw new AthanorError('ERR_ARGUMENT', what, `give ${KINDS}; convert other files to one of them`);
  }
  const files = [...filesBelow(source, [])];
  if (!files.some(usable))
    throw new AthanorError('ERR_ARGUMENT', `${source} holds no text`, `put files of ${KINDS} there`);
  return files;
}

/**
 * @param above real paths of the folders on the way to this one; a link to one of them is not
 * followed, since it would never end
 */
function* filesBelow(folder: string, above: readonly string[]): Generator<string> {
  let entries: Dirent[];
  let real: string;
  try {
    real = realpathSync(folder);
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw fileError(error, folder);
  }
  if (above.includes(real)) return;
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    const link = entry.isSymbolicLink() && statSync(path, { throwIfNoEntry: false });
    if ((link || entry).isDirectory()) yield* filesBelow(path, [...above, real]);
    else yield path;
  }
}
