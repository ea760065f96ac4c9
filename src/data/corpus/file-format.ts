/** The formats of files that are read, by their names. */
import { unpackedName } from '../formats/byte-stream.ts';
import { languageOfName } from './languages.ts';

/** A format of files. */
export type FileFormat = 'text' | 'html' | 'code' | 'warc' | 'jsonl' | 'json' | 'parquet' | 'arrow';

/** A table and an archive are compressed inside. All others may end in .gz or .zst besides. */
const formats: readonly (readonly [FileFormat, RegExp])[] = [
  ['jsonl', /\.(jsonl|ndjson)$/i],
  ['json', /\.json$/i],
  ['parquet', /\.parquet$/i],
  ['arrow', /\.(arrow|feather)$/i],
];

const documentFormats: readonly (readonly [FileFormat, RegExp])[] = [
  ['text', /\.(txt|text|md|markdown)$/i],
  ['html', /\.x?html?$/i],
  ['warc', /\.(warc|wet)$|\.warc\.wat$/i],
];

/** Endings that messages name. */
export const READ_KINDS =
  '.txt, .md, .html, .jsonl, .json, .parquet, .arrow, .warc, .wet or source code, each also as .gz or .zst';

/** The format of a file of rows; undefined for others. */
export function rowFormat(name: string): FileFormat | undefined {
  const plain = unpackedName(name);
  return formats.find(([, pattern]) => pattern.test(plain))?.[0];
}

/** The format of a file of documents by its name; undefined for what is not read. */
export function fileFormat(name: string): FileFormat | undefined {
  const plain = unpackedName(name);
  if (languageOfName(plain) === 'cmake') return 'code';
  const known = [...formats, ...documentFormats].find(([, pattern]) => pattern.test(plain));
  return known?.[0] ?? (languageOfName(plain) === undefined ? undefined : 'code');
}
