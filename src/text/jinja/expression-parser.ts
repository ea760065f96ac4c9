/** Reads expressions, with the precedence that they have in Jinja2. */
import type { BinaryOperator, Comparison, Expression, FilterNode } from './nodes.ts';
import { noArguments, OperandParser, type TupleOptions } from './operand-parser.ts';
import type { TokenStream } from './token-stream.ts';

/** What a template may name. */
export interface Vocabulary {
  filters: ReadonlyMap<string, unknown>;
  tests: ReadonlyMap<string, unknown>;
  /** Marks a text of the template. */
  mark(text: string): string;
}

export class ExpressionParser extends OperandParser {
  readonly #vocabulary: Vocabulary;
  /** Where an unknown filter or test is no error before it is reached: in `if`. */
  soft = false;
  /** The first unknown filter or test of each expression. */
  readonly #unknown: { what: string; line: number }[] = [];

  constructor(stream: TokenStream, vocabulary: Vocabulary) {
    super(stream);
    this.#vocabulary = vocabulary;
  }

  mark(text: string): string {
    return this.#vocabulary.mark(text);
  }

  checkUnknown(): void {
    const [first] = this.#unknown;
    if (first) this.stream.fail(`there is no ${first.what}`, first.line);
  }

  expression(withCondition = true): Expression {
    return this.stream.nested(() => (withCondition ? this.#condition() : this.#or()));
  }

  tuple({ endingNames = [], withCondition = true, bracketed = false }: TupleOptions = {}): Expression {
    const items: Expression[] = [];
    let isTuple = false;
    for (;;) {
      if (items.length > 0) this.stream.expect('operator', ',');
      if (this.#endsTuple(endingNames)) break;
      items.push(this.expression(withCondition));
      if (!this.stream.isOperator(',')) break;
      isTuple = true;
    }
    if (isTuple) return { kind: 'tuple', items };
    const [only] = items;
    if (only) return only;
    if (!bracketed) this.stream.fail(`expected an expression, got ${this.stream.describe()}`);
    return { kind: 'tuple', items };
  }

  #endsTuple(names: string[]): boolean {
    const { stream } = this;
    return (
      stream.is('endOutput') || stream.is('endBlock') || stream.isOperator(')') || stream.isName(...names)
    );
  }

  #condition(): Expression {
    const known = this.#unknown.length;
    let value = this.#or();
    while (this.stream.take('name', 'if')) {
      const test = this.#or();
      const otherwise = this.stream.take('name', 'else')
        ? this.stream.nested(() => this.#condition())
        : undefined;
      this.#unknown.length = known;
      value = { kind: 'condition', test, value, otherwise };
    }
    return value;
  }

  #or(): Expression {
    let left = this.#and();
    while (this.stream.take('name', 'or')) left = { kind: 'or', left, right: this.#and() };
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.stream.take('name', 'and')) left = { kind: 'and', left, right: this.#not() };
    return left;
  }

  #not(): Expression {
    if (!this.stream.take('name', 'not')) return this.#compare();
    return { kind: 'not', operand: this.stream.nested(() => this.#not()) };
  }

  #compare(): Expression {
    const first = this.#sum();
    const rest: [Comparison, Expression][] = [];
    for (;;) {
      const operator = this.#comparison();
      if (operator === undefined) break;
      rest.push([operator, this.#sum()]);
    }
    return rest.length === 0 ? first : { kind: 'compare', first, rest };
  }

  #comparison(): Comparison | undefined {
    const { stream } = this;
    if (stream.isOperator('==', '!=', '<', '<=', '>', '>=')) return stream.next().value as Comparison;
    if (stream.take('name', 'in')) return 'in';
    const { type, value } = stream.following;
    if (!stream.isName('not') || type !== 'name' || value !== 'in') return undefined;
    stream.next();
    stream.next();
    return 'not in';
  }

  #sum(): Expression {
    return this.#binary(['+', '-'], () => this.#concat());
  }

  #concat(): Expression {
    const parts = [this.#product()];
    while (this.stream.take('operator', '~')) parts.push(this.#product());
    return parts.length === 1 ? parts[0]! : { kind: 'concat', parts };
  }

  #product(): Expression {
    // Powers are read from the left as well, unlike Python's.
    return this.#binary(['*', '/', '//', '%'], () => this.#binary(['**'], () => this.#unary()));
  }

  #binary(operators: BinaryOperator[], operand: () => Expression): Expression {
    let left = operand();
    while (this.stream.isOperator(...operators)) {
      const operator = this.stream.next().value as BinaryOperator;
      left = { kind: 'binary', operator, left, right: operand() };
    }
    return left;
  }

  #unary(withFilter = true): Expression {
    let node: Expression;
    if (this.stream.isOperator('-', '+')) {
      const operator = this.stream.next().value as '-' | '+';
      node = { kind: 'unary', operator, operand: this.stream.nested(() => this.#unary(false)) };
    } else {
      node = this.primary();
    }
    node = this.postfix(node);
    return withFilter ? this.#filtersAndTests(node) : node;
  }

  #filtersAndTests(start: Expression): Expression {
    let node = start;
    for (;;) {
      if (this.stream.isOperator('|')) node = this.filters(node)!;
      else if (this.stream.isName('is')) node = this.#test(node);
      else if (this.stream.isOperator('(')) node = this.call(node);
      else return node;
    }
  }

  /**
   * Filters behind an operand, or behind a tag; `starts` is where no bar comes before the first.
   */
  filters(operand: Expression | undefined, starts = false): FilterNode | undefined {
    let node: Expression | undefined = operand;
    let needsBar = !starts;
    while (!needsBar || this.stream.isOperator('|')) {
      if (needsBar) this.stream.next();
      needsBar = true;
      const name = this.#dottedName();
      this.#check('filter', name);
      const args = this.stream.isOperator('(') ? this.callArguments() : noArguments();
      node = { kind: 'filter', operand: node, name, arguments: args };
    }
    return node?.kind === 'filter' ? node : undefined;
  }

  #test(operand: Expression): Expression {
    const { stream } = this;
    stream.next();
    const negated = stream.take('name', 'not');
    const name = this.#dottedName();
    this.#check('test', name);
    const args = noArguments();
    if (stream.isOperator('(')) Object.assign(args, this.callArguments());
    else if (this.#startsTestArgument()) {
      if (stream.isName('is')) stream.fail('tests cannot be chained with is');
      args.positional.push(this.postfix(this.primary()));
    }
    const test: Expression = { kind: 'test', operand, name, arguments: args };
    return negated ? { kind: 'not', operand: test } : test;
  }

  #startsTestArgument(): boolean {
    const { type } = this.stream.current;
    if (this.stream.isName('else', 'or', 'and')) return false;
    return (
      type === 'name' ||
      type === 'string' ||
      type === 'integer' ||
      type === 'float' ||
      this.stream.isOperator('[', '{')
    );
  }

  #dottedName(): string {
    let name = this.stream.expect('name').value;
    while (this.stream.take('operator', '.')) name += `.${this.stream.expect('name').value}`;
    return name;
  }

  #check(kind: 'filter' | 'test', name: string): void {
    if (this.soft || this.#vocabulary[`${kind}s`].has(name)) return;
    this.#unknown.push({ what: `${kind} ${name}`, line: this.stream.current.line });
  }
}
