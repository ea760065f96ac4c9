/** The progress line of `athanor data prepare`. */
import type { PrepareProgress } from '../data/shards/prepare.ts';
import { formatBytes, formatCount } from '../report/format.ts';
import { createProgress, type Progress } from '../report/progress.ts';

const MEGABYTE = 1e6;

export class PrepareLine {
  readonly #progress: Progress;
  readonly #now: () => number;
  #phase = '';
  #since = 0;

  constructor(progress = createProgress({ label: 'prepare' }), now = () => performance.now()) {
    this.#progress = progress;
    this.#now = now;
  }

  update({ phase, documents, bytes, tokens, kept, done, total }: PrepareProgress): void {
    if (phase !== this.#phase) {
      this.#phase = phase;
      this.#since = this.#now();
    }
    const seconds = (this.#now() - this.#since) / 1000;
    const speed = seconds > 0 ? bytes / MEGABYTE / seconds : 0;
    const counted = total > 0;
    this.#progress.update({
      done: counted ? Math.floor((done / total) * 100) : 0,
      total: counted ? 100 : undefined,
      fields: [
        ['', phase],
        ...(documents > 0 ? ([['', `${formatCount(documents)} documents`]] as const) : []),
        ...(speed > 0 ? ([['', `${speed.toFixed(1)} MB/s`]] as const) : []),
        ...(kept < 1 ? ([['kept', `${Math.round(kept * 100)}%`]] as const) : []),
        ...(tokens > 0 ? ([['tokens', formatCount(tokens)]] as const) : []),
        ['read', formatBytes(bytes)],
      ],
    });
  }

  log(text: string): void {
    this.#progress.log(text);
  }

  finish(): void {
    this.#progress.finish('');
  }
}
