/** Python's operators on numbers, texts and lists. */
import { asNumber } from './comparison.ts';
import { TemplateError } from './errors.ts';
import type { BinaryOperator } from './nodes.ts';
import { formatPercent } from './percent-format.ts';
import { escapeHtml } from './printing.ts';
import { length } from './python-text.ts';
import type { Run } from './run.ts';
import { Markup, Tuple, textOf, typeName, Undefined, type Value } from './values.ts';

export function binary(run: Run, operator: BinaryOperator, left: Value, right: Value): Value {
  if (left instanceof Undefined) left.fail();
  if (operator === '%' && textOf(left) !== undefined) return formatPercent(run, left, right);
  if (right instanceof Undefined) right.fail();
  const [a, b] = [asNumber(left), asNumber(right)];
  if (a !== undefined && b !== undefined) return calculate(run, operator, a, b);
  const result =
    operator === '+' ? join(run, left, right) : operator === '*' ? repeat(run, left, right) : undefined;
  if (result !== undefined) return result;
  throw new TemplateError(
    `the operator ${operator} cannot be applied to ${typeName(left)} and ${typeName(right)}`,
  );
}

function calculate(run: Run, operator: BinaryOperator, a: bigint | number, b: bigint | number): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') return integers(run, operator, a, b);
  return floats(operator, toFloat(a), toFloat(b));
}

/** Throws TemplateError for an integer beyond all floats. */
export function toFloat(value: bigint | number): number {
  const number = Number(value);
  if (typeof value === 'bigint' && !Number.isFinite(number)) {
    throw new TemplateError('int too large to convert to float');
  }
  return number;
}

function integers(run: Run, operator: BinaryOperator, a: bigint, b: bigint): Value {
  if (b === 0n && (operator === '/' || operator === '//' || operator === '%')) throw divisionByZero();
  switch (operator) {
    case '+':
      return run.budget.integer(a + b);
    case '-':
      return run.budget.integer(a - b);
    case '*':
      return run.budget.integer(a * b);
    case '/':
      return quotient(a, b);
    case '//':
      return (a - modulo(a, b)) / b;
    case '%':
      return modulo(a, b);
    case '**':
      return power(run, a, b);
  }
}

/** The remainder has the divisor's sign. */
function modulo(a: bigint, b: bigint): bigint {
  const rest = a % b;
  return rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest;
}

/** The float nearest to the quotient of two integers. */
function quotient(a: bigint, b: bigint): number {
  const limit = 2n ** 53n;
  const small = (n: bigint) => n <= limit && n >= -limit;
  if (small(a) && small(b)) return Number(a) / Number(b);
  const [size, divisor] = [a < 0n ? -a : a, b < 0n ? -b : b];
  // 66 bits of the quotient, the last of them set where more would follow.
  const shift = BigInt(divisor.toString(2).length - size.toString(2).length + 66);
  const [top, bottom] = shift >= 0n ? [size << shift, divisor] : [size, divisor << -shift];
  const bits = (top / bottom) | (top % bottom === 0n ? 0n : 1n);
  const value = Number(bits) * 2 ** Number(-shift);
  if (!Number.isFinite(value)) throw new TemplateError('integer division result too large for a float');
  return a < 0n === b < 0n ? value : -value;
}

function power(run: Run, a: bigint, b: bigint): Value {
  if (b < 0n) return floats('**', toFloat(a), toFloat(b));
  const bits = a.toString(2).length;
  if (a !== 0n && a !== 1n && a !== -1n && (b > 2n ** 20n || bits * Number(b) > 2 ** 16)) {
    run.budget.integer(2n ** 20000n);
  }
  return run.budget.integer(a ** b);
}

function floats(operator: BinaryOperator, a: number, b: number): Value {
  if (b === 0 && (operator === '/' || operator === '//' || operator === '%')) throw divisionByZero();
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '//':
      return floorDivision(a, b);
    case '%':
      return floatModulo(a, b);
    case '**':
      return floatPower(a, b);
  }
}

function floatModulo(a: number, b: number): number {
  const rest = a % b;
  if (rest === 0) return b < 0 ? -0 : 0;
  return rest < 0 !== b < 0 ? rest + b : rest;
}

function floorDivision(a: number, b: number): number {
  let rest = a % b;
  let whole = (a - rest) / b;
  if (rest !== 0 && rest < 0 !== b < 0) {
    rest += b;
    whole -= 1;
  }
  if (whole === 0) return a / b < 0 || Object.is(a / b, -0) ? -0 : 0;
  const floor = Math.floor(whole);
  return whole - floor > 0.5 ? floor + 1 : floor;
}

function floatPower(a: number, b: number): number {
  if (a === 0 && b < 0) throw new TemplateError('0.0 cannot be raised to a negative power');
  // JavaScript has no number for these; Python has.
  if (a === 1 || b === 0 || (a === -1 && !Number.isFinite(b) && !Number.isNaN(b))) return 1;
  const value = a ** b;
  if (Number.isNaN(value) && !Number.isNaN(a) && !Number.isNaN(b)) {
    throw new TemplateError('complex numbers are not supported');
  }
  if (!Number.isFinite(value) && Number.isFinite(a) && Number.isFinite(b)) {
    throw new TemplateError('the result is too large');
  }
  return value;
}

function divisionByZero(): TemplateError {
  return new TemplateError('division by zero');
}

function join(run: Run, left: Value, right: Value): Value | undefined {
  const [a, b] = [textOf(left), textOf(right)];
  if (a !== undefined && b !== undefined) {
    run.budget.charge(a.length + b.length);
    if (typeof left === 'string' && typeof right === 'string') return a + b;
    return new Markup(escapeHtml(run, left) + escapeHtml(run, right));
  }
  if (Array.isArray(left) && Array.isArray(right)) {
    run.budget.chargeItems(left.length + right.length);
    return [...left, ...right];
  }
  if (left instanceof Tuple && right instanceof Tuple) {
    run.budget.chargeItems(left.items.length + right.items.length);
    return new Tuple([...left.items, ...right.items]);
  }
  return undefined;
}

function repeat(run: Run, left: Value, right: Value): Value | undefined {
  const [count, sequence] =
    typeof left === 'bigint' || typeof left === 'boolean' ? [left, right] : [right, left];
  if (typeof count !== 'bigint' && typeof count !== 'boolean') return undefined;
  const times = Math.max(0, Number(count));
  const text = textOf(sequence);
  if (text !== undefined) {
    run.budget.charge(length(text) * times);
    const repeated = text === '' ? '' : text.repeat(times);
    return sequence instanceof Markup ? new Markup(repeated) : repeated;
  }
  const items = sequence instanceof Tuple ? sequence.items : sequence;
  if (!Array.isArray(items)) return undefined;
  run.budget.chargeItems(items.length * times);
  const repeated = items.length === 0 ? [] : Array.from({ length: times }, () => items).flat();
  return sequence instanceof Tuple ? new Tuple(repeated) : repeated;
}

export function negative(operator: '+' | '-', value: Value): Value {
  if (value instanceof Undefined) value.fail();
  const number = asNumber(value);
  if (number === undefined) {
    throw new TemplateError(`the operator ${operator} cannot be applied to ${typeName(value)}`);
  }
  return operator === '-' ? -number : number;
}
