/** Names files of common formats by their first bytes, for messages about files of a wrong kind. */

/** A format that no reader of text or JSON reads. */
export interface FileKind {
  /** Such as "a Parquet file". */
  name: string;
  remedy: string;
}

/** The first bytes of a file that are enough to name its kind. */
const HEAD_BYTES = 512;

const unpack = 'unpack it first';
const safetensors = 'load it with transformers and write it with save_pretrained(folder)';
const named = (ending: string) => `name it ${ending}`;

/** [first bytes in latin1, name, remedy]. */
const kinds: readonly (readonly [string, string, string])[] = [
  ['PAR1', 'a Parquet file', named('.parquet')],
  ['ARROW1', 'an Arrow file', named('.arrow')],
  ['FEA1', 'a Feather file of version 1', 'convert it to Parquet'],
  ['Obj\x01', 'an Avro file', 'convert it to JSON Lines'],
  ['SQLite format 3\0', 'an SQLite database', 'export its rows as JSON Lines'],
  ['\x89HDF\r\n\x1a\n', 'an HDF5 file', 'convert it'],
  ['\x93NUMPY', 'a NumPy array', 'convert it'],
  ['GGUF', 'a GGUF file', 'athanor convert makes the folder of a model of it'],
  ['PK\x03\x04', 'a zip archive', `${unpack}; for weights of PyTorch, ${safetensors}`],
  ['\x1f\x8b', 'a gzip file', `name it .gz if it holds rows or text; otherwise ${unpack}`],
  ['\x28\xb5\x2f\xfd', 'a zstd file', `name it .zst if it holds rows or text; otherwise ${unpack}`],
  ['BZh', 'a bzip2 file', `${unpack}: bunzip2`],
  ['\xfd7zXZ\0', 'an xz file', `${unpack}: xz -d`],
  ['7z\xbc\xaf\x27\x1c', 'a 7z archive', unpack],
  ['\x04\x22\x4d\x18', 'an lz4 file', `${unpack}: lz4 -d`],
  ['%PDF-', 'a PDF', 'extract its text'],
  ['\x89PNG', 'a picture', 'name a file of text'],
  ['\xff\xd8\xff', 'a picture', 'name a file of text'],
  ['\x7fELF', 'a program', 'name a file of text'],
  ['\xff\xfe', 'text in UTF-16', 'convert it: iconv -f UTF-16 -t UTF-8'],
  ['\xfe\xff', 'text in UTF-16', 'convert it: iconv -f UTF-16 -t UTF-8'],
];

/** The kind of a file that begins with these bytes; undefined for text and for unknown formats. */
export function fileKind(bytes: Uint8Array): FileKind | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, HEAD_BYTES));
  const text = head.toString('latin1');
  if (text.startsWith('version https://git-lfs')) {
    return { name: 'a pointer of Git LFS, without the contents', remedy: 'fetch them: git lfs pull' };
  }
  // A text may begin with the letters of a format.
  if (head.every(isPlain)) return undefined;
  for (const [start, name, remedy] of kinds) if (text.startsWith(start)) return { name, remedy };
  if (head[0] === 0x80 && head[1]! >= 2 && head[1]! <= 5) {
    return { name: 'a Python pickle', remedy: `it can run code when it is read; ${safetensors}` };
  }
  // A stream of Arrow messages, as datasets.save_to_disk() writes: a mark and a short length.
  if (text.startsWith('\xff\xff\xff\xff') && text.startsWith('\0\0', 6)) {
    return { name: 'an Arrow stream', remedy: named('.arrow') };
  }
  if (text.startsWith('ustar', 257)) return { name: 'a tar archive', remedy: unpack };
  // The header of safetensors is JSON behind its length, which takes 8 bytes.
  if (head.length > 8 && head.readUInt32LE(4) === 0 && text[8] === '{')
    return { name: 'a safetensors file', remedy: 'name a file of text' };
  return undefined;
}

/** White space and what ASCII prints. */
function isPlain(byte: number): boolean {
  return byte < 0x7f && (byte >= 0x20 || (byte >= 9 && byte <= 13));
}
