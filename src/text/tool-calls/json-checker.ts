/** Tells at the first wrong character that a text is no JSON object or list. */

type Expected = 'value' | 'value or end' | 'key' | 'key or end' | 'colon' | 'comma or end';

const WORD = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;

export class JsonChecker {
  /** The last bracket is closed. */
  isDone = false;
  isBroken = false;
  readonly #open: string[] = [];
  #expected: Expected = 'value';
  #inString = false;
  /** Characters of an escape that are still to come; the first one tells how many. */
  #escape: 'kind' | number = 0;
  /** A number, true, false or null so far. */
  #word = '';

  push(character: string): void {
    if (this.#inString) this.#takeOfString(character);
    else if (/[\w+.-]/.test(character)) this.#takeOfWord(character);
    else {
      if (this.#word !== '') this.#endWord();
      if (!this.isBroken && !/[ \t\r\n]/.test(character)) this.#takeMark(character);
    }
  }

  #takeOfString(character: string): void {
    if (this.#escape === 'kind') {
      this.#escape = character === 'u' ? 4 : 0;
      this.isBroken = !/["\\/bfnrtu]/.test(character);
    } else if (this.#escape > 0) {
      this.#escape -= 1;
      this.isBroken = !/[0-9a-fA-F]/.test(character);
    } else if (character === '\\') this.#escape = 'kind';
    else if (character < ' ') this.isBroken = true;
    else if (character === '"') {
      this.#inString = false;
      if (this.#expected !== 'colon') this.#endValue();
    }
  }

  #takeOfWord(character: string): void {
    this.isBroken = !this.#expected.startsWith('value') || this.#open.length === 0;
    this.#word += character;
  }

  #endWord(): void {
    this.isBroken = !WORD.test(this.#word);
    this.#word = '';
    this.#endValue();
  }

  #endValue(): void {
    this.#expected = 'comma or end';
    this.isDone = this.#open.length === 0;
  }

  #takeMark(character: string): void {
    const expected = this.#expected;
    const takesValue = expected.startsWith('value');
    const ends = expected.endsWith('end');
    if (character === '"' && expected.startsWith('key')) this.#beginString('colon');
    else if (character === '"' && takesValue && this.#open.length > 0) this.#beginString('comma or end');
    else if ((character === '{' || character === '[') && takesValue) {
      this.#open.push(character);
      this.#expected = character === '{' ? 'key or end' : 'value or end';
    } else if (character === ':' && expected === 'colon') this.#expected = 'value';
    else if (character === ',' && expected === 'comma or end') {
      this.#expected = this.#open.at(-1) === '{' ? 'key' : 'value';
    } else if (ends && character === (this.#open.at(-1) === '{' ? '}' : ']')) {
      this.#open.pop();
      this.#endValue();
    } else this.isBroken = true;
  }

  #beginString(after: Expected): void {
    this.#inString = true;
    this.#expected = after;
  }
}
