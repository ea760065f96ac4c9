/** Reads what is assigned to: names, tuples of them, and parameters of macros. */
import type { ExpressionParser } from './expression-parser.ts';
import type { Signature, Target } from './nodes.ts';
import type { TokenStream } from './token-stream.ts';

export class TargetParser {
  readonly #stream: TokenStream;
  readonly #expressions: ExpressionParser;
  /** Loops around this place, in which the name loop is taken. */
  loops = 0;

  constructor(expressions: ExpressionParser) {
    this.#stream = expressions.stream;
    this.#expressions = expressions;
  }

  parameters(): Signature['parameters'] {
    const stream = this.#stream;
    const parameters: Signature['parameters'] = [];
    stream.expect('operator', '(');
    while (!stream.isOperator(')')) {
      if (parameters.length > 0) stream.expect('operator', ',');
      const name = this.name();
      const hasDefault = stream.take('operator', '=');
      if (parameters.some((other) => other.name === name)) stream.fail(`${name} is a parameter twice`);
      if (!hasDefault && parameters.some((other) => other.default !== undefined)) {
        stream.fail('a parameter without a default follows one with a default');
      }
      parameters.push({ name, default: hasDefault ? this.#expressions.expression() : undefined });
    }
    stream.expect('operator', ')');
    return parameters;
  }

  target({ endingNames = ['in'], withNamespace = false }): Target {
    const items: Target[] = [];
    let isTuple = false;
    while (!this.#stream.isName(...endingNames) && !this.#stream.isOperator('=')) {
      items.push(this.#oneTarget(withNamespace));
      if (!this.#stream.take('operator', ',')) break;
      isTuple = true;
    }
    const [only] = items;
    if (!only) this.#stream.fail(`expected a name, got ${this.#stream.describe()}`);
    return isTuple ? { kind: 'tuple', items } : only;
  }

  #oneTarget(withNamespace: boolean): Target {
    const stream = this.#stream;
    if (stream.take('operator', '(')) {
      const items: Target[] = [];
      let isTuple = false;
      while (!stream.isOperator(')')) {
        items.push(stream.nested(() => this.#oneTarget(withNamespace)));
        if (!stream.take('operator', ',')) break;
        isTuple = true;
      }
      stream.expect('operator', ')');
      const [only] = items;
      return only && !isTuple ? only : { kind: 'tuple', items };
    }
    const isAttribute = stream.following.type === 'operator' && stream.following.value === '.';
    const name = this.name();
    if (!withNamespace || !isAttribute) return { kind: 'name', name };
    stream.next();
    for (const names of this.#expressions.reads) names.add(name);
    return { kind: 'namespace', name, attribute: stream.expect('name').value };
  }

  name(): string {
    const { value, line } = this.#stream.expect('name');
    if (/^(true|false|none|True|False|None)$/.test(value)) {
      this.#stream.fail(`${value} cannot be assigned to`, line);
    }
    if (value === 'loop' && this.loops > 0) {
      this.#stream.fail('loop cannot be assigned to in a loop', line);
    }
    return value;
  }
}
