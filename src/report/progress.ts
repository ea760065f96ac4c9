/**
 * One live line on stderr for any long work. On a terminal it redraws in place at most ten times a second; elsewhere
 * (a file, CI, TERM=dumb) it prints a plain line every few seconds.
 */
import { styleText } from 'node:util';
import { formatCount, formatDuration } from './format.ts';

export interface ProgressOptions {
  /** What is being done, e.g. `pretrain`. */
  label: string;
  /** How much there is to do; unknown when left out. */
  total?: number | undefined;
  /** What is counted, e.g. `step`. */
  unit?: string;
  stream?: NodeJS.WriteStream;
  /** Redraw in place. Default: whether the stream is a terminal that can. */
  interactive?: boolean;
}

export interface ProgressUpdate {
  done: number;
  total?: number | undefined;
  /** Shown in order as `name value`. */
  fields?: readonly (readonly [name: string, value: string])[];
}

export interface Progress {
  update(update: ProgressUpdate): void;
  /** Prints a line above the status line. */
  log(text: string): void;
  /** Takes the status line away and prints a last line instead. */
  finish(summary?: string): void;
}

const REDRAW_MS = 100;
const PLAIN_MS = 5000;
const BAR_WIDTH = 20;

export function createProgress(options: ProgressOptions): Progress {
  return new StatusLine(options);
}

class StatusLine implements Progress {
  readonly #options: ProgressOptions;
  readonly #stream: NodeJS.WriteStream;
  readonly #interactive: boolean;
  readonly #rate = new RateEstimate();
  #drawn = false;
  #lastDraw = Number.NEGATIVE_INFINITY;
  #latest: ProgressUpdate | undefined;
  readonly #onExit = () => this.#restore();

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#stream = options.stream ?? process.stderr;
    const plain = process.env.TERM === 'dumb' || process.env.CI !== undefined;
    this.#interactive = options.interactive ?? (this.#stream.isTTY === true && !plain);
    if (this.#interactive) {
      this.#stream.write('\x1b[?25l');
      process.on('exit', this.#onExit);
    }
  }

  update(update: ProgressUpdate): void {
    this.#latest = update;
    this.#rate.observe(update.done, performance.now());
    const due = this.#interactive ? REDRAW_MS : PLAIN_MS;
    if (performance.now() - this.#lastDraw < due) return;
    this.#draw();
  }

  log(text: string): void {
    this.#clear();
    this.#stream.write(`${text}\n`);
    if (this.#interactive && this.#latest) this.#draw();
  }

  finish(summary?: string): void {
    if (!this.#interactive && this.#latest && summary === undefined) this.#draw();
    this.#clear();
    this.#restore();
    process.off('exit', this.#onExit);
    if (summary !== undefined) this.#stream.write(`${summary}\n`);
  }

  #draw(): void {
    const line = this.#line(this.#latest!);
    this.#lastDraw = performance.now();
    if (!this.#interactive) {
      this.#stream.write(`${line}\n`);
      return;
    }
    // One column short: a terminal that wraps a full line would scroll on every redraw.
    this.#stream.write(`\r${truncate(line, (this.#stream.columns || 80) - 1)}\x1b[K`);
    this.#drawn = true;
  }

  #line({ done, total = this.#options.total, fields = [] }: ProgressUpdate): string {
    const { label, unit = '' } = this.#options;
    const color = this.#interactive && !process.env.NO_COLOR;
    const name = color ? styleText('bold', label) : label;
    const count = total === undefined ? formatCount(done) : `${formatCount(done)}/${formatCount(total)}`;
    const parts = [
      unit ? `${unit} ${count}` : count,
      ...fields.map(([key, value]) => (key ? `${key} ${value}` : value)),
    ];
    if (total !== undefined) {
      const left = (total - done) / this.#rate.perSecond;
      if (Number.isFinite(left) && done < total) parts.push(`${formatDuration(left)} left`);
    }
    const bar = total && this.#interactive ? `${progressBar(done / total)} ` : '';
    return `${name} ${bar}${parts.join('  ')}`;
  }

  #clear(): void {
    if (this.#drawn) this.#stream.write('\r\x1b[K');
    this.#drawn = false;
  }

  #restore(): void {
    if (this.#interactive) this.#stream.write('\x1b[?25h');
  }
}

function progressBar(share: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * BAR_WIDTH * 8);
  const full = Math.floor(eighths / 8);
  const rest = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8]!;
  return `${'█'.repeat(full)}${rest}`.padEnd(BAR_WIDTH, '░');
}

/** Work a second, as a mean that forgets: what a resumed or uneven run does now says more than its start. */
class RateEstimate {
  #last: { done: number; at: number } | undefined;
  #weight = 0;
  #sum = 0;

  observe(done: number, at: number): void {
    if (this.#last && done > this.#last.done && at > this.#last.at) {
      const seconds = (at - this.#last.at) / 1000;
      const rate = (done - this.#last.done) / seconds;
      // Half of the estimate comes from the last fifteen seconds.
      const keep = 0.5 ** (seconds / 15);
      this.#sum = this.#sum * keep + rate * (1 - keep);
      this.#weight = this.#weight * keep + (1 - keep);
    }
    if (!this.#last || done !== this.#last.done) this.#last = { done, at };
  }

  get perSecond(): number {
    return this.#weight > 0 ? this.#sum / this.#weight : Number.NaN;
  }
}

const escapeCharacter = String.fromCharCode(27);
const styled = new RegExp(`(${escapeCharacter}\\[[0-9;]*m)|([\\s\\S])`, 'gu');

/** Cuts to a number of columns; escape sequences take none, wide characters two. */
export function truncate(text: string, columns: number): string {
  let used = 0;
  let out = '';
  for (const [piece, style] of text.matchAll(styled)) {
    if (style) {
      out += style;
      continue;
    }
    used += isWide(piece) ? 2 : 1;
    if (used > columns) return `${out}${text.includes(escapeCharacter) ? `${escapeCharacter}[0m` : ''}`;
    out += piece;
  }
  return out;
}

function isWide(character: string): boolean {
  return /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(
    character,
  );
}
