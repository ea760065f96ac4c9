/**
 * Text in the form in which checks compare it: what looks alike is alike. That is Unicode's
 * compatibility form, case folded, without invisible characters, and without marks that belong to
 * no letter. Text may come in pieces: code points are given on as soon as they are certain.
 */

/** Takes a folded code point, and the UTF-16 index where the character that gave it begins. */
export type PointSink = (point: number, start: number) => void;

export interface FoldingOptions {
  /** `ignore` also takes the accents off letters. Default `keep`. */
  accents?: 'keep' | 'ignore';
}

const IGNORABLE = /^\p{Default_Ignorable_Code_Point}$/u;
const MARK = /^\p{M}$/u;
/** Marks that are used with letters of several scripts, so that no letter needs them. */
const FREE_MARK = /^\p{Script=Inherited}$/u;
/** The Stream-Safe Text Format allows 30 marks in a row. Beyond it nobody writes text. */
const MOST_MARKS = 30;
/** Entries of the table of foldings, which a hostile text would else fill with all of Unicode. */
const MOST_KEPT = 1 << 14;

/** What a character folds to. */
interface Folding {
  letters: readonly number[];
  /** Marks at the end: more of them may follow. */
  marks: string;
}

export class TextFolder {
  readonly #sink: PointSink;
  readonly #ignoresAccents: boolean;
  readonly #kept = new Map<number, Folding>();
  /** UTF-16 units that were taken. */
  #length = 0;
  /** A first half of a surrogate pair at the end of a piece. */
  #half = '';
  /** The last folded code point that is no mark. */
  #letter = 0;
  /** Marks that follow it, and where they begin. */
  #marks = '';
  #markStarts: number[] = [];

  constructor(sink: PointSink, { accents = 'keep' }: FoldingOptions = {}) {
    this.#sink = sink;
    this.#ignoresAccents = accents === 'ignore';
  }

  /** The UTF-16 index from which characters are not given on yet; the length where all are. */
  get pendingFrom(): number {
    return this.#markStarts[0] ?? this.#length - this.#half.length;
  }

  push(text: string): void {
    const whole = this.#half + text;
    const start = this.#length - this.#half.length;
    this.#length += text.length;
    this.#half = '';
    for (let i = 0; i < whole.length; ++i) {
      const unit = whole.charCodeAt(i);
      if (unit < 0x80) {
        this.#give(unit >= 0x41 && unit <= 0x5a ? unit + 32 : unit, start + i);
        continue;
      }
      if (unit >= 0xd800 && unit < 0xdc00 && i + 1 === whole.length) {
        this.#half = whole[i]!;
        return;
      }
      const point = whole.codePointAt(i)!;
      this.#take(point, start + i);
      if (point > 0xffff) ++i;
    }
  }

  /** Gives on what is left. */
  end(): void {
    if (this.#half !== '') this.#take(this.#half.charCodeAt(0), this.#length - 1);
    this.#half = '';
    this.#endMarks();
  }

  #give(letter: number, start: number): void {
    if (this.#marks !== '') this.#endMarks();
    this.#letter = letter;
    this.#sink(letter, start);
  }

  #take(point: number, start: number): void {
    const { letters, marks } = this.#foldingOf(point);
    for (const letter of letters) this.#give(letter, start);
    if (marks === '') return;
    this.#marks += marks;
    for (const _ of marks) this.#markStarts.push(start);
    if (this.#markStarts.length >= MOST_MARKS) this.#endMarks();
  }

  /** Gives on those of the marks that belong to the letter before them. */
  #endMarks(): void {
    const letter = String.fromCodePoint(this.#letter);
    const [composed = '', ...rest] = (letter + this.#marks).normalize('NFC');
    const own = [
      ...composed.normalize('NFD').slice(letter.normalize('NFD').length),
      ...rest.filter(isNeeded),
    ];
    own.forEach((mark, i) => {
      if (this.#ignoresAccents && !isNeeded(mark)) return;
      const at = Math.min(i, this.#markStarts.length - 1);
      this.#sink(mark.codePointAt(0)!, this.#markStarts[at]!);
    });
    this.#marks = '';
    this.#markStarts = [];
  }

  #foldingOf(point: number): Folding {
    const kept = this.#kept.get(point);
    if (kept) return kept;
    const made = foldingOf(String.fromCodePoint(point));
    if (this.#kept.size < MOST_KEPT) this.#kept.set(point, made);
    return made;
  }
}

function isNeeded(mark: string): boolean {
  return !FREE_MARK.test(mark);
}

function foldingOf(character: string): Folding {
  if (IGNORABLE.test(character)) return { letters: [], marks: '' };
  const points = [...caseFolded(character.normalize('NFKD')).normalize('NFKD')];
  const last = points.findLastIndex((one) => !MARK.test(one));
  const letters = points.slice(0, last + 1).map((one) => one.codePointAt(0)!);
  return { letters, marks: points.slice(last + 1).join('') };
}

/** Lower case by way of upper case: it folds ß to ss, and all sigmas to one. */
function caseFolded(text: string): string {
  const each = (whole: string, change: (one: string) => string) => Array.from(whole, change).join('');
  const upper = each(text, (one) => one.toLowerCase()).toUpperCase();
  return each(upper, (one) => one.toLowerCase());
}

/** The folded code points of a whole text. */
export function foldedPoints(text: string, options?: FoldingOptions): number[] {
  const points: number[] = [];
  const folder = new TextFolder((point) => points.push(point), options);
  folder.push(text);
  folder.end();
  return points;
}

const WORD = /^[\p{L}\p{M}\p{N}]$/u;
const WITHOUT_SPACES =
  /^[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]$/u;

/**
 * How a character stands in words: `joins` letters, marks and digits of scripts that put spaces
 * between words, `stands` those of scripts that put none.
 */
export type WordKind = 'joins' | 'stands' | 'other';

/** Of a folded code point. */
export function wordKind(point: number): WordKind {
  if (point < 0x80) {
    const isWord = (point >= 0x61 && point <= 0x7a) || (point >= 0x30 && point <= 0x39);
    return isWord ? 'joins' : 'other';
  }
  const character = String.fromCodePoint(point);
  if (!WORD.test(character)) return 'other';
  return WITHOUT_SPACES.test(character) ? 'stands' : 'joins';
}

/** Whether a word can end or begin between two characters; undefined: the end of the text. */
export function isBorder(before: number | undefined, after: number | undefined): boolean {
  if (before === undefined || after === undefined) return true;
  return wordKind(before) !== 'joins' || wordKind(after) !== 'joins';
}
