/** Reads `f[ARGS]{}` and `f[CALL_ID]x[ARGS]{}`. The marks may be left out. */
import type { CallProgress, CallScanner } from './call-scanner.ts';

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
  /** Open brackets of the arguments. */
  #depth = 0;
  #inString = false;
  #isEscaped = false;

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
    this.hasArguments = true;
    if (this.#inString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (character === '\\') this.#isEscaped = true;
      else if (character === '"') this.#inString = false;
      return character;
    }
    if (character === '"') this.#inString = true;
    else if (character === '{' || character === '[') ++this.#depth;
    else if (character === '}' || character === ']') this.isDone = --this.#depth === 0;
    return character;
  }
}
