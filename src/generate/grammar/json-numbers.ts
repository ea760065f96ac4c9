/**
 * Numbers of JSON as automata. They have a bounded number of digits: a number is exact as a double,
 * and a model cannot write digits without end.
 */
import { automaton, type Budget, type Edge, type Node } from './terminal.ts';

/** Which numbers are meant. */
export interface NumberRange {
  isInteger: boolean;
  least?: number | undefined;
  most?: number | undefined;
  /** Whether the ends themselves do not belong to the range. */
  isAboveLeast?: boolean;
  isBelowMost?: boolean;
  /** Integers only: the number is a multiple of this one. */
  multipleOf?: number | undefined;
}

/** Decimals of so many digits are all different as doubles. */
const MAX_DIGITS = 15;
/** Of numbers without bounds: the digits of an exponent. */
const MAX_EXPONENT_DIGITS = 2;

const ZERO = 0x30;
const NINE = 0x39;
const DOT = 0x2e;
const MINUS = 0x2d;

/** The first state of the numbers of a range; undefined when none can be written. */
export function numbers(range: NumberRange, budget: Budget): Node | undefined {
  const { least, most, isInteger, multipleOf } = range;
  const isFree = least === undefined && most === undefined && multipleOf === undefined;
  return isFree ? freeNumbers(isInteger, budget) : boundedNumbers(range, budget);
}

type FreePhase = 'start' | 'minus' | 'zero' | 'whole' | 'dot' | 'fraction' | 'e' | 'sign' | 'exponent';

function freeNumbers(isInteger: boolean, budget: Budget): Node | undefined {
  interface Place {
    phase: FreePhase;
    /** Digits of this part so far. */
    digits: number;
  }
  const place = (phase: FreePhase, digits = 0): Place => ({ phase, digits });
  function* edges({ phase, digits }: Place): Iterable<Edge<Place>> {
    const isWhole = phase === 'zero' || phase === 'whole';
    if (phase === 'start') yield [MINUS, MINUS, place('minus')];
    if (phase === 'start' || phase === 'minus') {
      yield [ZERO, ZERO, place('zero')];
      yield [ZERO + 1, NINE, place('whole', 1)];
    }
    const most = phase === 'exponent' ? MAX_EXPONENT_DIGITS : MAX_DIGITS;
    if ((phase === 'whole' || phase === 'fraction' || phase === 'exponent') && digits < most) {
      yield [ZERO, NINE, place(phase, digits + 1)];
    }
    if (isInteger) return;
    if (isWhole) yield [DOT, DOT, place('dot')];
    if (phase === 'dot') yield [ZERO, NINE, place('fraction', 1)];
    if (isWhole || phase === 'fraction') for (const e of [0x45, 0x65]) yield [e, e, place('e')];
    if (phase === 'e') for (const sign of [0x2b, MINUS]) yield [sign, sign, place('sign')];
    if (phase === 'e' || phase === 'sign') yield [ZERO, NINE, place('exponent', 1)];
  }
  const ends: readonly FreePhase[] = ['zero', 'whole', 'fraction', 'exponent'];
  return automaton<Place>(
    {
      start: place('start'),
      key: ({ phase, digits }) => `${phase}${digits}`,
      accepts: ({ phase }) => ends.includes(phase),
      edges,
    },
    budget,
  );
}

/** A bound as decimal digits. */
interface Bound {
  whole: string;
  fraction: string;
  isExclusive: boolean;
}

/** The sizes of numbers of one sign. */
interface Sizes {
  least: Bound | undefined;
  most: Bound | undefined;
}

/** How the digits so far compare with the first digits of a bound. */
type Order = -1 | 0 | 1;

interface DigitPlace {
  /** Undefined before the first byte. */
  sizes: Sizes | undefined;
  phase: 'start' | 'minus' | 'zero' | 'whole' | 'dot' | 'fraction';
  /** Digits before and after the dot. */
  whole: number;
  fraction: number;
  least: Order;
  most: Order;
  remainder: number;
}

