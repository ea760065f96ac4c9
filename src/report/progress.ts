/**
 * One live line on stderr for any long work. On a terminal it is redrawn in place, at most ten
 * times per second. Elsewhere (a file, CI, TERM=dumb) a plain line is printed every few seconds. A
 * line that is too long for the terminal first loses its bar, then fields from the right, but never
 * the count and the time left.
 */
import { styleText } from 'node:util';
import { tolerateErrors } from '../base/tolerate-errors.ts';
import { hideCursor, showCursor } from './cursor.ts';
import { exactCount, formatDuration } from './format.ts';
import { RateEstimate } from './rate-estimate.ts';
import { displayWidth, printable, truncate } from './terminal-text.ts';

/** What a progress line shows, and where. */
export interface ProgressOptions {
  /** Name of the work, e.g. `pretrain`. */
  label: string;
  /** Total amount of work; undefined: unknown. */
  total?: number | undefined;
  /**
   * Time limit in seconds, if time is the budget. Then the bar and the time left follow the clock.
   */
  seconds?: number | undefined;
  /** Unit of the count, e.g. `step`. */
  unit?: string;
  /** Default: stderr. */
  stream?: NodeJS.WriteStream;
  /** Whether to redraw in place. Default: whether the stream is a terminal that can. */
  interactive?: boolean;
}

/** The state of the work. */
export interface ProgressUpdate {
  done: number;
  total?: number | undefined;
  /**
   * Shown in order as `name value`, or only the value if the name is empty. The most
   * important comes first.
   */
  fields?: readonly (readonly [name: string, value: string])[];
}

/** A running progress line. */
export interface Progress {
  update(update: ProgressUpdate): void;
  /** Prints text above the status line. */
  log(text: string): void;
  /**
   * Replaces the status line by a last line: the summary, or by default the amount of work and its
   * time; an empty summary prints nothing. Later calls of any method do nothing.
   */
  finish(summary?: string): void;
}

const REDRAW_MS = 100;
const PLAIN_MS = 5000;
const BAR_WIDTH = 20;

/** Starts a progress line. */
export function createProgress(options: ProgressOptions): Progress {
  return new StatusLine(options);
}

class StatusLine implements Progress {
  readonly #options: ProgressOptions;
  readonly #stream: NodeJS.WriteStream;
  readonly #interactive: boolean;
  readonly #rate = new RateEstimate();
  readonly #startedAt = performance.now();
  #drawn = false;
  #finished = false;
  #lastDraw = Number.NEGATIVE_INFINITY;
  #latest: ProgressUpdate | undefined;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#stream = options.stream ?? process.stderr;
    this.#interactive = options.interactive ?? canRedraw(this.#stream);
    tolerateErrors(this.#stream);
    if (this.#interactive) hideCursor(this.#stream);
  }

  update(update: ProgressUpdate): void {
    if (this.#finished) return;
    const now = performance.now();
    this.#latest = update;
    this.#rate.observe(update.done, now);
    if (now - this.#lastDraw < (this.#interactive ? REDRAW_MS : PLAIN_MS)) return;
    this.#lastDraw = now;
    this.#draw(update);
  }

  log(text: string): void {
    if (this.#finished) return;
    this.#clear();
    this.#stream.write(`${printable(text)}\n`);
    if (this.#interactive && this.#latest) this.#draw(this.#latest);
  }

  finish(summary?: string): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#clear();
    if (this.#interactive) showCursor(this.#stream);
    const last = summary ?? (this.#latest && this.#conclusion(this.#latest));
    if (last) this.#stream.write(`${printable(last)}\n`);
  }

  #conclusion(update: ProgressUpdate): string {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const fields = update.fields?.map(fieldText) ?? [];
    return [`${this.#options.label} ${this.#count(update)}`, ...fields, `in ${formatDuration(seconds)}`].join(
      '  ',
    );
  }

  #draw(update: ProgressUpdate): void {
    if (this.#interactive) {
      // One column less: a terminal that wraps a full line would scroll on every redraw.
      this.#stream.write(`\r${this.#fitted(update, (this.#stream.columns || 80) - 1)}\x1b[K`);
      this.#drawn = true;
    } else {
      const fields = update.fields?.map(fieldText) ?? [];
      this.#stream.write(`${[this.#head(update, ''), ...fields, ...this.#left(update)].join('  ')}\n`);
    }
  }

  #fitted(update: ProgressUpdate, columns: number): string {
    const bar = this.#bar(update);
    const fields = update.fields?.map(fieldText) ?? [];
    const line = (head: string, count: number) =>
      [head, ...fields.slice(0, count), ...this.#left(update)].join('  ');
    let fitted = line(this.#head(update, bar), fields.length);
    if (displayWidth(fitted) <= columns) return fitted;
    const head = this.#head(update, '');
    for (let count = fields.length; count >= 0; --count) {
      fitted = line(head, count);
      if (displayWidth(fitted) <= columns) return fitted;
    }
    return truncate(fitted, columns);
  }

  #head(update: ProgressUpdate, bar: string): string {
    // Colours for this stream: NO_COLOR, FORCE_COLOR and the abilities of the terminal count.
    const label = printable(this.#options.label);
    const name = this.#interactive ? styleText('bold', label, { stream: this.#stream }) : label;
    return [name, bar, this.#count(update)].filter(Boolean).join(' ');
  }

  #count({ done, total = this.#options.total }: ProgressUpdate): string {
    const { unit } = this.#options;
    const count = total === undefined ? exactCount(done) : `${exactCount(done)}/${exactCount(total)}`;
    return unit ? `${unit} ${count}` : count;
  }

  /** Undefined if the total is unknown. */
  #share({ done, total = this.#options.total }: ProgressUpdate): number | undefined {
    const { seconds } = this.#options;
    if (seconds !== undefined) return (performance.now() - this.#startedAt) / 1000 / seconds;
    return total === undefined || total <= 0 ? undefined : done / total;
  }

  #left({ done, total = this.#options.total }: ProgressUpdate): string[] {
    const { seconds } = this.#options;
    const left =
      seconds !== undefined
        ? seconds - (performance.now() - this.#startedAt) / 1000
        : ((total ?? Number.NaN) - done) / this.#rate.perSecond;
    return Number.isFinite(left) && left > 0 ? [`${formatDuration(left)} left`] : [];
  }

  #bar(update: ProgressUpdate): string {
    const share = this.#share(update);
    if (share === undefined || !Number.isFinite(share)) return '';
    const eighths = Math.round(Math.min(1, Math.max(0, share)) * BAR_WIDTH * 8);
    const rest = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8]!;
    return `${'█'.repeat(Math.floor(eighths / 8))}${rest}`.padEnd(BAR_WIDTH, '░');
  }

  #clear(): void {
    if (this.#drawn) this.#stream.write('\r\x1b[K');
    this.#drawn = false;
  }
}

function fieldText([name, value]: readonly [string, string]): string {
  return printable(name ? `${name} ${value}` : value).replaceAll('\n', ' ');
}

function canRedraw(stream: NodeJS.WriteStream): boolean {
  const { TERM, CI } = process.env;
  return stream.isTTY === true && TERM !== 'dumb' && !CI;
}
