/** Reads `f(x=1, y="a")`. Each argument is passed on when it is complete. */
import type { CallProgress, CallScanner } from './call-scanner.ts';
import { pythonValue } from './python-value.ts';

const MOST_NAME = 100;

export class PythonCallScanner implements CallScanner {
  name: string | undefined;
  isDone = false;
  isBroken = false;
  hasArguments = false;
  /** The name, and then the current argument, so far. */
  #text = '';
  /** Open brackets inside of the argument. */
  #depth = 0;
  /** The quote of the string that is open. */
  #quote: string | undefined;
  #isEscaped = false;

  push(text: string): CallProgress {
    let used = 0;
    let passed = '';
    while (used < text.length && !this.isDone && !this.isBroken) passed += this.#take(text[used++]!);
    return { text: passed, used };
  }

  #take(character: string): string {
    if (this.name === undefined) {
      this.#readName(character);
      return '';
    }
    if (this.#quote !== undefined) {
      this.#text += character;
      if (this.#isEscaped) this.#isEscaped = false;
      else if (character === '\\') this.#isEscaped = true;
      else if (character === this.#quote) this.#quote = undefined;
      return '';
    }
    if (this.#depth === 0 && (character === ',' || character === ')')) return this.#endArgument(character);
    this.#text += character;
    if (character === '"' || character === "'") this.#quote = character;
    else if ('([{'.includes(character)) ++this.#depth;
    else if (')]}'.includes(character)) --this.#depth;
    this.isBroken = this.#depth < 0;
    return '';
  }

  #readName(character: string): void {
    if (character === '(') this.name = this.#text;
    else this.#text += character;
    this.isBroken = !/^[A-Za-z_][\w.-]*$/.test(this.#text) || this.#text.length > MOST_NAME;
    if (this.name !== undefined) this.#text = '';
  }

  #endArgument(character: string): string {
    const text = this.#text.trim();
    this.#text = '';
    this.isDone = character === ')';
    // A comma may follow the last argument.
    if (text === '' && this.isDone) return this.hasArguments ? '}' : '';
    const [, key, value] = /^([A-Za-z_]\w*)\s*=\s*(.*)$/s.exec(text) ?? [];
    const json = value === undefined ? undefined : pythonValue(value);
    if (json === undefined) {
      this.isBroken = true;
      this.isDone = false;
      return '';
    }
    const begin = this.hasArguments ? ', ' : '{';
    this.hasArguments = true;
    return `${begin}${JSON.stringify(key)}: ${json}${this.isDone ? '}' : ''}`;
  }
}
