/** Carries out statements. */
import { equal } from './comparison.ts';
import { TemplateError } from './errors.ts';
import { applyFilter, call, evaluate } from './expressions.ts';
import { iterate, sizeOf, toList } from './iteration.ts';
import { LoopContext } from './loop-context.ts';
import { Macro } from './macro.ts';
import type { ForNode, Scoped, Signature, Statement, Target } from './nodes.ts';
import { str } from './printing.ts';
import type { Run } from './run.ts';
import { Scope } from './scope.ts';
import { isTrue, Namespace, type Value } from './values.ts';

/** How a body ended: at its end, or at a loop control, which keeps what was written. */
type Ending = 'end' | 'break' | 'continue';

export function execute(run: Run, body: readonly Statement[], scope: Scope): Ending {
  for (const node of body) {
    run.budget.step();
    run.line = node.line;
    const ending = carryOut(run, node, scope);
    if (ending !== 'end') return ending;
  }
  return 'end';
}

function carryOut(run: Run, node: Statement, scope: Scope): Ending {
  switch (node.kind) {
    case 'text':
      run.write(node.text);
      return 'end';
    case 'output':
      run.write(str(run, evaluate(run, node.expression, scope)));
      return 'end';
    case 'if': {
      for (const [test, body] of node.branches) {
        if (isTrue(evaluate(run, test, scope))) return execute(run, body, scope);
      }
      return execute(run, node.otherwise, scope);
    }
    case 'for':
      return executeFor(run, node, scope);
    case 'set':
      assign(run, node.target, evaluate(run, node.value, scope), scope);
      return 'end';
    case 'setBlock':
      return captureBody(run, node.scope, scope, (text, inner) => {
        const value = node.filter ? filtered(run, node.filter, text, inner) : text;
        assign(run, node.target, value, scope);
      });
    case 'filterBlock':
      return captureBody(run, node.scope, scope, (text, inner) => {
        run.write(str(run, filtered(run, node.filter, text, inner)));
      });
    case 'with': {
      const inner = new Scope(run, scope, node.scope.names);
      for (const [target, value] of node.targets) assign(run, target, evaluate(run, value, scope), inner);
      return execute(run, node.scope.body, inner);
    }
    case 'macro':
      assign(run, node, makeMacro(run, node.name, node.signature, node.scope, scope), scope);
      return 'end';
    case 'callBlock': {
      const caller = makeMacro(run, undefined, node.signature, node.scope, scope);
      run.write(str(run, call(run, node.call, scope, caller)));
      return 'end';
    }
    case 'generation':
      return run.generation(() => execute(run, node.scope.body, new Scope(run, scope, node.scope.names)));
    case 'block':
      return execute(run, node.scope.body, new Scope(run, undefined, node.scope.names));
    case 'break':
    case 'continue':
      return node.kind;
  }
}

function captureBody(
  run: Run,
  body: Scoped,
  outer: Scope,
  use: (text: string, inner: Scope) => void,
): Ending {
  const inner = new Scope(run, outer, body.names);
  const { text, result } = run.capture(() => execute(run, body.body, inner));
  if (result === 'end') use(text, inner);
  return result;
}

/** Filters of a block, the first of them innermost. */
function filtered(
  run: Run,
  filter: Extract<Statement, { kind: 'filterBlock' }>['filter'],
  text: string,
  scope: Scope,
): Value {
  const operand = filter.operand?.kind === 'filter' ? filtered(run, filter.operand, text, scope) : text;
  return applyFilter(run, filter, operand, scope);
}

type Assigned = Target | Extract<Statement, { kind: 'macro' }>;

function assign(run: Run, target: Assigned, value: Value, scope: Scope): void {
  if (target.kind === 'tuple') {
    const values = toList(run, value);
    if (values.length !== target.items.length) {
      throw new TemplateError(`cannot unpack ${values.length} values to ${target.items.length} names`);
    }
    target.items.forEach((item, i) => {
      assign(run, item, values[i]!, scope);
    });
  } else if (target.kind === 'namespace') {
    const namespace = scope.get(target.name);
    if (!(namespace instanceof Namespace)) {
      throw new TemplateError('cannot assign attribute on non-namespace object');
    }
    namespace.values.set(target.attribute, value);
  } else {
    scope.set(target.name, value);
    if (scope.outer === undefined) run.exported.set(target.name, value);
  }
}

function makeMacro(
  run: Run,
  name: string | undefined,
  signature: Signature,
  { body, names }: Scoped,
  outer: Scope,
): Macro {
  return new Macro(name, signature, (given) => {
    const scope = new Scope(run, outer, names);
    for (const [key, value] of given) scope.set(key, value);
    for (const { name: parameter, default: byDefault } of signature.parameters) {
      if (byDefault && scope.peek(parameter) === undefined) {
        scope.set(parameter, evaluate(run, byDefault, scope));
      }
    }
    return run.capture(() => execute(run, body, scope)).text;
  });
}

function executeFor(run: Run, node: ForNode, scope: Scope): Ending {
  const items = evaluate(run, node.iterable, scope);
  if (!node.recursive) return loop(run, node, scope, items, 0);
  run.write(renderLoop(run, node, scope, items, 0));
  return 'end';
}

/** A recursive loop as a function of what it goes through. */
function renderLoop(run: Run, node: ForNode, scope: Scope, items: Value, depth: number): string {
  run.budget.enter();
  const { text } = run.capture(() => loop(run, node, scope, items, depth));
  run.budget.leave();
  return text;
}

function loop(run: Run, node: ForNode, outer: Scope, items: Value, depth: number): Ending {
  const context = new LoopContext({
    items: node.test ? selected(run, node, outer, items) : iterate(run, items),
    length: node.test ? undefined : sizeOf(items),
    depth,
    equal: (left, right) => equal(run, left, right),
    recurse: node.recursive ? (inner, level) => renderLoop(run, node, outer, inner, level) : undefined,
  });
  let ran = false;
  for (let next = context.next(); next; next = context.next()) {
    run.budget.step();
    const scope = new Scope(run, outer, node.scope.names);
    scope.set('loop', context);
    assign(run, node.target, next.item, scope);
    const ending = run.round(next.item, () => execute(run, node.scope.body, scope));
    // A loop that was gone on with or left in its first round counts as one that never ran.
    if (ending === 'break') break;
    if (ending === 'end') ran = true;
  }
  if (ran || node.otherwise.body.length === 0) return 'end';
  return execute(run, node.otherwise.body, new Scope(run, outer, node.otherwise.names));
}

/** Items of a loop for which its test holds. */
function* selected(run: Run, node: ForNode, outer: Scope, items: Value): Generator<Value> {
  const scope = new Scope(run, outer, node.testNames);
  for (const item of iterate(run, items)) {
    assign(run, node.target, item, scope);
    if (isTrue(evaluate(run, node.test!, scope))) yield item;
  }
}
