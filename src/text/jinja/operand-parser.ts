/** Reads literals, names and what stands behind them: fields, subscripts and calls. */
import type { CallArguments, Expression } from './nodes.ts';
import type { TokenStream } from './token-stream.ts';

export interface TupleOptions {
  /** Names that end a tuple besides brackets and tags. */
  endingNames?: string[];
  withCondition?: boolean;
  /** In brackets a tuple may be empty. */
  bracketed?: boolean;
}

export const noArguments = (): CallArguments => ({ positional: [], named: [] });

const constants: Record<string, boolean | null> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
};

export abstract class OperandParser {
  readonly stream: TokenStream;
  /** Names that are read, for each macro that is open. */
  readonly reads: Set<string>[] = [];

  constructor(stream: TokenStream) {
    this.stream = stream;
  }

  /** Marks a text of the template. */
  abstract mark(text: string): string;

  abstract expression(withCondition?: boolean): Expression;

  /** An expression, or several with commas between them. */
  abstract tuple(options?: TupleOptions): Expression;

  /** A literal, a name, or an expression in brackets. */
  primary(): Expression {
    const { stream } = this;
    const { type, value } = stream.current;
    if (type === 'name') return this.#name();
    if (type === 'string') {
      let text = '';
      while (stream.is('string')) text += stream.next().value;
      return { kind: 'constant', value: this.mark(text) };
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

  protected postfix(start: Expression): Expression {
    let node = start;
    for (;;) {
      if (this.stream.take('operator', '.')) node = this.#attribute(node);
      else if (this.stream.take('operator', '[')) node = this.#subscript(node);
      else if (this.stream.isOperator('(')) node = this.call(node);
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

  protected call(callee: Expression): Expression {
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
}
