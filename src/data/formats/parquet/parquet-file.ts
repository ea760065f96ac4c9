/** Opens a Parquet file: its footer, and its bytes at any place. */
import { type FileHandle, open } from 'node:fs/promises';
import { type ColumnMetaData, type FileMetaData, parquetMetadata, type RowGroup } from 'hyparquet';
import { AthanorError, fileError } from '../../../base/errors.ts';
import { fileKind } from '../../../base/files/file-kind.ts';
import { firstBytes } from '../byte-stream.ts';

/** Footers describe every column of every row group. Those of large files have some megabytes. */
const MOST_FOOTER_BYTES = 256 << 20;
const TAIL_BYTES = 8;

/** An open file. */
export interface ParquetFile {
  readonly path: string;
  readonly metadata: FileMetaData;
  readonly size: number;
  /** Bytes `start` to `end`, or fewer where the file ends. */
  read(start: number, end: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** Thrown within a file whose parts contradict each other. */
export class ParquetDamage extends Error {}

/** Throws ERR_FILE_MISSING, ERR_IO, ERR_FORMAT for another format, ERR_FILE_DAMAGED. */
export async function openParquet(path: string): Promise<ParquetFile> {
  const handle = await open(path).catch((error: unknown) => {
    throw fileError(error, path);
  });
  try {
    const { size } = await handle.stat();
    const read = (start: number, end: number) => readAt(handle, path, start, Math.min(end, size));
    const metadata = parseFooter(await readFooter(path, size, read));
    return { path, metadata, size, read, close: () => handle.close() };
  } catch (error) {
    await handle.close();
    if (error instanceof AthanorError) throw error;
    throw new AthanorError(
      'ERR_FILE_DAMAGED',
      `${path} is not a whole Parquet file: ${(error as Error).message}`,
      'copy it again',
      { cause: error },
    );
  }
}

async function readAt(handle: FileHandle, path: string, start: number, end: number): Promise<Buffer> {
  // Not from the pool of Node: numbers are read in place, and need an aligned beginning.
  const bytes = Buffer.from(new ArrayBuffer(Math.max(end - start, 0)));
  try {
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
    return bytes.subarray(0, bytesRead);
  } catch (error) {
    throw fileError(error, path);
  }
}

async function readFooter(path: string, size: number, read: ParquetFile['read']): Promise<Buffer> {
  const tail = await read(Math.max(size - TAIL_BYTES, 0), size);
  const mark = tail.toString('latin1', tail.length - 4);
  if (mark === 'PARE') throw new AthanorError('ERR_FORMAT', `${path} is encrypted`, 'decrypt it first');
  if (mark !== 'PAR1') {
    const kind = fileKind(firstBytes(path));
    if (kind && kind.name !== 'a Parquet file') {
      throw new AthanorError('ERR_FORMAT', `${path} is ${kind.name}, not a Parquet file`, kind.remedy);
    }
    throw new ParquetDamage('its end is missing');
  }
  const length = tail.readUInt32LE(0);
  if (length > size - TAIL_BYTES) throw new ParquetDamage('its footer is longer than the file');
  if (length > MOST_FOOTER_BYTES) throw new ParquetDamage(`its footer has ${length} bytes`);
  return read(size - TAIL_BYTES - length, size);
}

function parseFooter(footer: Buffer): FileMetaData {
  const metadata = parquetMetadata(footer, { geoparquet: false });
  for (const group of metadata.row_groups) {
    if (group.num_rows < 0n) throw new ParquetDamage('a row group has a negative number of rows');
  }
  return metadata;
}

/** The metadata of the column chunks of a row group. Throws ParquetDamage. */
export function chunksOf(group: RowGroup): ColumnMetaData[] {
  return group.columns.map(({ meta_data, file_path }) => {
    if (file_path) throw new ParquetDamage(`a column lies in another file, ${file_path}`);
    if (!meta_data) throw new ParquetDamage('a column has no metadata');
    return meta_data;
  });
}
