/** The values of a column chunk, page by page. hyparquet decodes the pages. */
import { brotliDecompressSync, crc32, gunzipSync } from 'node:zlib';
import type { ColumnMetaData, DecodedArray, PageHeader, SchemaTree } from 'hyparquet';
import { parquetHeader, readPage } from 'hyparquet/src/column.js';
import { convert, DEFAULT_PARSERS } from 'hyparquet/src/convert.js';
import { getMaxDefinitionLevel, getMaxRepetitionLevel, getTreePath } from 'hyparquet/src/schema.js';
import { compressors } from 'hyparquet-compressors';
import { textOfCell } from '../table-value.ts';
import { unzstd } from '../zstd.ts';
import { checkRuns } from './levels.ts';
import { ParquetDamage, type ParquetFile } from './parquet-file.ts';

/** Read at once; a page and its header usually fit in. */
const WINDOW_BYTES = 2 << 20;
/** Writers make pages of a megabyte; one value may be larger. */
const MOST_PAGE_BYTES = 512 << 20;
/** A page of a column without values can hold so many of them in a few bytes. */
const MOST_PAGE_VALUES = 1 << 24;

export const parsers = { ...DEFAULT_PARSERS, stringFromBytes: textOfCell };

/**
 * The values of all rows of a leaf column, in runs of complete rows; a value of a nested column is
 * nested lists, one level per list or optional group. Throws ParquetDamage, and errors of hyparquet
 * for damaged pages.
 */
export async function* columnRows(
  file: ParquetFile,
  chunk: ColumnMetaData,
  tree: SchemaTree,
): AsyncGenerator<DecodedArray> {
  const schemaPath = getTreePath(tree, chunk.path_in_schema);
  const { element } = schemaPath.at(-1)!;
  const decoder = { ...chunk, pathInSchema: chunk.path_in_schema, schemaPath, element, parsers };
  const levels = {
    repetition: getMaxRepetitionLevel(schemaPath),
    definition: getMaxDefinitionLevel(schemaPath),
  };
  const unpackedDecoder = { ...decoder, codec: 'UNCOMPRESSED' as const };
  let dictionary: DecodedArray | undefined;
  let open: DecodedArray | undefined;
  for await (const { header, body } of pagesOf(file, chunk)) {
    const { type } = header;
    if (type === 'DICTIONARY_PAGE') checkDictionary(header);
    else if (type !== 'DATA_PAGE' && type !== 'DATA_PAGE_V2') continue;
    const page = unpackPage(header, body, chunk.codec);
    checkRuns(page, header, levels);
    const reader = { view: new DataView(page.buffer, page.byteOffset, page.length), offset: 0 };
    const plain = plainHeader(header, page.length);
    const { data } = readPage(reader, plain, unpackedDecoder, dictionary, open, 0);
    if (!data) continue;
    if (type === 'DICTIONARY_PAGE') {
      dictionary = convert(data, decoder);
    } else if (levels.repetition === 0) {
      yield data;
    } else {
      // The last row may go on in the next page.
      open = data.slice(-1);
      if (data.length > 1) yield data.slice(0, -1);
    }
  }
  if (open) yield open;
}

/** The header of the page as it is when nothing in it is packed. */
function plainHeader(header: PageHeader, length: number): PageHeader {
  const { data_page_header_v2: second } = header;
  return {
    ...header,
    compressed_page_size: length,
    uncompressed_page_size: length,
    ...(second && { data_page_header_v2: { ...second, is_compressed: false } }),
  };
}

interface Page {
  header: PageHeader;
  /** As it lies in the file. */
  body: Buffer;
}

