/** Finds calls in the text of an answer while it is written. */
import type { JsonObject } from '../../base/json.ts';
import type { CallScanner } from './call-scanner.ts';
import type { ToolFormat } from './format.ts';
import { beginsCall, scannerOf } from './scanners.ts';

/** A part of an answer. */
export type AnswerPiece =
  | { kind: 'text'; text: string }
  /** A call begins. Calls are counted from 0. */
  | { kind: 'call'; index: number; name: string }
  /** More of the arguments of a call, which are JSON. */
  | { kind: 'arguments'; index: number; text: string };

export interface ReaderOptions {
  /** Calls of an answer; further ones are left out. Default any number. */
  most?: number;
  /** JSON Schemas of arguments, for formats that do not tell texts from numbers. */
  parameters?: ReadonlyMap<string, JsonObject>;
  /**
   * The answer is complete: a call that breaks is text from its beginning. Otherwise what was
   * passed on before stays a call.
   */
  isWhole?: boolean;
}

/**
 * Takes the pieces of a text. Calls of other functions than these, and what merely looks like a
 * call, stay text.
 */
export class ToolCallReader {
  /** Number of calls that have begun. */
  calls = 0;
  readonly #format: ToolFormat;
  readonly #names: readonly string[];
  readonly #most: number;
  readonly #parameters: ReadonlyMap<string, JsonObject>;
  #mode: 'text' | 'around' | 'call' = 'text';
  /** Text that was not yet read. */
  #pending = '';
  /** What was read since the last text or call, in case that it is text. */
  #unsure = '';
  #scanner: CallScanner | undefined;
  /** Whether the scanner's call was passed on. */
  #hasBegun = false;
  /** Arguments of the current call that were not passed on. */
  #arguments = '';
  readonly #isWhole: boolean;

  constructor(
    format: ToolFormat,
    names: readonly string[],
    { most = Number.POSITIVE_INFINITY, parameters = new Map(), isWhole = false }: ReaderOptions = {},
  ) {
    this.#isWhole = isWhole;
    this.#parameters = parameters;
    this.#format = format;
    this.#names = names;
    this.#most = most;
    if (format.marker === undefined) this.#mode = 'around';
  }

  push(text: string): AnswerPiece[] {
    this.#pending += text;
    return this.#read(false);
  }

