/**
 * Reads templates: text, outputs and the statements of Jinja2, of its loop controls and of
 * transformers.
 */
import { ExpressionParser, type Vocabulary } from './expression-parser.ts';
import { tokenize } from './lexer.ts';
import { bindNames } from './names.ts';
import type { Scoped, Signature, Statement, Target } from './nodes.ts';
import { TargetParser } from './target-parser.ts';
import { TokenStream } from './token-stream.ts';

/** Throws TemplateError. */
export function parseTemplate(source: string, vocabulary: Vocabulary): Scoped {
  const parser = new Parser(source, vocabulary);
  const root = { body: parser.template(), names: new Map() };
  bindNames(root);
  return root;
}

class Parser {
  readonly #stream: TokenStream;
  readonly #expressions: ExpressionParser;
  readonly #targets: TargetParser;
  /** Loops around this place that a break would leave; a macro's body is in none. */
  #loops = 0;
  readonly #blocks = new Set<string>();

  constructor(source: string, vocabulary: Vocabulary) {
    this.#stream = new TokenStream(tokenize(source));
    this.#expressions = new ExpressionParser(this.#stream, vocabulary);
    this.#targets = new TargetParser(this.#expressions);
  }

  template(): Statement[] {
    const body = this.#statements([]);
    this.#expressions.checkUnknown();
    return body;
  }