async function* pagesOf(file: ParquetFile, chunk: ColumnMetaData): AsyncGenerator<Page> {
  const start = Number(firstPage(chunk));
  const end = start + Number(chunk.total_compressed_size);
  if (!(start >= 4 && end >= start && end <= file.size)) {
    throw new ParquetDamage('a column lies outside of the file');
  }
  let values = 0;
  const window = new Window(file, end);
  for (let at = start; at < end && values < chunk.num_values; ) {
    const { header, length } = await window.header(at);
    const { compressed_page_size: size, uncompressed_page_size: unpacked } = header;
    const count = header.data_page_header?.num_values ?? header.data_page_header_v2?.num_values ?? 0;
    const limits = [size, unpacked, count].every((number) => number >= 0);
    if (!limits || unpacked > MOST_PAGE_BYTES || at + length + size > end || count > MOST_PAGE_VALUES) {
      throw new ParquetDamage('the header of a page has sizes that do not fit');
    }
    const body = await window.bytes(at + length, size);
    if (header.crc !== undefined && header.crc >>> 0 !== crc32(body)) {
      throw new ParquetDamage('a page differs from its checksum');
    }
    values += count;
    at += length + size;
    if (size > 0) yield { header, body };
  }
  if (values !== Number(chunk.num_values)) {
    throw new ParquetDamage(`a column of ${chunk.num_values} values has pages of ${values}`);
  }
}

/** Some writers leave the place of the dictionary out, or write it as 0. */
function firstPage({ dictionary_page_offset, data_page_offset }: ColumnMetaData): bigint {
  return dictionary_page_offset || data_page_offset;
}

/** The part of a file that was read last. */
class Window {
  readonly #file: ParquetFile;
  readonly #end: number;
  #start = 0;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(file: ParquetFile, end: number) {
    this.#file = file;
    this.#end = end;
  }

  /** The page header at a place, and its length. Statistics can make it long. */
  async header(at: number): Promise<{ header: PageHeader; length: number }> {
    for (let size = 1 << 10; ; size *= 16) {
      const bytes = await this.bytes(at, Math.min(size, this.#end - at));
      const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0 };
      try {
        return { header: parquetHeader(reader), length: reader.offset };
      } catch (error) {
        if (at + size >= this.#end || size > MOST_PAGE_BYTES) throw error;
      }
    }
  }

  async bytes(at: number, length: number): Promise<Buffer> {
    const isIn = at >= this.#start && at + length <= this.#start + this.#bytes.length;
    if (!isIn) {
      this.#bytes = await this.#file.read(at, Math.min(at + Math.max(length, WINDOW_BYTES), this.#end));
      this.#start = at;
      if (this.#bytes.length < length) throw new ParquetDamage('the file ends within a column');
    }
    const offset = at - this.#start;
    return this.#bytes.subarray(offset, offset + length);
  }
}

function checkDictionary({ dictionary_page_header: header }: PageHeader): void {
  const count = header?.num_values ?? 0;
  if (count < 0 || count > MOST_PAGE_VALUES) throw new ParquetDamage(`a dictionary of ${count} values`);
}

/** A page with its levels and values unpacked. */
function unpackPage(header: PageHeader, body: Buffer, codec: ColumnMetaData['codec']): Buffer {
  const { data_page_header_v2: second, uncompressed_page_size: length } = header;
  if (codec === 'UNCOMPRESSED' || second?.is_compressed === false) return body;
  if (!second) return unpack(body, codec, length);
  const levels = second.repetition_levels_byte_length + second.definition_levels_byte_length;
  if (levels > length || levels > body.length) throw new ParquetDamage('a page is shorter than its levels');
  if (levels === length) return body.subarray(0, levels);
  return Buffer.concat([body.subarray(0, levels), unpack(body.subarray(levels), codec, length - levels)]);
}

function unpack(body: Buffer, codec: ColumnMetaData['codec'], length: number): Buffer {
  if (length === 0) return Buffer.alloc(0);
  const bytes = unpackAs(body, codec, length);
  if (bytes.length === length) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  throw new ParquetDamage(`a page has ${bytes.length} bytes and should have ${length}`);
}

function unpackAs(body: Buffer, codec: ColumnMetaData['codec'], length: number): Uint8Array {
  if (codec === 'ZSTD') return unzstd(body, length);
  // The engine of Node is faster than code in JavaScript, and stops at the length.
  const options = { maxOutputLength: Math.max(length, 1) };
  if (codec === 'GZIP') return gunzipSync(body, options);
  if (codec === 'BROTLI') return brotliDecompressSync(body, options);
  const decompress = compressors[codec];
  if (!decompress) throw new ParquetDamage(`pages are packed as ${codec}, which is not read`);
  return decompress(body, length);
}
