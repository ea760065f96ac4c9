/** Reads `f[ARGS]{}` and `f[CALL_ID]x[ARGS]{}`. The marks may be left out. */
import type { CallProgress, CallScanner } from './call-scanner.ts';
import { JsonChecker } from './json-checker.ts';

/** What may stand before the arguments while it is written. */
const HEAD = /^[\w.-]+\s*(?:\[CALL_ID\]\s*[\w-]*\s*)?(?:\[ARGS\]\s*)?$/;
const HEAD_CHARACTERS = /^[\w.\-[\]\s]$/;
const MOST_HEAD = 200;

export class NamedCallScanner implements CallScanner {
  name: string | undefined;
  isDone = false;
  isBroken = false;
  hasArguments = false;
  #head = '';
  readonly #checker = new JsonChecker();
  #held = '';

  push(text: string): CallProgress {
    let used = 0;
    let passed = '';
    while (used < text.length && !this.isDone && !this.isBroken) {
      const character = text[used++]!;
      if (this.name === undefined && character !== '{') this.#readHead(character);
      else {
        if (this.name === undefined) this.#endHead();
        if (!this.isBroken) passed += this.#readArguments(character);
      }
    }
    return { text: passed, used };
  }

  #readHead(character: string): void {
    this.#head += character;
    this.isBroken = !HEAD_CHARACTERS.test(character) || this.#head.length > MOST_HEAD;
  }

  #endHead(): void {
    if (HEAD.test(this.#head)) this.name = /^[\w.-]+/.exec(this.#head)![0];
    else this.isBroken = true;
  }

  #readArguments(character: string): string {
    this.#checker.push(character);
    this.isBroken = this.#checker.isBroken;
    if (this.isBroken) return '';
    this.isDone = this.#checker.isDone;
    // A bracket alone may begin anything.
    if (this.#held !== '' && /\S/.test(character)) this.hasArguments = true;
    if (this.hasArguments) {
      const passed = this.#held + character;
      this.#held = '';
      return passed;
    }
    this.#held += character;
    return '';
  }
}
