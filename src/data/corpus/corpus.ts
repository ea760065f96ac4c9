/**
 * Reads files and packaged corpora as a stream of documents. A corpus or a large file is never
 * in memory as a whole. A line, record or file that cannot be used becomes a dropped item with its
 * place and the reason.
 */
import { lstatSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AthanorError, fileError } from '../../base/errors.ts';
import { isWithin } from '../../base/files/same-file.ts';
import type { CorpusItem, Dropped } from '../document.ts';
import { firstBytes, unpackedName } from '../formats/byte-stream.ts';
import { isPackagedName, packagedDocuments, packagedNames } from '../packaged/packaged.ts';
import { splitFiles } from './dataset-folder.ts';
import { type FileFormat, fileFormat, READ_KINDS } from './file-format.ts';
import { filesBelow, filesOfPattern, isPattern, statOf, wouldFit } from './files-below.ts';
import { readJsonl, readRowFile } from './jsonl-documents.ts';
import { languageOfName, languageOfScript } from './languages.ts';
import { type FileRange, lineRanges } from './line-blocks.ts';
import { readHtmlFile, readWarcFile } from './page-documents.ts';
import { type CorpusSource, renamed } from './source.ts';
import { STDIN, spoolInput } from './stdin.ts';
import { readTextFile, textRanges } from './text-documents.ts';

/** How files become documents. */
export interface CorpusOptions {
  /**
   * The field of a row that holds the text, such as `text` or `article.body`. Of a list it is the
   * texts of all items, of messages their contents. Default `text`.
   */
  textKey?: string | undefined;
  /** A line that equals this ends a document of a text file. Default: none. */
  separator?: string | undefined;
  /** The most bytes in a document of a text file; longer ones are cut. Default 64 KiB. */
  partBytes?: number | undefined;
  /** The split of dataset folders. Default: `train`, or the only one. */
  split?: string | undefined;
  /** The ending of a file like standard input, such as `jsonl.gz`. Default: by its first bytes. */
  stdinFormat?: string | undefined;
  /** A file with the contents of standard input. Default: a copy is made. */
  stdinFile?: string | undefined;
}

const PART_BYTES = 64 << 10;
const LEAST_PART_BYTES = 1 << 10;

/**
 * The documents of files, folders, patterns, packaged corpora and standard input (`-`), in the
 * order of `sources`. Folders are searched to any depth in the order of names; hidden entries are
 * left out. Of a dataset folder one split is read. A file that is damaged, or not what its name
 * says, is a dropped item; what was read of it before stays. Throws ERR_FILE_MISSING, ERR_IO, or
 * ERR_ARGUMENT for an option out of range, for a folder without usable files, for a file of another
 * kind and for a split that is not there.
 */
export async function* readCorpus(
  sources: readonly (string | CorpusSource)[],
  options: CorpusOptions = {},
): AsyncGenerator<CorpusItem> {
  checkUse(sources, options);
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
  } else if (source === STDIN && options.stdinFile === undefined) {
    const copy = await spoolInput(process.stdin, tmpdir(), options.stdinFormat);
    try {
      yield* readFileOf(source, copy.path, options);
    } finally {
      copy.remove();
    }
  } else {
    for (const file of filesOf(source, options)) yield* readFileOf(source, file, options);
  }
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
 * The documents of one file of a source, or of a range of a file of lines. A file that is damaged,
 * gone, or not what its name says ends with a dropped item. Throws ERR_IO.
 */
export async function* readFileOf(
  source: string,
  file: string,
  options: CorpusOptions = {},
  range?: FileRange,
): AsyncGenerator<CorpusItem> {
  for await (const item of wholeItems(source, file, options, range)) {
    // The copy of standard input is no place that a reader knows.
    const named = 'document' in item ? item.document : item.dropped;
    if (source === STDIN) named.id = named.id.replace(file, STDIN);
    yield item;
  }
}

async function* wholeItems(
  source: string,
  file: string,
  options: CorpusOptions,
  range: FileRange | undefined,
): AsyncGenerator<CorpusItem> {
  const stat = statOf(file);
  if (!stat || (stat.isFile() && stat.size === 0)) {
    const gone = { reason: 'damaged', detail: 'it is gone, or a link that leads nowhere' } as const;
    yield { dropped: { id: file, ...(stat ? { reason: 'empty' } : gone) } };
    return;
  }
  try {
    yield* documentsOf(source, file, options, range);
  } catch (error) {
    const isOfFile =
      error instanceof AthanorError && (error.code === 'ERR_FILE_DAMAGED' || error.code === 'ERR_FORMAT');
    if (!isOfFile) throw error;
    yield { dropped: damage(error, file) };
  }
}

async function* documentsOf(
  source: string,
  file: string,
  { textKey = 'text', separator, partBytes = PART_BYTES }: CorpusOptions,
  range: FileRange | undefined,
): AsyncGenerator<CorpusItem> {
  const format = formatOf(file);
  if (format === 'jsonl') yield* readJsonl(file, source, textKey, range);
  else if (format === 'text') yield* readTextFile(file, source, { separator, partBytes }, range);
  else if (format === 'html') yield await readHtmlFile(file, source);
  else if (format === 'warc') yield* readWarcFile(file, source);
  else if (format === 'code') {
    yield* readTextFile(file, source, { separator, partBytes, language: languageOf(file) }, range);
  } else if (format !== undefined) yield* readRowFile(file, source, textKey);
  else yield { dropped: { id: file, reason: 'other_kind' } };
}

