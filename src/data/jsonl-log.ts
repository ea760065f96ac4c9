/** Writes a file of JSON Lines piece by piece, such as `dropped.jsonl`. */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileError } from '../base/errors.ts';
import { makeFolders } from '../base/files/make-folders.ts';

const BUFFER_CHARS = 1 << 16;

export class JsonlLog {
  readonly #path: string;
  #file = -1;
  #buffer = '';

  /** @param path its folder is made when the first row is written */
  constructor(path: string) {
    this.#path = path;
  }

  add(row: object): void {
    this.addLine(JSON.stringify(row));
  }

  /** @param line the row as JSON */
  addLine(line: string): void {
    this.#buffer += `${line}\n`;
    if (this.#buffer.length >= BUFFER_CHARS) this.#flush();
  }

  /** Completes the file and flushes it. There is no file when there was no row. */
  close(): void {
    this.#flush();
    if (this.#file < 0) return;
    fsyncSync(this.#file);
    this.abandon();
  }

  /** Closes the file without completing it. */
  abandon(): void {
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
  }

  #flush(): void {
    if (this.#buffer === '') return;
    const bytes = Buffer.from(this.#buffer);
    this.#buffer = '';
    try {
      if (this.#file < 0) {
        makeFolders(dirname(this.#path));
        this.#file = openSync(this.#path, 'w');
      }
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done);
    } catch (error) {
      throw fileError(error, this.#path, 'write');
    }
  }
}
