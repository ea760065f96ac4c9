/**
 * Finds for each scope of a template where its names have their values from. A name that a scope
 * only reads is an outer scope's, or the context's. One that it sets begins with the value that it
 * has outside, and is the scope's own from then on. Jinja2 decides this before it renders, so a
 * name that the outermost scope sets hides the context's even in a loop that comes before.
 */
import type { CallArguments, Expression, Origin, Scoped, Signature, Statement, Target } from './nodes.ts';

/** Fills in `names` of this scope and of those inside it. */
export function bindNames(root: Scoped): void {
  bindScope(root, new Names(undefined));
}

function bindScope(scope: Scoped, names: Names): void {
  names.statements(scope.body);
  scope.names = names.origins;
  bindInside(scope.body, names);
}

class Names {
  origins = new Map<string, Origin>();
  #stored = new Set<string>();
  readonly #outer: Names | undefined;

  constructor(outer: Names | undefined) {
    this.#outer = outer;
  }

  #has(name: string): boolean {
    return this.origins.has(name) || this.#isOutside(name);
  }

  #isOutside(name: string): boolean {
    return this.#outer ? this.#outer.#has(name) : false;
  }

  #load(name: string): void {
    if (!this.#has(name)) this.origins.set(name, 'context');
  }

  #store(name: string): void {
    this.#stored.add(name);
    if (this.origins.has(name)) return;
    this.origins.set(name, this.#isOutside(name) ? 'outer' : 'undefined');
  }

  declare(name: string): void {
    this.#stored.add(name);
    this.origins.set(name, 'parameter');
  }

  declareTarget(target: Target): void {
    if (target.kind === 'tuple') for (const item of target.items) this.declareTarget(item);
    else this.declare(target.name);
  }

  declareParameters({ parameters, reads }: Signature): void {
    for (const { name } of parameters) this.declare(name);
    for (const { default: value } of parameters) this.expression(value);
    if (reads.caller) this.declare('caller');
    if (reads.kwargs) this.declare('kwargs');
    if (reads.varargs) this.declare('varargs');
  }

  statements(body: readonly Statement[]): void {
    for (const statement of body) this.#statement(statement);
  }

  #statement(node: Statement): void {
    switch (node.kind) {
      case 'output':
        this.expression(node.expression);
        break;
      case 'if':
        this.#branches(node.branches, node.otherwise);
        break;
      case 'for':
        this.expression(node.iterable);
        break;
      case 'set':
        this.expression(node.value);
        this.#target(node.target);
        break;
      case 'setBlock':
        this.#target(node.target);
        break;
      case 'with':
        for (const [, value] of node.targets) this.expression(value);
        break;
      case 'macro':
        this.#store(node.name);
        break;
      case 'callBlock':
        this.expression(node.call);
        break;
      case 'filterBlock':
        this.expression(node.filter);
        break;
    }
  }

  #target(target: Target): void {
    if (target.kind === 'tuple') for (const item of target.items) this.#target(item);
    else if (target.kind === 'namespace') this.#load(target.name);
    else this.#store(target.name);
  }

  /** Branches share the scope around them; what only some of them set may be the context's. */
  #branches(branches: [Expression, Statement[]][], otherwise: Statement[]): void {
    this.expression(branches[0]![0]);
    const copies = [
      this.#copy((copy) => copy.statements(branches[0]![1])),
      this.#copy((copy) => {
        for (const [test, body] of branches.slice(1)) copy.#branches([[test, body]], []);
      }),
      this.#copy((copy) => copy.statements(otherwise)),
    ];
    const stored = new Set(copies.flatMap((copy) => [...copy.#stored]));
    for (const name of this.#stored) stored.delete(name);
    for (const copy of copies) {
      for (const [name, origin] of copy.origins) this.origins.set(name, origin);
      for (const name of copy.#stored) this.#stored.add(name);
    }
    for (const name of stored) this.origins.set(name, this.#isOutside(name) ? 'outer' : 'context');
  }

  #copy(visit: (copy: Names) => void): Names {
    const copy = new Names(this.#outer);
    copy.origins = new Map(this.origins);
    copy.#stored = new Set(this.#stored);
    visit(copy);
    return copy;
  }

  expression(node: Expression | undefined): void {
    if (node === undefined) return;
    if (node.kind === 'name') this.#load(node.name);
    else for (const child of children(node)) this.expression(child);
  }
}

function children(node: Expression): (Expression | undefined)[] {
  switch (node.kind) {
    case 'list':
    case 'tuple':
      return node.items;
    case 'dict':
      return node.pairs.flat();
    case 'condition':
      return [node.test, node.value, node.otherwise];
    case 'and':
    case 'or':
    case 'binary':
      return [node.left, node.right];
    case 'not':
    case 'unary':
      return [node.operand];
    case 'compare':
      return [node.first, ...node.rest.map(([, operand]) => operand)];
    case 'concat':
      return node.parts;
    case 'filter':
    case 'test':
      return [node.operand, ...argumentsOf(node.arguments)];
    case 'call':
      return [node.callee, ...argumentsOf(node.arguments)];
    case 'attribute':
      return [node.object];
    case 'item':
      return [node.object, node.index];
    case 'slice':
      return [node.start, node.stop, node.step];
    default:
      return [];
  }
}

function argumentsOf({ positional, named, spread, spreadNamed }: CallArguments) {
  return [...positional, ...named.map(([, value]) => value), spread, spreadNamed];
}

/** Binds the scopes that these statements open. */
function bindInside(body: readonly Statement[], outer: Names): void {
  const bind = (scope: Scoped, declare: (names: Names) => void) => {
    const names = new Names(outer);
    declare(names);
    bindScope(scope, names);
  };
  for (const node of body) {
    switch (node.kind) {
      case 'if':
        for (const [, branch] of node.branches) bindInside(branch, outer);
        bindInside(node.otherwise, outer);
        break;
      case 'for':
        bindFor(node, outer, bind);
        break;
      case 'setBlock':
        bind(node.scope, (names) => names.expression(node.filter));
        break;
      case 'with':
        bind(node.scope, (names) => {
          for (const [target] of node.targets) names.declareTarget(target);
        });
        break;
      case 'macro':
      case 'callBlock':
        bind(node.scope, (names) => names.declareParameters(node.signature));
        break;
      case 'filterBlock':
        bind(node.scope, (names) => names.expression(node.filter));
        break;
      case 'generation':
        bind(node.scope, () => {});
        break;
      case 'block':
        bindScope(node.scope, new Names(undefined));
        break;
    }
  }
}

function bindFor(
  node: Extract<Statement, { kind: 'for' }>,
  outer: Names,
  bind: (scope: Scoped, declare: (names: Names) => void) => void,
): void {
  bind(node.scope, (names) => {
    names.declare('loop');
    names.declareTarget(node.target);
  });
  bind(node.otherwise, () => {});
  const test = new Names(outer);
  test.declareTarget(node.target);
  test.expression(node.test);
  node.testNames = test.origins;
}
