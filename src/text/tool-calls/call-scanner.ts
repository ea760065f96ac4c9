/** Reads one call while it is written, and passes its arguments on as JSON. */
import { JsonChecker } from './json-checker.ts';

/** What a piece of text brought. */
export interface CallProgress {
  /** Arguments that may be passed on; only once the name is known. */
  text: string;
  /** Number of characters that belong to the call; fewer than given once it has ended. */
  used: number;
}

export interface CallScanner {
  /** Undefined before it was read. */
  readonly name: string | undefined;
  /** The call is complete. */
  readonly isDone: boolean;
  /** The text is no call. */
  readonly isBroken: boolean;
  /** Arguments have begun. */
  readonly hasArguments: boolean;
  push(text: string): CallProgress;
}

type Part = 'start' | 'key' | 'colon' | 'value' | 'comma';

/** `{"name": "f", "arguments": {}}`. Arguments are passed on as the model wrote them. */
export class ObjectCallScanner implements CallScanner {
  name: string | undefined;
  isDone = false;
  isBroken = false;
  hasArguments = false;
  readonly #argumentKeys: readonly string[];
  #part: Part = 'start';
  /** Open brackets inside the current value. */
  #depth = 0;
  #inString = false;
  #isEscaped = false;
  /** The current key or value so far. */
  #token = '';
  #key = '';
  /** Arguments that came before the name, or of which it is not known yet whether they are some. */
  #held = '';
  /** Of arguments in brackets. */
  #checker: JsonChecker | undefined;

  constructor(argumentKeys: readonly string[]) {
    this.#argumentKeys = argumentKeys;
  }

  push(text: string): CallProgress {
    let passed = '';
    let used = 0;
    while (used < text.length && !this.isDone && !this.isBroken) passed += this.#take(text[used++]!);
    return { text: passed, used };
  }

  #take(character: string): string {
    if (this.#part === 'value') return this.#takeOfValue(character);
    if (this.#part === 'key' && this.#token !== '') {
      this.#token += character;
      if (this.#endsString(character)) this.#endKey();
      return '';
    }
    if (/\s/.test(character)) return '';
    if (this.#part === 'start' && character === '{') this.#part = 'key';
    else if (this.#part === 'key' && character === '"') this.#beginToken(character);
    else if (this.#part === 'key' && character === '}') this.isDone = true;
    else if (this.#part === 'colon' && character === ':') this.#part = 'value';
    else if (this.#part === 'comma' && character === ',') this.#part = 'key';
    else if (this.#part === 'comma' && character === '}') this.isDone = true;
    else this.isBroken = true;
    return '';
  }

  #beginToken(character: string): void {
    this.#token = character;
    this.#inString = character === '"';
  }

  /** Whether a character ends the string that is open. */
  #endsString(character: string): boolean {
    if (this.#isEscaped) {
      this.#isEscaped = false;
      return false;
    }
    this.#isEscaped = character === '\\';
    if (character !== '"') return false;
    this.#inString = false;
    return true;
  }

  #endKey(): void {
    const key = parsed(this.#token);
    this.#token = '';
    this.#part = 'colon';
    if (typeof key === 'string') this.#key = key;
    else this.isBroken = true;
  }

  #takeOfValue(character: string): string {
    if (this.#token === '') {
      if (/\s/.test(character)) return '';
      this.#beginToken(character);
      if (character === '{' || character === '[') ++this.#depth;
      else if (!/["\-0-9tfn]/.test(character)) this.isBroken = true;
      return this.#argument(character);
    }
    if (this.#inString) {
      this.#token += character;
      const ends = this.#endsString(character);
      const passed = this.#argument(character);
      return ends && this.#depth === 0 ? passed + this.#endValue() : passed;
    }
    if (this.#depth === 0 && /[,}\s]/.test(character)) {
      // The end of a number or a word is the character after it.
      return this.#endValue() + this.#take(character);
    }
    this.#token += character;
    if (character === '"') this.#inString = true;
    else if (character === '{' || character === '[') ++this.#depth;
    else if (character === '}' || character === ']') --this.#depth;
    const passed = this.#argument(character);
    return (character === '}' || character === ']') && this.#depth === 0 ? passed + this.#endValue() : passed;
  }

  /** A character of a value: passed on if it belongs to the arguments. */
  #argument(character: string): string {
    if (!this.#argumentKeys.includes(this.#key)) return '';
    const isFirst = this.#held === '' && !this.hasArguments;
    if (isFirst && /[{[]/.test(character)) this.#checker = new JsonChecker();
    this.#checker?.push(character);
    this.#held += character;
    if (this.#checker?.isBroken) this.isBroken = true;
    // A bracket alone may begin anything.
    else if (!this.#checker || (!isFirst && /\S/.test(character))) this.hasArguments = true;
    return this.#passed();
  }

  /** What may be passed on by now. */
  #passed(): string {
    if (this.name === undefined || !this.hasArguments || this.isBroken) return '';
    const held = this.#held;
    this.#held = '';
    return held;
  }

  #endValue(): string {
    const token = this.#token;
    this.#token = '';
    this.#part = 'comma';
    if (this.#key !== 'name' || this.name !== undefined) return '';
    const name = parsed(token);
    if (typeof name !== 'string') {
      this.isBroken = true;
      return '';
    }
    this.name = name;
    return this.#passed();
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
