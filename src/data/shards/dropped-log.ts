/** Writes `dropped.jsonl`: each line or file that was left out, and the reason. */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileError } from '../../base/errors.ts';
import type { Dropped } from '../document.ts';

export const DROPPED_LOG = 'dropped.jsonl';
const BUFFER_CHARS = 1 << 16;

export class DroppedLog {
  readonly #path: string;
  #file = -1;
  #buffer = '';

  constructor(folder: string) {
    this.#path = join(folder, DROPPED_LOG);
  }

  add(dropped: Dropped): void {
    this.#buffer += `${JSON.stringify(dropped)}\n`;
    if (this.#buffer.length >= BUFFER_CHARS) this.#flush();
  }

  /** Completes the file and flushes it. There is no file when nothing was dropped. */
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
      if (this.#file < 0) this.#file = openSync(this.#path, 'w');
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done);
    } catch (error) {
      throw fileError(error, this.#path, 'write');
    }
  }
}
