import { TemplateError } from './errors.ts';
import type { Token, TokenType } from './lexer.ts';

/** Deeper brackets and blocks than any template has would exhaust the stack. */
const DEEPEST = 150;

/** The tokens of a template, one after the other. */
export class TokenStream {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get current(): Token {
    return this.#tokens[this.#at]!;
  }

  get following(): Token {
    return this.#tokens[Math.min(this.#at + 1, this.#tokens.length - 1)]!;
  }

  next(): Token {
    const token = this.current;
    if (token.type !== 'end') this.#at += 1;
    return token;
  }

  is(type: TokenType, value?: string): boolean {
    return this.current.type === type && (value === undefined || this.current.value === value);
  }

  /** The current token is one of these operators. */
  isOperator(...operators: string[]): boolean {
    return this.current.type === 'operator' && operators.includes(this.current.value);
  }

  /** The current token is one of these names. */
  isName(...names: string[]): boolean {
    return this.current.type === 'name' && names.includes(this.current.value);
  }

  /** Takes the current token if it is this one. */
  take(type: TokenType, value?: string): boolean {
    if (!this.is(type, value)) return false;
    this.next();
    return true;
  }

  expect(type: TokenType, value?: string): Token {
    if (!this.is(type, value)) this.fail(`expected ${value ?? named[type]}, got ${this.describe()}`);
    return this.next();
  }

  describe(): string {
    const { type, value } = this.current;
    return type === 'name' || type === 'operator' ? value : named[type];
  }

  fail(message: string, line = this.current.line): never {
    throw new TemplateError(message, line);
  }

  /** Reads something that may hold itself. */
  nested<T>(read: () => T): T {
    if (++this.#depth > DEEPEST) this.fail(`brackets or blocks are nested more than ${DEEPEST} deep`);
    const result = read();
    this.#depth -= 1;
    return result;
  }
}

const named: Record<TokenType, string> = {
  text: 'text',
  beginBlock: '{%',
  endBlock: '%}',
  beginOutput: '{{',
  endOutput: '}}',
  name: 'a name',
  string: 'a string',
  integer: 'an integer',
  float: 'a number',
  operator: 'an operator',
  end: 'the end of the template',
};
