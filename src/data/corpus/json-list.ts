/**
 * The items of a file that is one JSON list, each with its place. The file is read as a stream, so
 * memory holds one item at a time.
 */
import { AthanorError } from '../../base/errors.ts';
import { fileKind } from '../../base/files/file-kind.ts';
import { type JsonValue, parseJson } from '../../base/json.ts';
import { decodeUtf8 } from '../formats/utf8.ts';
import { type JsonLine, kindOf, MAX_LINE_BYTES } from './json-lines.ts';
import { lineBlocks } from './line-blocks.ts';

/** Pieces that a file without line breaks is read in. */
const PIECE_BYTES = 1 << 20;

/**
 * The items of a list; `id` is "file[index]". Throws ERR_FORMAT when the file is not a list, which
 * may be found only behind some of its items, and as lineBlocks does.
 */
export async function* jsonListItems(file: string): AsyncGenerator<JsonLine> {
  const splitter = new ListSplitter(file);
  let index = 0;
  for await (const { bytes } of lineBlocks(file, PIECE_BYTES)) {
    for (const item of splitter.take(bytes)) yield { id: `${file}[${index++}]`, ...item };
  }
  splitter.end();
}

const [QUOTE, BACKSLASH, COMMA] = [34, 92, 44];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [91, 93, 123, 125];

interface ListItem {
  value: JsonValue;
  bytes: number;
}

/** Finds the commas between items by brackets and quotes, and leaves the rest to JSON.parse. */
class ListSplitter {
  readonly #file: string;
  /** The bytes of the item so far, in other blocks than the current one. */
  #pieces: Buffer[] = [];
  #held = 0;
  #items = 0;
  /** 0 outside of the list, 1 between its items. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  #ended = false;
  #begun = false;

  constructor(file: string) {
    this.#file = file;
  }

  /** The items that end in these bytes. */
  *take(bytes: Buffer): Generator<ListItem> {
    let start = this.#begun ? 0 : this.#begin(bytes);
    while (this.#begun && start < bytes.length) {
      if (this.#ended) {
        if (!bytes.subarray(start).every(isSpace)) throw this.#notJson('text follows the list');
        return;
      }
      const end = this.#endOfItem(bytes, start);
      if (end === bytes.length) {
        this.#hold(bytes.subarray(start));
        return;
      }
      const last = bytes.subarray(start, end);
      start = end + 1;
      if (bytes[end] === CLOSE_OBJECT) throw this.#notJson('a "}" has no "{"');
      this.#ended = bytes[end] === CLOSE_LIST;
      const isEmpty = this.#ended && this.#items === 0 && this.#isBlank(last);
      if (!isEmpty) yield this.#item(last);
    }
  }

  /** The next comma between items, or the end of the list; else the number of bytes. */
  #endOfItem(bytes: Buffer, start: number): number {
    // In local variables, because this loop sees every byte.
    let [depth, inString, escaped, at] = [this.#depth, this.#inString, this.#escaped, start];
    for (; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) inString = false;
      } else if (byte === QUOTE) {
        inString = true;
      } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
        depth++;
      } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
        if (--depth === 0) break;
      } else if (byte === COMMA && depth === 1) {
        break;
      }
    }
    [this.#depth, this.#inString, this.#escaped] = [depth, inString, escaped];
    return at;
  }

  end(): void {
    if (!this.#begun) throw this.#notJson('it is empty');
    if (!this.#ended) throw this.#notJson('it ends inside of the list');
  }

  /** The byte behind the opening bracket. */
  #begin(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length && isSpace(bytes[at]!)) at++;
    if (at === bytes.length) return at;
    if (bytes[at] !== OPEN_LIST) throw this.#notList(bytes.subarray(at));
    this.#begun = true;
    this.#depth = 1;
    return at + 1;
  }

  #hold(bytes: Buffer): void {
    this.#held += bytes.length;
    if (this.#held > MAX_LINE_BYTES) {
      throw this.#fail(`item ${this.#items + 1} has over ${MAX_LINE_BYTES} bytes`);
    }
    // A copy: the reader may use the memory of a block again.
    this.#pieces.push(Buffer.from(bytes));
  }

  #isBlank(last: Buffer): boolean {
    return [...this.#pieces, last].every((piece) => piece.every(isSpace));
  }

  #item(last: Buffer): ListItem {
    const bytes = this.#pieces.length === 0 ? last : Buffer.concat([...this.#pieces, last]);
    this.#pieces = [];
    this.#held = 0;
    this.#items++;
    const text = decodeUtf8(bytes);
    if (text === undefined) throw this.#fail(`item ${this.#items} is not UTF-8 text`);
    try {
      return { value: parseJson(text), bytes: bytes.length };
    } catch (error) {
      throw this.#notJson(`item ${this.#items}: ${(error as Error).message}`, error);
    }
  }

  #notList(bytes: Buffer): AthanorError {
    const kind = fileKind(bytes);
    if (kind) return this.#fail(`it is ${kind.name}, not JSON`, kind.remedy);
    if (bytes[0] === OPEN_OBJECT) return this.#fail('it is an object, not a list of rows');
    try {
      const value = parseJson(decodeUtf8(bytes) ?? '');
      return this.#fail(`it is ${kindOf(value)}, not a list of rows`);
    } catch (error) {
      return this.#notJson((error as Error).message, error);
    }
  }

  #notJson(problem: string, cause?: unknown): AthanorError {
    return this.#fail(`it is not JSON: ${problem}`, undefined, cause);
  }

  #fail(problem: string, remedy = 'write one row per line and name the file .jsonl', cause?: unknown) {
    return new AthanorError('ERR_FORMAT', `${this.#file}: ${problem}`, remedy, { cause });
  }
}

function isSpace(byte: number): boolean {
  return byte === 32 || byte === 10 || byte === 13 || byte === 9;
}