  /** Statements up to a tag with one of these names, which is left to be read. */
  #statements(ends: string[]): Statement[] {
    const stream = this.#stream;
    const body: Statement[] = [];
    for (;;) {
      const { type, value, line } = stream.current;
      if (type === 'end') {
        if (ends.length > 0) stream.fail(`the template ends before ${ends.join(' or ')}`);
        return body;
      }
      stream.next();
      if (type === 'text') {
        body.push({ kind: 'text', text: this.#expressions.mark(value), line });
      } else if (type === 'beginOutput') {
        body.push({ kind: 'output', expression: this.#expressions.tuple(), line });
        stream.expect('endOutput');
      } else {
        if (stream.isName(...ends)) return body;
        body.push(...stream.nested(() => this.#statement(line)));
        stream.expect('endBlock');
      }
    }
  }

  /** The body of a tag: behind it, up to one of the names. */
  #body(...ends: string[]): Statement[] {
    this.#stream.take('operator', ':');
    this.#stream.expect('endBlock');
    return this.#statements(ends);
  }

  /** The body of a tag, and the tag that ends it. */
  #closedBody(end: string): Statement[] {
    const body = this.#body(end);
    this.#stream.next();
    return body;
  }

  #scope(end: string): Scoped {
    return { body: this.#hard(() => this.#closedBody(end)), names: new Map() };
  }

  /** Reads a body in which an unknown filter is an error even where it is never reached. */
  #hard<T>(read: () => T): T {
    return this.#withSoft(false, read);
  }

  #withSoft<T>(soft: boolean, read: () => T): T {
    const before = this.#expressions.soft;
    this.#expressions.soft = soft;
    const result = read();
    this.#expressions.soft = before;
    return result;
  }

  #statement(line: number): Statement[] {
    const name = this.#stream.expect('name').value;
    switch (name) {
      case 'if':
        return [this.#if(line)];
      case 'for':
        return [this.#for(line)];
      case 'set':
        return [this.#set(line)];
      case 'with':
        return [this.#with(line)];
      case 'macro':
        return [this.#macro(line)];
      case 'call':
        return [this.#callBlock(line)];
      case 'filter':
        return [this.#filterBlock(line)];
      case 'generation':
        return [{ kind: 'generation', scope: this.#outsideLoops(() => this.#scope('endgeneration')), line }];
      case 'block':
        return [this.#block(line)];
      case 'print':
        return this.#print(line);
      case 'break':
      case 'continue':
        if (this.#loops === 0) this.#stream.fail(`${name} is in no loop`, line);
        return [{ kind: name, line }];
      case 'extends':
      case 'include':
      case 'import':
      case 'from':
        return this.#stream.fail(`${name} needs other templates, and a chat template has none`, line);
      default:
        return this.#stream.fail(`unknown tag ${name}`, line);
    }
  }

  #if(line: number): Statement {
    return this.#withSoft(true, () => {
      const branches: [ReturnType<ExpressionParser['tuple']>, Statement[]][] = [];
      const ends = ['elif', 'else', 'endif'];
      let end = '';
      do {
        const test = this.#expressions.tuple({ withCondition: false });
        branches.push([test, this.#body(...ends)]);
        end = this.#stream.next().value;
      } while (end === 'elif');
      const otherwise = end === 'else' ? this.#closedBody('endif') : [];
      return { kind: 'if', branches, otherwise, line };
    });
  }

  #for(line: number): Statement {
    const stream = this.#stream;
    this.#targets.loops += 1;
    const target = this.#targets.target({ endingNames: ['in'] });
    stream.expect('name', 'in');
    const iterable = this.#expressions.tuple({ withCondition: false, endingNames: ['recursive'] });
    const test = stream.take('name', 'if') ? this.#hard(() => this.#expressions.expression()) : undefined;
    const recursive = stream.take('name', 'recursive');
    this.#loops += 1;
    const body = this.#hard(() => this.#body('endfor', 'else'));
    this.#loops -= 1;
    const otherwise = stream.next().value === 'else' ? this.#hard(() => this.#closedBody('endfor')) : [];
    this.#targets.loops -= 1;
    return {
      kind: 'for',
      target,
      iterable,
      test,
      testNames: new Map(),
      recursive,
      scope: { body, names: new Map() },
      otherwise: { body: otherwise, names: new Map() },
      line,
    };
  }

  #set(line: number): Statement {
    const target = this.#targets.target({ withNamespace: true });
    if (this.#stream.take('operator', '=')) {
      return { kind: 'set', target, value: this.#expressions.tuple(), line };
    }
    const filter = this.#hard(() => this.#expressions.filters(undefined));
    return { kind: 'setBlock', target, filter, scope: this.#scope('endset'), line };
  }

  #with(line: number): Statement {
    const targets: [Target, ReturnType<ExpressionParser['expression']>][] = [];
    while (!this.#stream.is('endBlock')) {
      if (targets.length > 0) this.#stream.expect('operator', ',');
      const target = this.#targets.target({});
      this.#stream.expect('operator', '=');
      targets.push([target, this.#expressions.expression()]);
    }
    return { kind: 'with', targets, scope: this.#scope('endwith'), line };
  }

  #macro(line: number): Statement {
    const name = this.#targets.name();
    return { kind: 'macro', name, ...this.#callable('endmacro', true), line };
  }

  #callBlock(line: number): Statement {
    const parameters = this.#stream.isOperator('(') ? this.#targets.parameters() : [];
    const call = this.#expressions.expression();
    if (call.kind !== 'call') this.#stream.fail('expected a call behind call', line);
    return { kind: 'callBlock', call, ...this.#callable('endcall', false, parameters), line };
  }

  /** Parameters and body of a macro, or the body of a call block. */
  #callable(end: string, isMacro: boolean, given: Signature['parameters'] = []) {
    const parameters = isMacro ? this.#hard(() => this.#targets.parameters()) : given;
    const read = new Set<string>();
    this.#expressions.reads.push(read);
    const scope = this.#outsideLoops(() => this.#scope(end));
    this.#expressions.reads.pop();
    const caller = parameters.find(({ name }) => name === 'caller');
    if (caller && caller.default === undefined && read.has('caller')) {
      this.#stream.fail('the parameter caller needs a default');
    }
    const reads = {
      caller: read.has('caller'),
      kwargs: read.has('kwargs') && !parameters.some(({ name }) => name === 'kwargs'),
      varargs: read.has('varargs') && !parameters.some(({ name }) => name === 'varargs'),
    };
    return { signature: { parameters, reads }, scope };
  }

  #filterBlock(line: number): Statement {
    const filter = this.#hard(() => this.#expressions.filters(undefined, true)!);
    return { kind: 'filterBlock', filter, scope: this.#scope('endfilter'), line };
  }

  #block(line: number): Statement {
    const name = this.#stream.expect('name').value;
    if (this.#blocks.has(name)) this.#stream.fail(`the block ${name} is there twice`, line);
    this.#blocks.add(name);
    this.#stream.take('name', 'scoped');
    const scope = this.#outsideLoops(() => this.#scope('endblock'));
    this.#stream.take('name', name);
    return { kind: 'block', scope, line };
  }

  #print(line: number): Statement[] {
    const outputs: Statement[] = [];
    while (!this.#stream.is('endBlock')) {
      if (outputs.length > 0) this.#stream.expect('operator', ',');
      outputs.push({ kind: 'output', expression: this.#expressions.expression(), line });
    }
    return outputs;
  }

  #outsideLoops<T>(read: () => T): T {
    const before = this.#loops;
    this.#loops = 0;
    const result = read();
    this.#loops = before;
    return result;
  }
}
