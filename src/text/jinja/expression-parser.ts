/** Reads expressions, with the precedence that they have in Jinja2. */
import type { BinaryOperator, CallArguments, Comparison, Expression, FilterNode } from './nodes.ts';
import type { TokenStream } from './token-stream.ts';

/** What a template may name. */
export interface Vocabulary {
  filters: ReadonlyMap<string, unknown>;
  tests: ReadonlyMap<string, unknown>;
}

export interface TupleOptions {
  /** Names that end a tuple besides brackets and tags. */
  endingNames?: string[];
  withCondition?: boolean;
  /** In brackets a tuple may be empty. */
  bracketed?: boolean;
}

const noArguments = (): CallArguments => ({ positional: [], named: [] });

const constants: Record<string, boolean | null> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
};

export class ExpressionParser {
  readonly stream: TokenStream;
  readonly #vocabulary: Vocabulary;
  /** Where an unknown filter or test is no error before it is reached: in `if`. */
  soft = false;
  /** The first unknown filter or test of each expression. */
  readonly #unknown: { what: string; line: number }[] = [];
  /** Names that are read, for each macro that is open. */
  readonly reads: Set<string>[] = [];

  constructor(stream: TokenStream, vocabulary: Vocabulary) {
    this.stream = stream;
    this.#vocabulary = vocabulary;
  }

  checkUnknown(): void {
    const [first] = this.#unknown;
    if (first) this.stream.fail(`there is no ${first.what}`, first.line);
  }

  expression(withCondition = true): Expression {
    return this.stream.nested(() => (withCondition ? this.#condition() : this.#or()));
  }

  /** An expression, or several with commas between them. */
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
      value = { kind: 'condition', test, then: value, otherwise };
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
    node = this.#postfix(node);
    return withFilter ? this.#filtersAndTests(node) : node;
  }

  /** A literal, a name, or an expression in brackets. */
  primary(): Expression {
    const { stream } = this;
    const { type, value } = stream.current;
    if (type === 'name') return this.#name();
    if (type === 'string') {
      let text = '';
      while (stream.is('string')) text += stream.next().value;
      return { kind: 'constant', value: text };
    }
    if (type === 'integer' || type === 'float') return this.#number();
    if (type === 'operator' && value === '(') {
      stream.next();
      const inner = this.tuple({ bracketed: true });
      stream.expect('operator', ')');
      return inner;
    }
    if (type === 'operator' && value === '[') return { kind: 'list', items: this.#items(']') };
    if (type === 'operator' && value === '{') return this.#dict();
    return stream.fail(`unexpected ${stream.describe()}`);
  }

  #name(): Expression {
    const { value } = this.stream.next();
    const constant = Object.hasOwn(constants, value) ? constants[value] : undefined;
    if (constant !== undefined) return { kind: 'constant', value: constant };
    for (const names of this.reads) names.add(value);
    return { kind: 'name', name: value };
  }

  #number(): Expression {
    const { type, value } = this.stream.next();
    const digits = value.replaceAll('_', '');
    if (digits.length > 4300) this.stream.fail('an integer has more than 4,300 digits');
    return { kind: 'constant', value: type === 'float' ? Number(digits) : BigInt(digits) };
  }

  #items(end: string): Expression[] {
    this.stream.next();
    const items: Expression[] = [];
    while (!this.stream.isOperator(end)) {
      if (items.length > 0) this.stream.expect('operator', ',');
      if (this.stream.isOperator(end)) break;
      items.push(this.expression());
    }
    this.stream.expect('operator', end);
    return items;
  }

  #dict(): Expression {
    this.stream.next();
    const pairs: [Expression, Expression][] = [];
    while (!this.stream.isOperator('}')) {
      if (pairs.length > 0) this.stream.expect('operator', ',');
      if (this.stream.isOperator('}')) break;
      const key = this.expression();
      this.stream.expect('operator', ':');
      pairs.push([key, this.expression()]);
    }
    this.stream.expect('operator', '}');
    return { kind: 'dict', pairs };
  }

  #postfix(start: Expression): Expression {
    let node = start;
    for (;;) {
      if (this.stream.take('operator', '.')) node = this.#attribute(node);
      else if (this.stream.take('operator', '[')) node = this.#subscript(node);
      else if (this.stream.isOperator('(')) node = this.#call(node);
      else return node;
    }
  }

  #attribute(object: Expression): Expression {
    const { type, value } = this.stream.current;
    if (type === 'integer') return { kind: 'item', object, index: this.#number() };
    if (type !== 'name') this.stream.fail('expected a name or an integer behind the dot');
    this.stream.next();
    return { kind: 'attribute', object, name: value };
  }

  #subscript(object: Expression): Expression {
    const indices: Expression[] = [];
    while (!this.stream.isOperator(']')) {
      if (indices.length > 0) this.stream.expect('operator', ',');
      indices.push(this.#index());
    }
    this.stream.expect('operator', ']');
    const [only] = indices;
    const index: Expression = only && indices.length === 1 ? only : { kind: 'tuple', items: indices };
    return { kind: 'item', object, index };
  }

  #index(): Expression {
    const bound = () => (this.stream.isOperator(':', ']', ',') ? undefined : this.expression());
    const start = bound();
    if (!this.stream.take('operator', ':')) {
      return start ?? this.stream.fail(`unexpected ${this.stream.describe()}`);
    }
    const stop = bound();
    const step = this.stream.take('operator', ':') ? bound() : undefined;
    return { kind: 'slice', start, stop, step };
  }

  #call(callee: Expression): Expression {
    return { kind: 'call', callee, arguments: this.callArguments() };
  }

  callArguments(): CallArguments {
    const { stream } = this;
    const { line } = stream.expect('operator', '(');
    const args = noArguments();
    const ensure = (valid: boolean) =>
      valid || stream.fail('these arguments of a call are not in order', line);
    let first = true;
    while (!stream.isOperator(')')) {
      if (!first) {
        stream.expect('operator', ',');
        if (stream.isOperator(')')) break;
      }
      first = false;
      if (stream.take('operator', '*')) {
        ensure(!args.spread && !args.spreadNamed);
        args.spread = this.expression();
      } else if (stream.take('operator', '**')) {
        ensure(!args.spreadNamed);
        args.spreadNamed = this.expression();
      } else if (
        stream.is('name') &&
        stream.following.type === 'operator' &&
        stream.following.value === '='
      ) {
        ensure(!args.spreadNamed);
        const name = stream.next().value;
        stream.next();
        ensure(!args.named.some(([other]) => other === name));
        args.named.push([name, this.expression()]);
      } else {
        ensure(!args.spread && !args.spreadNamed && args.named.length === 0);
        args.positional.push(this.expression());
      }
    }
    stream.expect('operator', ')');
    return args;
  }

  #filtersAndTests(start: Expression): Expression {
    let node = start;
    for (;;) {
      if (this.stream.isOperator('|')) node = this.filters(node)!;
      else if (this.stream.isName('is')) node = this.#test(node);
      else if (this.stream.isOperator('(')) node = this.#call(node);
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
      args.positional.push(this.#postfix(this.primary()));
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
