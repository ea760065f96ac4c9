/** Equality, order and membership, as Python has them. */
import { TemplateError } from './errors.ts';
import { iterate, sizeOf } from './iteration.ts';
import { plainValue } from './marks.ts';
import type { Comparison } from './nodes.ts';
import { compare } from './python-text.ts';
import type { Run } from './run.ts';
import {
  Dict,
  DictView,
  Namespace,
  Once,
  Range,
  Tuple,
  textOf,
  typeName,
  Undefined,
  type Value,
} from './values.ts';

/** A bool counts as an integer; undefined for what is no number. */
export function asNumber(value: Value): bigint | number | undefined {
  if (typeof value === 'boolean') return value ? 1n : 0n;
  return typeof value === 'bigint' || typeof value === 'number' ? value : undefined;
}

export function equal(run: Run, left: Value, right: Value): boolean {
  if (left === right) return true;
  const [leftNumber, rightNumber] = [asNumber(left), asNumber(right)];
  if (leftNumber !== undefined || rightNumber !== undefined) {
    // biome-ignore lint/suspicious/noDoubleEquals: an integer equals a float of the same value
    return leftNumber !== undefined && rightNumber !== undefined && leftNumber == rightNumber;
  }
  const [leftText, rightText] = [textOf(left), textOf(right)];
  if (leftText !== undefined || rightText !== undefined) {
    run.budget.charge(Math.min(leftText?.length ?? 0, rightText?.length ?? 0) / 16);
    if (leftText === undefined || rightText === undefined) return false;
    return run.plain(leftText) === run.plain(rightText);
  }
  if (left === null || right === null) return false;
  if (Array.isArray(left)) return Array.isArray(right) && equalItems(run, left, right);
  if (left instanceof Tuple) return right instanceof Tuple && equalItems(run, left.items, right.items);
  if (left instanceof Dict) return right instanceof Dict && equalDicts(run, left, right);
  if (left instanceof Undefined) return right instanceof Undefined;
  if (left instanceof Range) return right instanceof Range && equalRanges(left, right);
  if (left instanceof DictView && right instanceof DictView && left.type !== 'dict_values') {
    return left.type === right.type && contains(run, left, right) && contains(run, right, left);
  }
  return false;
}

function contains(run: Run, outer: DictView, inner: DictView): boolean {
  for (const item of inner.items()) if (!isIn(run, item, outer)) return false;
  return true;
}

function equalItems(run: Run, left: readonly Value[], right: readonly Value[]): boolean {
  if (left.length !== right.length) return false;
  run.budget.chargeItems(left.length);
  return left.every((item, i) => item === right[i] || equal(run, item, right[i]!));
}

function equalDicts(run: Run, left: Dict, right: Dict): boolean {
  if (left.size !== right.size) return false;
  run.budget.chargeItems(left.size);
  for (const [key, value] of left.entries()) {
    const other = right.get(key);
    if (other === undefined || !(value === other || equal(run, value, other))) return false;
  }
  return true;
}

function equalRanges(left: Range, right: Range): boolean {
  if (left.length !== right.length) return false;
  if (left.length === 0) return true;
  return left.start === right.start && (left.length === 1 || left.step === right.step);
}

/** Negative, 0 or positive. Throws TemplateError for values without an order; NaN has none. */
export function order(run: Run, left: Value, right: Value): number {
  if (left instanceof Undefined) left.fail();
  if (right instanceof Undefined) right.fail();
  const [leftNumber, rightNumber] = [asNumber(left), asNumber(right)];
  if (leftNumber !== undefined && rightNumber !== undefined) {
    // biome-ignore lint/suspicious/noDoubleEquals: an integer equals a float of the same value
    if (leftNumber == rightNumber) return 0;
    if (leftNumber < rightNumber) return -1;
    return leftNumber > rightNumber ? 1 : Number.NaN;
  }
  const [leftText, rightText] = [textOf(left), textOf(right)];
  if (leftText !== undefined && rightText !== undefined) {
    run.budget.charge(Math.min(leftText.length, rightText.length) / 16);
    return compare(run.plain(leftText), run.plain(rightText));
  }
  if (Array.isArray(left) && Array.isArray(right)) return orderItems(run, left, right);
  if (left instanceof Tuple && right instanceof Tuple) return orderItems(run, left.items, right.items);
  throw new TemplateError(`${typeName(left)} and ${typeName(right)} have no order`);
}

function orderItems(run: Run, left: readonly Value[], right: readonly Value[]): number {
  const length = Math.min(left.length, right.length);
  for (let i = 0; i < length; ++i) {
    run.budget.chargeItems(1);
    const [a, b] = [left[i]!, right[i]!];
    if (a !== b && !equal(run, a, b)) return order(run, a, b);
  }
  return left.length - right.length;
}

/** `item in container`. */
export function isIn(run: Run, item: Value, container: Value): boolean {
  const text = textOf(container);
  if (text !== undefined) {
    const part = textOf(item);
    if (item instanceof Undefined || part === undefined) {
      throw new TemplateError(`'in <string>' requires string as left operand, not ${typeName(item)}`);
    }
    run.budget.charge(text.length / 4);
    return run.plain(text).includes(run.plain(part));
  }
  if (container instanceof Dict) return container.has(plainValue(run, item));
  if (container instanceof DictView && container.type === 'dict_keys')
    return container.dict.has(plainValue(run, item));
  if (container instanceof Namespace) throw new TemplateError("'Namespace' object is not iterable");
  if (sizeOf(container) === undefined && !(container instanceof Once)) {
    throw new TemplateError(`argument of type '${typeName(container)}' is not iterable`);
  }
  for (const other of iterate(run, container)) if (other === item || equal(run, item, other)) return true;
  return false;
}

export function compareValues(run: Run, operator: Comparison, left: Value, right: Value): boolean {
  switch (operator) {
    case '==':
      return equal(run, left, right);
    case '!=':
      return !equal(run, left, right);
    case 'in':
      return isIn(run, left, right);
    case 'not in':
      return !isIn(run, left, right);
    case '<':
      return order(run, left, right) < 0;
    case '<=':
      return order(run, left, right) <= 0;
    case '>':
      return order(run, left, right) > 0;
    case '>=':
      return order(run, left, right) >= 0;
  }
}

/** Sorts as Python does: equal items keep their order, backwards too. Throws as order. */
export function sortBy<T>(run: Run, items: readonly T[], key: (item: T) => Value, reverse: boolean): T[] {
  const sign = reverse ? -1 : 1;
  return items
    .map((item) => ({ item, key: key(item) }))
    .sort((a, b) => sign * order(run, a.key, b.key))
    .map(({ item }) => item);
}