function damage(error: AthanorError, file: string): Dropped {
  const detail = error.message.replace(`${file}: `, '').replaceAll(file, 'it');
  return { id: file, reason: 'damaged', detail, ...(error.remedy && { remedy: error.remedy }) };
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
  if (unpackedName(file) !== file) return undefined;
  const format = formatOf(file);
  if (format === 'jsonl') return lineRanges(file, leastBytes);
  const isText = format === 'text' || format === 'code';
  return isText ? textRanges(file, { separator, partBytes }, leastBytes) : undefined;
}

/** The format of a file by its name, or of a script by its first line. */
function formatOf(file: string): FileFormat | undefined {
  return fileFormat(file) ?? (languageOf(file) === undefined ? undefined : 'code');
}

/** The programming language of a file by its name, or of a script without an ending. */
function languageOf(path: string): string | undefined {
  const base = path.slice(path.lastIndexOf('/') + 1);
  return languageOfName(unpackedName(path)) ?? (base.includes('.') ? undefined : scriptLanguage(path));
}

/** A pipe is no script: what is read of it is gone. */
function scriptLanguage(path: string): string | undefined {
  if (!statOf(path)?.isFile()) return undefined;
  try {
    return languageOfScript(firstBytes(path));
  } catch (error) {
    throw fileError(error, path);
  }
}

/**
 * Throws the errors of readCorpus that need no reading of files, and ERR_OPTION when `out` lies in
 * a source: what is written there would be read as text.
 */
export function checkSources(
  sources: readonly (string | CorpusSource)[],
  out: string,
  options: CorpusOptions = {},
): void {
  checkUse(sources, options);
  for (const source of sources) checkSource(source, out, options);
}

/** Throws ERR_ARGUMENT for an option of a kind of source of which there is none. */
function checkUse(sources: readonly (string | CorpusSource)[], options: CorpusOptions): void {
  const paths = sources.map((source) => (typeof source === 'string' ? source : source.path));
  const isFolder = (path: string) => !isPackagedName(path) && statOf(path)?.isDirectory() === true;
  const own = sources.filter((source): source is CorpusSource => typeof source !== 'string');
  const odd = own.find(({ path, split }) => split !== undefined && !isFolder(path));
  if (odd || (options.split !== undefined && !paths.some(isFolder))) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `\`split\` chooses a part of a dataset folder, but ${odd?.path ?? paths.join(', ')} is no folder`,
      'name the folder of the dataset, or leave `split` out',
    );
  }
  if (options.stdinFormat === undefined || paths.includes(STDIN)) return;
  throw new AthanorError(
    'ERR_ARGUMENT',
    '`stdinFormat` says what standard input is, but no source is standard input',
    'add the source -, or leave `stdinFormat` out',
  );
}

function checkSource(given: string | CorpusSource, out: string, options: SourceOptions): void {
  const { path: source, ...own } = typeof given === 'string' ? { path: given } : given;
  if (isPackagedName(source) || source === STDIN) return;
  filesOf(source, { ...options, ...own });
  if (!isTaken(out, source)) return;
  throw new AthanorError(
    'ERR_OPTION',
    `\`out\` ${out} lies in ${source}, so its own files would be read as text`,
    'name an `out` elsewhere, or put the text into a folder of its own',
  );
}

/** Files of a folder of token shards. */
const ownFiles = ['manifest.json', 'inputs.jsonl', 'report.html', 'rejected/a.jsonl'];

/** Whether a folder or pattern takes in the files of `out`. */
function isTaken(out: string, source: string): boolean {
  if (statOf(source)) return isWithin(out, source);
  const files = fileFormat(out) ? [out] : ownFiles.map((name) => join(out, name));
  return files.some((file) => wouldFit(source, file));
}

/** Which files a source stands for. */
export type SourceOptions = Pick<CorpusOptions, 'split' | 'stdinFile'>;

/**
 * The files of a source that is not packaged, in the order in which they are read: of standard
 * input the copy that `stdinFile` names. Throws the errors of readCorpus.
 */
export function filesOf(source: string, { split, stdinFile }: SourceOptions = {}): string[] {
  if (source === STDIN) {
    if (stdinFile !== undefined) return [stdinFile];
    throw new AthanorError('ERR_ARGUMENT', 'standard input can be read once only', 'copy it into a file');
  }
  const kind = kindOfPath(source);
  if (kind === 'file') {
    if (formatOf(source)) return [source];
    const what = `${source} is not a kind of file that can be read`;
    throw new AthanorError('ERR_ARGUMENT', what, `give ${READ_KINDS}; convert other files to one of them`);
  }
  const ofSplit = kind === 'folder' ? splitFiles(source, split) : undefined;
  if (ofSplit) return ofSplit;
  const files = kind === 'folder' ? [...filesBelow(source)] : filesOfPattern(source);
  if (files.some(formatOf)) return files;
  const what = kind === 'folder' ? `${source} holds no text` : `no file that can be read fits ${source}`;
  throw new AthanorError('ERR_ARGUMENT', what, `put files of ${READ_KINDS} there`);
}

/** Throws ERR_FILE_MISSING for a path that is neither there nor a pattern, and ERR_IO. */
function kindOfPath(source: string): 'file' | 'folder' | 'pattern' {
  try {
    return statSync(source).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    const known = fileError(error, source);
    if (known.code !== 'ERR_FILE_MISSING') throw known;
    if (isPattern(source) && !lstatSync(source, { throwIfNoEntry: false })) return 'pattern';
    const remedy = `give a file, a folder, a pattern, or one of ${packagedNames.join(', ')}`;
    throw new AthanorError('ERR_FILE_MISSING', `${source} does not exist`, remedy, { cause: error });
  }
}
