/**
 * Reads files and packaged corpora as a stream of documents. A corpus or a large file is never
 * in memory as a whole. A line, record or file that cannot be used becomes a dropped item with its
 * place and the reason.
 */
import { lstatSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { AthanorError, fileError } from '../../base/errors.ts';
import { isWithin } from '../../base/files/same-file.ts';
import type { CorpusItem, Dropped } from '../document.ts';
import { firstBytes } from '../formats/byte-stream.ts';
import { isPackagedName, packagedDocuments, packagedNames } from '../packaged/packaged.ts';
import { splitFiles } from './dataset-folder.ts';
import { fileFormat, READ_KINDS } from './file-format.ts';
import { filesBelow, filesOfPattern, isPattern, statOf } from './files-below.ts';
import { languageOfName, languageOfScript } from './languages.ts';
import { readHtmlFile, readWarcFile } from './page-documents.ts';
import { readRowDocuments } from './row-documents.ts';
import { STDIN, spoolInput } from './stdin.ts';
import { readTextFile } from './text-documents.ts';

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

/** How the text of a file becomes documents. */
interface ReadOptions {
  textKey: string;
  separator: string | undefined;
  partBytes: number;
}

/**
 * The documents of files, folders, patterns, packaged corpora and standard input (`-`), in the
 * order of `sources`. Folders are searched to any depth in the order of names; hidden entries are
 * left out. Of a dataset folder one split is read. A file that is damaged, or not what its name
 * says, is a dropped item; what was read of it before stays. Throws ERR_FILE_MISSING, ERR_IO, or
 * ERR_ARGUMENT for an option out of range, for a folder without usable files, for a file of another
 * kind and for a split that is not there.
 */
export async function* readCorpus(
  sources: readonly string[],
  options: CorpusOptions = {},
): AsyncGenerator<CorpusItem> {
  const { textKey = 'text', separator, partBytes = PART_BYTES } = options;
  if (!Number.isSafeInteger(partBytes) || partBytes < LEAST_PART_BYTES) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `expected partBytes of at least ${LEAST_PART_BYTES} but got ${partBytes}`,
    );
  }
  if (separator === '') throw new AthanorError('ERR_ARGUMENT', 'expected a separator but it is empty');
  const reading = { textKey, separator, partBytes };
  for (const source of sources) {
    if (source === STDIN) yield* readInput(options, reading);
    else if (isPackagedName(source)) {
      for await (const document of packagedDocuments(source)) yield { document };
    } else {
      const { files, others } = chosenFiles(source, options.split);
      for (const file of files) yield* readFile(file, source, reading);
      for (const id of others) yield { dropped: { id, reason: 'other_split' } };
    }
  }
}

async function* readInput(options: CorpusOptions, reading: ReadOptions): AsyncGenerator<CorpusItem> {
  const { stdinFile, stdinFormat } = options;
  if (stdinFile !== undefined) {
    yield* readFile(stdinFile, STDIN, reading, STDIN);
    return;
  }
  const copy = await spoolInput(process.stdin, tmpdir(), stdinFormat);
  try {
    yield* readFile(copy.path, STDIN, reading, STDIN);
  } finally {
    copy.remove();
  }
}

const lost = { reason: 'damaged', detail: 'it is gone, or a link that leads nowhere' } as const;

/** @param name stands for the path in ids */
async function* readFile(
  path: string,
  source: string,
  options: ReadOptions,
  name = path,
): AsyncGenerator<CorpusItem> {
  const size = statOf(path)?.size;
  if (size === undefined || size === 0) {
    yield { dropped: { id: name, ...(size === 0 ? { reason: 'empty' } : lost) } };
    return;
  }
  try {
    yield* documentsOf(path, source, options, name);
  } catch (error) {
    if (!(error instanceof AthanorError)) throw error;
    const isOfFile = error.code === 'ERR_FILE_DAMAGED' || error.code === 'ERR_FORMAT';
    if (!isOfFile) throw error;
    yield { dropped: damage(error, path, name) };
  }
}

async function* documentsOf(
  path: string,
  source: string,
  { textKey, separator, partBytes }: ReadOptions,
  name: string,
): AsyncGenerator<CorpusItem> {
  const format = fileFormat(path);
  if (format === 'text') yield* readTextFile(path, source, { separator, partBytes }, name);
  else if (format === 'html') yield await readHtmlFile(path, source, name);
  else if (format === 'warc') yield* readWarcFile(path, source, name);
  else if (format !== undefined && format !== 'code') yield* readRowDocuments(path, source, textKey, name);
  else {
    const language = languageOf(path);
    if (language === undefined) yield { dropped: { id: name, reason: 'other_kind' } };
    else yield* readTextFile(path, source, { separator, partBytes, language }, name);
  }
}

/** The programming language of a file by its name, or of a script without an ending. */
function languageOf(path: string): string | undefined {
  const base = path.slice(path.lastIndexOf('/') + 1);
  return (
    languageOfName(path.replace(/\.(gz|zst|zstd)$/i, '')) ??
    (base.includes('.') ? undefined : scriptLanguage(path))
  );
}

function scriptLanguage(path: string): string | undefined {
  try {
    return languageOfScript(firstBytes(path));
  } catch (error) {
    throw fileError(error, path);
  }
}

function damage(error: AthanorError, path: string, name: string): Dropped {
  const detail = error.message.replace(`${path}: `, '').replaceAll(path, 'it');
  return { id: name, reason: 'damaged', detail, ...(error.remedy && { remedy: error.remedy }) };
}

/**
 * Throws the errors of readCorpus that need no reading of files, and ERR_OPTION when `out` lies in
 * the source: what is written there would be read as text.
 */
export function checkSource(source: string, out: string, split?: string): void {
  if (isPackagedName(source) || source === STDIN) return;
  chosenFiles(source, split);
  if (!isWithin(out, source)) return;
  throw new AthanorError(
    'ERR_OPTION',
    `\`out\` ${out} lies in ${source}, so its own files would be read as text`,
    'name an `out` elsewhere, or put the text into a folder of its own',
  );
}

/** The files of a source that is not packaged, in the order in which they are read. */
export function filesOf(source: string, split?: string): string[] {
  return chosenFiles(source, split).files;
}

function chosenFiles(source: string, split: string | undefined): { files: string[]; others: string[] } {
  const usable = (file: string) => fileFormat(file) !== undefined || languageOf(file) !== undefined;
  const kind = kindOfPath(source);
  if (kind === 'file') {
    if (usable(source)) return { files: [source], others: [] };
    const what = `${source} is not a kind of file that can be read`;
    throw new AthanorError('ERR_ARGUMENT', what, `give ${READ_KINDS}; convert other files to one of them`);
  }
  if (kind === 'folder') {
    const dataset = splitFiles(source, split);
    if (dataset) return dataset;
  }
  const files = kind === 'folder' ? [...filesBelow(source)] : filesOfPattern(source);
  if (files.some(usable)) return { files, others: [] };
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