function boundedNumbers(range: NumberRange, budget: Budget): Node | undefined {
  const { isInteger, least, most, isAboveLeast = false, isBelowMost = false, multipleOf = 1 } = range;
  // A number -m is at least `least` when m is at most -least.
  const bound = (value: number | undefined, isExclusive: boolean) =>
    value === undefined || value < 0 ? undefined : boundOf(value, isExclusive);
  const negated = (value: number | undefined) => (value === undefined ? undefined : -value);
  const positive =
    most !== undefined && most < 0
      ? undefined
      : { least: bound(least, isAboveLeast), most: bound(most, isBelowMost) };
  const negative =
    least !== undefined && least > 0
      ? undefined
      : { least: bound(negated(most), isBelowMost), most: bound(negated(least), isAboveLeast) };
  const keys = new Map([
    [positive, '+'],
    [negative, '-'],
  ]);
  const first: DigitPlace = {
    ...{ sizes: undefined, phase: 'start', whole: 0, fraction: 0 },
    ...{ least: 0, most: 0, remainder: 0 },
  };
  function* edges(place: DigitPlace): Iterable<Edge<DigitPlace>> {
    const { phase, whole, fraction } = place;
    if (phase === 'start' && negative) yield [MINUS, MINUS, { ...place, sizes: negative, phase: 'minus' }];
    if (phase === 'start' || phase === 'minus') {
      const sizes = phase === 'start' ? positive : negative;
      if (!sizes) return;
      for (let digit = 0; digit <= 9; ++digit) {
        const begun: DigitPlace = { ...place, sizes, phase: digit === 0 ? 'zero' : 'whole' };
        yield [ZERO + digit, ZERO + digit, wholeDigit(begun, digit, multipleOf)];
      }
      return;
    }
    const hasRoom = whole + fraction < MAX_DIGITS;
    if (hasRoom && phase === 'whole') {
      for (let digit = 0; digit <= 9; ++digit) {
        yield [ZERO + digit, ZERO + digit, wholeDigit(place, digit, multipleOf)];
      }
    }
    if (isInteger || !hasRoom) return;
    if (phase === 'zero' || phase === 'whole') yield [DOT, DOT, afterWhole(place)];
    if (phase === 'dot' || phase === 'fraction') {
      for (let digit = 0; digit <= 9; ++digit) {
        yield [ZERO + digit, ZERO + digit, fractionDigit(place, digit)];
      }
    }
  }
  return automaton<DigitPlace>(
    {
      start: first,
      key: ({ sizes, phase, whole, fraction, least: low, most: high, remainder }) =>
        `${keys.get(sizes) ?? ''} ${phase} ${whole} ${fraction} ${low} ${high} ${remainder}`,
      accepts: isInRange,
      edges,
    },
    budget,
  );
}

function wholeDigit(place: DigitPlace, digit: number, multipleOf: number): DigitPlace {
  const { sizes, whole, least, most, remainder } = place;
  const compared = (order: Order, bound: Bound | undefined) =>
    order === 0 && bound ? compare(digit, bound.whole[whole]) : order;
  return {
    ...place,
    whole: whole + 1,
    least: compared(least, sizes!.least),
    most: compared(most, sizes!.most),
    remainder: (remainder * 10 + digit) % multipleOf,
  };
}

/** Once all digits before the dot are known, their number counts before their values. */
function afterWhole(place: DigitPlace): DigitPlace {
  const { sizes, whole, least, most } = place;
  const compared = (order: Order, bound: Bound | undefined): Order => {
    if (!bound) return order;
    const by = Math.sign(whole - bound.whole.length) as Order;
    return by === 0 ? order : by;
  };
  return {
    ...place,
    phase: 'dot',
    least: compared(least, sizes!.least),
    most: compared(most, sizes!.most),
  };
}

function fractionDigit(place: DigitPlace, digit: number): DigitPlace {
  const { sizes, fraction, least, most } = place;
  const compared = (order: Order, bound: Bound | undefined) =>
    order === 0 && bound ? compare(digit, bound.fraction[fraction] ?? '0') : order;
  return {
    ...place,
    phase: 'fraction',
    fraction: fraction + 1,
    least: compared(least, sizes!.least),
    most: compared(most, sizes!.most),
  };
}

function compare(digit: number, other: string | undefined): Order {
  // A number with more digits than the bound is larger, which afterWhole() says.
  return other === undefined ? 0 : (Math.sign(digit - Number(other)) as Order);
}

function isInRange(place: DigitPlace): boolean {
  const { phase, sizes, remainder } = place;
  if (phase !== 'zero' && phase !== 'whole' && phase !== 'fraction') return false;
  if (remainder !== 0) return false;
  const { fraction, least, most } = phase === 'fraction' ? place : afterWhole(place);
  const final = (order: Order, bound: Bound): Order =>
    order === 0 && bound.fraction.length > fraction ? -1 : order;
  const { least: low, most: high } = sizes!;
  if (low) {
    const order = final(least, low);
    if (order < 0 || (order === 0 && low.isExclusive)) return false;
  }
  if (high) {
    const order = final(most, high);
    if (order > 0 || (order === 0 && high.isExclusive)) return false;
  }
  return true;
}

/** The digits of a number of at least 0, without an exponent. */
function boundOf(value: number, isExclusive: boolean): Bound {
  const [digits, exponent = '0'] = String(value).split('e');
  const [whole = '', fraction = ''] = digits!.split('.');
  const shift = Number(exponent);
  const all = whole + fraction;
  const point = whole.length + shift;
  const padded = point <= 0 ? '0'.repeat(1 - point) + all : all.padEnd(point, '0');
  const at = Math.max(1, point);
  return {
    whole: padded.slice(0, at).replace(/^0+(?=.)/, ''),
    fraction: padded.slice(at).replace(/0+$/, ''),
    isExclusive,
  };
}
