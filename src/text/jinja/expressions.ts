/** Works out expressions. */
import { attributeOf, itemOf, slice } from './access.ts';
import { binary, negative } from './arithmetic.ts';
import { compareValues } from './comparison.ts';
import { callFilter, callTest } from './environment.ts';
import { TemplateError } from './errors.ts';
import { type Arguments, Callable } from './functions.ts';
import { toList } from './iteration.ts';
import { plainValue } from './marks.ts';
import type { CallArguments, CallNode, Comparison, Expression, FilterNode, SliceNode } from './nodes.ts';
import { str } from './printing.ts';
import type { Run } from './run.ts';
import type { Scope } from './scope.ts';
import { Dict, isTrue, Tuple, textOf, typeName, Undefined, type Value } from './values.ts';

export function evaluate(run: Run, node: Expression, scope: Scope): Value {
  run.budget.step();
  switch (node.kind) {
    case 'constant':
      return node.value;
    case 'name':
      return scope.get(node.name);
    case 'attribute':
      return attributeOf(run, evaluate(run, node.object, scope), node.name);
    case 'item':
      return evaluateItem(run, node, scope);
    case 'filter':
      return applyFilter(run, node, evaluate(run, node.operand!, scope), scope);
    case 'test':
      return callTest(
        run,
        node.name,
        evaluate(run, node.operand, scope),
        evaluateArguments(run, node.arguments, scope),
      );
    case 'call':
      return call(run, node, scope);
    case 'compare':
      return compareAll(run, node.first, node.rest, scope);
    case 'and': {
      const left = evaluate(run, node.left, scope);
      return isTrue(left) ? evaluate(run, node.right, scope) : left;
    }
    case 'or': {
      const left = evaluate(run, node.left, scope);
      return isTrue(left) ? left : evaluate(run, node.right, scope);
    }
    case 'not':
      return !isTrue(evaluate(run, node.operand, scope));
    case 'condition':
      if (isTrue(evaluate(run, node.test, scope))) return evaluate(run, node.value, scope);
      if (node.otherwise) return evaluate(run, node.otherwise, scope);
      return new Undefined('the inline if-expression evaluated to false and no else section was defined');
    case 'binary':
      return binary(run, node.operator, evaluate(run, node.left, scope), evaluate(run, node.right, scope));
    case 'unary':
      return negative(node.operator, evaluate(run, node.operand, scope));
    case 'concat':
      return concat(run, node.parts, scope);
    case 'list':
      return evaluateAll(run, node.items, scope);
    case 'tuple':
      return new Tuple(evaluateAll(run, node.items, scope));
    case 'dict':
      return makeDict(run, node.pairs, scope);
    case 'slice':
      throw new TemplateError('a slice stands alone in its brackets');
  }
}

function evaluateAll(run: Run, nodes: readonly Expression[], scope: Scope): Value[] {
  run.budget.chargeItems(nodes.length);
  return nodes.map((node) => evaluate(run, node, scope));
}

function evaluateItem(
  run: Run,
  { object, index }: { object: Expression; index: Expression },
  scope: Scope,
): Value {
  const value = evaluate(run, object, scope);
  if (index.kind === 'slice') return slice(run, value, bounds(run, index, scope));
  return itemOf(run, value, evaluate(run, index, scope));
}

function bounds(run: Run, { start, stop, step }: SliceNode, scope: Scope) {
  const bound = (node: Expression | undefined) => node && evaluate(run, node, scope);
  return [bound(start), bound(stop), bound(step)] as const;
}

function concat(run: Run, parts: readonly Expression[], scope: Scope): string {
  const texts = parts.map((part) => str(run, evaluate(run, part, scope)));
  run.budget.charge(texts.reduce((sum, text) => sum + text.length, 0));
  return texts.join('');
}

function makeDict(run: Run, pairs: readonly [Expression, Expression][], scope: Scope): Dict {
  run.budget.chargeItems(pairs.length);
  const dict = new Dict();
  for (const [key, value] of pairs) {
    dict.set(plainValue(run, evaluate(run, key, scope)), evaluate(run, value, scope));
  }
  return dict;
}

/** Chained comparisons hold together: each operand is worked out once. */
function compareAll(run: Run, first: Expression, rest: [Comparison, Expression][], scope: Scope): boolean {
  let left = evaluate(run, first, scope);
  for (const [operator, operand] of rest) {
    const right = evaluate(run, operand, scope);
    if (!compareValues(run, operator, left, right)) return false;
    left = right;
  }
  return true;
}

export function applyFilter(run: Run, node: FilterNode, value: Value, scope: Scope): Value {
  return callFilter(run, node.name, value, evaluateArguments(run, node.arguments, scope));
}

/** `caller` is what a call block hands on. */
export function call(run: Run, node: CallNode, scope: Scope, caller?: Value): Value {
  const callee = evaluate(run, node.callee, scope);
  const args = evaluateArguments(run, node.arguments, scope);
  if (caller !== undefined) args.named.set('caller', caller);
  if (callee instanceof Undefined) callee.fail();
  if (callee instanceof Callable) return callee.call(run, args);
  throw new TemplateError(`'${typeName(callee)}' object is not callable`);
}

function evaluateArguments(run: Run, args: CallArguments, scope: Scope): Arguments {
  const positional = args.positional.map((node) => evaluate(run, node, scope));
  const named = new Map<string, Value>();
  for (const [name, node] of args.named) named.set(name, evaluate(run, node, scope));
  if (args.spread) positional.push(...toList(run, evaluate(run, args.spread, scope)));
  if (args.spreadNamed) spreadNamed(evaluate(run, args.spreadNamed, scope), named);
  return { positional, named };
}

function spreadNamed(mapping: Value, named: Map<string, Value>): void {
  if (!(mapping instanceof Dict)) throw new TemplateError('argument after ** must be a mapping');
  for (const [key, value] of mapping.entries()) {
    const name = textOf(key);
    if (name === undefined) throw new TemplateError('keywords must be strings');
    if (named.has(name)) throw new TemplateError(`got multiple values for keyword argument '${name}'`);
    named.set(name, value);
  }
}
