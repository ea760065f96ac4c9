/** Literals of Python as JSON. */

/** Words of Python, and of JSON, which models write too. */
const WORDS: Readonly<Record<string, string>> = {
  ...{ True: 'true', False: 'false', None: 'null' },
  ...{ true: 'true', false: 'false', null: 'null' },
};
const ESCAPES: Readonly<Record<string, string>> = {
  ...{ n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', v: '\v', a: '\x07', '0': '\0' },
  ...{ '\\': '\\', "'": "'", '"': '"', '/': '/', '\n': '' },
};
const MOST_DEPTH = 32;

/** The JSON of a literal: a string, a number, a word, a list, a tuple or a dict; else undefined. */
export function pythonValue(text: string): string | undefined {
  const reader = new LiteralReader(text);
  const value = reader.value(0);
  return value !== undefined && reader.isAtEnd ? value : undefined;
}

class LiteralReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    this.#space();
    return this.#at === this.#text.length;
  }

  value(depth: number): string | undefined {
    this.#space();
    const first = this.#text[this.#at];
    if (first === undefined || depth > MOST_DEPTH) return undefined;
    if (first === '"' || first === "'") return this.#strings();
    if (first === '[') return this.#list(']', depth);
    if (first === '(') return this.#list(')', depth);
    if (first === '{') return this.#dict(depth);
    return this.#wordOrNumber();
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) ++this.#at;
  }

  #take(character: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== character) return false;
    ++this.#at;
    return true;
  }

  #wordOrNumber(): string | undefined {
    const rest = this.#text.slice(this.#at);
    const word = /^[A-Za-z]+/.exec(rest)?.[0];
    if (word !== undefined) {
      this.#at += word.length;
      return Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
    }
    const number = /^[+-]?(?:\d[\d_]*)?(?:\.\d*)?(?:[eE][+-]?\d+)?/.exec(rest)![0];
    if (!/\d/.test(number)) return undefined;
    this.#at += number.length;
    const plain = number.replaceAll('_', '').replace(/^\+/, '');
    const value = Number(plain);
    if (!Number.isFinite(value)) return undefined;
    const isJson = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(plain);
    return isJson ? plain : JSON.stringify(value);
  }

  /** Strings that follow each other are one. */
  #strings(): string | undefined {
    let text = '';
    for (this.#space(); /["']/.test(this.#text[this.#at] ?? ''); this.#space()) {
      const part = this.#string();
      if (part === undefined) return undefined;
      text += part;
    }
    return JSON.stringify(text);
  }

  #string(): string | undefined {
    const quote = this.#text[this.#at++]!;
    let out = '';
    for (;;) {
      const character = this.#text[this.#at++];
      if (character === undefined) return undefined;
      if (character === quote) return out;
      if (character !== '\\') out += character;
      else {
        const escaped = this.#escape();
        if (escaped === undefined) return undefined;
        out += escaped;
      }
    }
  }

  #escape(): string | undefined {
    const kind = this.#text[this.#at++];
    if (kind === undefined) return undefined;
    const digits = { x: 2, u: 4, U: 8 }[kind];
    // Python keeps a backslash that begins no escape.
    if (digits === undefined) return Object.hasOwn(ESCAPES, kind) ? ESCAPES[kind] : `\\${kind}`;
    const hex = this.#text.slice(this.#at, this.#at + digits);
    this.#at += digits;
    const point = Number.parseInt(hex, 16);
    if (!new RegExp(`^[0-9a-fA-F]{${digits}}$`).test(hex) || point > 0x10ffff) return undefined;
    return String.fromCodePoint(point);
  }

  #list(end: string, depth: number): string | undefined {
    ++this.#at;
    const items: string[] = [];
    while (!this.#take(end)) {
      if (items.length > 0 && !this.#take(',')) return undefined;
      if (items.length > 0 && this.#take(end)) break;
      const item = this.value(depth + 1);
      if (item === undefined) return undefined;
      items.push(item);
    }
    return `[${items.join(', ')}]`;
  }

  #dict(depth: number): string | undefined {
    ++this.#at;
    const members: string[] = [];
    while (!this.#take('}')) {
      if (members.length > 0 && !this.#take(',')) return undefined;
      if (members.length > 0 && this.#take('}')) break;
      const key = this.value(depth + 1);
      if (key === undefined || !this.#take(':')) return undefined;
      const value = this.value(depth + 1);
      if (value === undefined) return undefined;
      members.push(`${key.startsWith('"') ? key : JSON.stringify(key)}: ${value}`);
    }
    return `{${members.join(', ')}}`;
  }
}
