/**
 * Splits a template into text and tokens, as Jinja2 does with `trim_blocks` and `lstrip_blocks`:
 * the first line break behind a block is dropped, and so is white space between the start of a line
 * and a block.
 */
import { TemplateError } from './errors.ts';
import { isSpace, SPACE, stripRight } from './python-text.ts';
import { unescaped } from './unescape.ts';

export type TokenType =
  | 'text'
  | 'beginBlock'
  | 'endBlock'
  | 'beginOutput'
  | 'endOutput'
  | 'name'
  | 'string'
  | 'integer'
  | 'float'
  | 'operator'
  | 'end';

export interface Token {
  type: TokenType;
  /** Text, name, operator, or the characters of a literal, those of a string unescaped. */
  value: string;
  line: number;
}

const space = `[${SPACE}]`;
const sticky = (pattern: string, flags = '') => new RegExp(pattern, `y${flags}`);

const tagBegin = /\{[{%#]/g;
const rawBegin = sticky(`\\{%([-+]?)${space}*raw${space}*(?:-%\\}${space}*|%\\})`);
const rawEnd = new RegExp(`\\{%([-+]?)${space}*endraw${space}*(?:\\+%\\}|-%\\}${space}*|%\\}\\n?)`, 'g');
const commentEnd = new RegExp(`\\+#\\}|-#\\}${space}*|#\\}\\n?`, 'g');
const blockEnd = sticky(`\\+%\\}|-%\\}${space}*|%\\}\\n?`);
const outputEnd = sticky(`-\\}\\}${space}*|\\}\\}`);
const whiteSpace = sticky(`${space}+`);

const tokenRules: [TokenType, RegExp][] = [
  [
    'float',
    sticky('(?<!\\.)(?:\\d+_)*\\d+(?:(?:\\.(?:\\d+_)*\\d+)?e[+-]?(?:\\d+_)*\\d+|\\.(?:\\d+_)*\\d+)', 'i'),
  ],
  ['integer', sticky('0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\\da-f])+|[1-9](?:_?\\d)*|0(?:_?0)*', 'i')],
  ['name', sticky('[\\p{L}\\p{N}_]+', 'u')],
  ['string', sticky(`'[^'\\\\]*(?:\\\\[^][^'\\\\]*)*'|"[^"\\\\]*(?:\\\\[^][^"\\\\]*)*"`)],
  ['operator', sticky('//|\\*\\*|==|!=|>=|<=|[-+/*%~[\\](){}><=.:|,;]')],
];

const closing: Record<string, string> = { '(': ')', '[': ']', '{': '}' };

/** Throws TemplateError with the line of what is no token. */
export function tokenize(template: string): Token[] {
  return new Lexer(template).tokens;
}

class Lexer {
  readonly tokens: Token[] = [];
  readonly #source: string;
  #at = 0;
  #line = 1;
  /** The text before this place ends with a line break that belongs to a tag. */
  #lineStarts = true;

  constructor(template: string) {
    this.#source = template.replace(/\r\n?/g, '\n').replace(/\n$/, '');
    while (this.#at < this.#source.length) this.#readText();
    this.#push('end', '');
  }

  #push(type: TokenType, value: string): void {
    this.tokens.push({ type, value, line: this.#line });
  }

  /** Moves on over characters that were read. */
  #skip(length: number): void {
    const end = this.#at + length;
    while (this.#at < end) if (this.#source[this.#at++] === '\n') this.#line += 1;
    this.#lineStarts = this.#source[end - 1] === '\n';
  }

  #match(rule: RegExp): RegExpExecArray | null {
    rule.lastIndex = this.#at;
    return rule.exec(this.#source);
  }

  /** Text up to a tag, and the tag. */
  #readText(): void {
    const start = this.#match(tagBegin)?.index ?? this.#source.length;
    const text = this.#source.slice(this.#at, start);
    if (start === this.#source.length) {
      this.#push('text', text);
      this.#skip(text.length);
      return;
    }
    const kind = this.#source[start + 1]!;
    const sign = /[-+]/.test(this.#source[start + 2] ?? '') ? this.#source[start + 2]! : '';
    this.#pushStripped(text, sign, kind !== '{');
    this.#skip(text.length);
    const raw = kind === '%' ? this.#match(rawBegin) : null;
    if (raw) {
      this.#skip(raw[0].length);
      this.#readRaw();
      return;
    }
    if (kind === '#') {
      this.#readComment(2 + sign.length);
      return;
    }
    this.#push(kind === '%' ? 'beginBlock' : 'beginOutput', '');
    this.#skip(2 + sign.length);
    this.#readTokens(kind === '%' ? ['endBlock', blockEnd] : ['endOutput', outputEnd]);
  }

  #pushStripped(text: string, sign: string, isBlock: boolean): void {
    let kept = text;
    if (sign === '-') {
      kept = stripRight(text);
    } else if (sign !== '+' && isBlock) {
      const lineStart = text.lastIndexOf('\n') + 1;
      if ((lineStart > 0 || this.#lineStarts) && isSpace(text.slice(lineStart))) {
        kept = text.slice(0, lineStart);
      }
    }
    if (kept !== '') this.#push('text', kept);
  }

  #readRaw(): void {
    const end = this.#match(rawEnd);
    if (!end) throw new TemplateError('a raw block has no endraw', this.#line);
    this.#pushStripped(this.#source.slice(this.#at, end.index), end[1]!, true);
    this.#skip(end.index + end[0].length - this.#at);
  }

  #readComment(opening: number): void {
    this.#skip(opening);
    const end = this.#match(commentEnd);
    if (!end) throw new TemplateError('a comment has no end', this.#line);
    this.#skip(end.index + end[0].length - this.#at);
  }

  #readTokens([endType, end]: [TokenType, RegExp]): void {
    const open: string[] = [];
    while (this.#at < this.#source.length) {
      const closed = open.length === 0 ? this.#match(end) : null;
      if (closed) {
        this.#push(endType, '');
        this.#skip(closed[0].length);
        return;
      }
      const space = this.#match(whiteSpace);
      if (space) this.#skip(space[0].length);
      else this.#readToken(open);
    }
  }

  #readToken(open: string[]): void {
    for (const [type, rule] of tokenRules) {
      const found = this.#match(rule)?.[0];
      if (found === undefined) continue;
      if (type === 'operator') this.#balance(found, open);
      if (type === 'name' && !/^[\p{ID_Start}_]\p{ID_Continue}*$/u.test(found)) {
        throw new TemplateError(`${found} is not a name`, this.#line);
      }
      this.#push(type, type === 'string' ? unescaped(found.slice(1, -1), this.#line) : found);
      this.#skip(found.length);
      return;
    }
    const character = String.fromCodePoint(this.#source.codePointAt(this.#at)!);
    throw new TemplateError(`unexpected character ${character}`, this.#line);
  }

  #balance(operator: string, open: string[]): void {
    const closer = closing[operator];
    if (closer !== undefined) open.push(closer);
    if (!/[)\]}]/.test(operator)) return;
    const expected = open.pop();
    if (expected === operator) return;
    const wanted = expected === undefined ? '' : `, expected ${expected}`;
    throw new TemplateError(`unexpected ${operator}${wanted}`, this.#line);
  }
}