  /** The rest, after the last piece. */
  end(): AnswerPiece[] {
    const pieces = this.#read(true);
    const { marker } = this.#format;
    // The answer was cut. Behind a marker a name alone shows that it is a call.
    const isMarked = marker !== undefined && this.#unsure.includes(marker);
    if (this.#mode === 'call' && (isMarked || this.#scanner!.hasArguments)) {
      this.#beginCall(pieces);
      this.#passArguments(pieces);
    }
    const rest = this.#unsure + this.#pending;
    this.#unsure = this.#pending = '';
    // Around calls there are only marks and white space, and behind one a marker begins another.
    const isAnother = this.calls > 0 && (isMarked || this.#mode === 'around');
    const isCall = this.#mode === 'call' ? this.#hasBegun || isAnother : this.#mode === 'around' && isAnother;
    if (rest !== '' && !isCall) pieces.push({ kind: 'text', text: rest });
    return pieces;
  }

  #read(isLast: boolean): AnswerPiece[] {
    const pieces: AnswerPiece[] = [];
    for (let isMoving = true; isMoving; ) {
      if (this.#mode === 'text') isMoving = this.#readText(pieces, isLast);
      else if (this.#mode === 'around') isMoving = this.#readAround(pieces, isLast);
      else isMoving = this.#readCall(pieces);
    }
    return pieces;
  }

  /** Text up to the marker. Returns whether there is more to read. */
  #readText(pieces: AnswerPiece[], isLast: boolean): boolean {
    const { marker, bare } = this.#format;
    const beginnings = [marker, bare].filter((text) => text !== undefined);
    const found = beginnings
      .map((text) => ({ text, at: this.#pending.indexOf(text) }))
      .filter(({ at }) => at >= 0)
      .sort((a, b) => a.at - b.at)[0];
    const held = isLast ? 0 : heldBack(this.#pending, beginnings);
    const end = found ? found.at : this.#pending.length - held;
    if (end > 0) pieces.push({ kind: 'text', text: this.#pending.slice(0, end) });
    this.#pending = this.#pending.slice(end);
    if (!found) return false;
    this.#unsure = found.text === marker ? marker : '';
    this.#pending = this.#pending.slice(this.#unsure.length);
    this.#mode = 'around';
    return true;
  }

  /** White space and marks before a call, or after it. */
  #readAround(pieces: AnswerPiece[], isLast: boolean): boolean {
    const { around } = this.#format;
    for (;;) {
      const space = /^\s+/.exec(this.#pending)?.[0] ?? '';
      const mark = around.find((text) => this.#pending.startsWith(text, space.length)) ?? '';
      if (space === '' && mark === '') break;
      this.#unsure += space + mark;
      this.#pending = this.#pending.slice(space.length + mark.length);
    }
    if (this.#pending === '') return false;
    const begins = beginsCall(this.#format.call, this.#pending);
    if (begins === undefined && !isLast) return false;
    if (begins) {
      this.#scanner = scannerOf(this.#format.call, (name) => this.#parameters.get(name));
      this.#hasBegun = false;
      this.#arguments = '';
      this.#mode = 'call';
      return true;
    }
    // Behind a call, a mark that was cut at the end belongs to it.
    const isCutMark = heldBack(this.#pending, around) === this.#pending.length;
    if (isCutMark && (!isLast || this.calls > 0)) return false;
    this.#giveUp(pieces);
    return true;
  }

  /** What was read is text after all. */
  #giveUp(pieces: AnswerPiece[]): void {
    this.#mode = 'text';
    // After a call, marks and white space belong to it.
    const isText = this.calls === 0 || /\S/.test(this.#withoutMarks(this.#unsure));
    if (this.#unsure !== '' && isText) pieces.push({ kind: 'text', text: this.#unsure });
    this.#unsure = '';
  }

  #withoutMarks(text: string): string {
    return this.#format.around.reduce((rest, mark) => rest.replaceAll(mark, ''), text);
  }

  #readCall(pieces: AnswerPiece[]): boolean {
    const scanner = this.#scanner!;
    let used = 0;
    // By characters: how a text is cut must not change what it is.
    while (used < this.#pending.length && !scanner.isDone && !scanner.isBroken) {
      this.#arguments += scanner.push(this.#pending[used++]!).text;
      if (scanner.hasArguments && !this.#isWhole && !scanner.isBroken) this.#beginCall(pieces);
    }
    this.#unsure += this.#pending.slice(0, used);
    this.#pending = this.#pending.slice(used);
    const isWrong = scanner.isBroken || (scanner.name !== undefined && !this.#names.includes(scanner.name));
    if (isWrong && !this.#hasBegun) {
      this.#giveUp(pieces);
      return true;
    }
    if (scanner.isDone) this.#beginCall(pieces);
    this.#passArguments(pieces);
    if (!scanner.isDone && !scanner.isBroken) return false;
    if (this.#hasBegun && !scanner.hasArguments) {
      pieces.push({ kind: 'arguments', index: this.calls - 1, text: '{}' });
    }
    if (!this.#hasBegun && scanner.name === undefined) this.#giveUp(pieces);
    else {
      this.#unsure = '';
      this.#mode = 'around';
    }
    return true;
  }

  #beginCall(pieces: AnswerPiece[]): void {
    const name = this.#scanner!.name;
    if (this.#hasBegun || name === undefined || !this.#names.includes(name) || this.calls >= this.#most)
      return;
    this.#hasBegun = true;
    pieces.push({ kind: 'call', index: this.calls++, name });
  }

  #passArguments(pieces: AnswerPiece[]): void {
    const text = this.#arguments;
    if (!this.#hasBegun || text === '') return;
    pieces.push({ kind: 'arguments', index: this.calls - 1, text });
    this.#arguments = '';
  }
}

/** Length of the longest end of a text that begins one of these. */
function heldBack(text: string, beginnings: readonly string[]): number {
  let longest = 0;
  for (const beginning of beginnings) {
    for (let n = Math.min(beginning.length - 1, text.length); n > longest; --n) {
      if (text.endsWith(beginning.slice(0, n))) longest = n;
    }
  }
  return longest;
}
