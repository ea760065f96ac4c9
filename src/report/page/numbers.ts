/** Numbers as the charts write them, short enough for an axis. */

const sizes: readonly (readonly [from: number, unit: number, letter: string])[] = [
  [1e12, 1e12, 'T'],
  [1e9, 1e9, 'B'],
  [1e6, 1e6, 'M'],
  [1e4, 1e3, 'k'],
];

/** 0.0513, 2.345, 1,234, 12.3k, 4.56M, 3.1e-5 */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e15)) {
    return value.toExponential(2).replace(/\.?0+e/, 'e');
  }
  const scale = sizes.find(([from]) => size >= from);
  if (scale) return trimmed((value / scale[1]).toFixed(2)) + scale[2];
  return size >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(4)));
}

/** The labels of an axis, all in one unit and with equally many digits after the point. */
export function axisLabels(values: readonly number[]): string[] {
  const largest = Math.max(0, ...values.map(Math.abs));
  if (largest < 1e-3 || largest >= 1e15) return values.map(shortNumber);
  const [, unit, letter] = sizes.find(([from]) => largest >= from) ?? [0, 1, ''];
  const scaled = values.map((value) => value / unit);
  const digits = [0, 1, 2, 3, 4, 5, 6].find((count) => scaled.every((value) => isExact(value, count))) ?? 6;
  return scaled.map((value) => (value === 0 ? '0' : grouped(value, digits) + letter));
}

/** Whether so many digits after the point write a value, but for the error of its arithmetic. */
function isExact(value: number, digits: number): boolean {
  return Math.abs(value - Number(value.toFixed(digits))) < 1e-9 * Math.max(1, Math.abs(value));
}

function grouped(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** 12.5 s, 1:05 min, 2:30 h */
export function clock(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  if (seconds < 60) return `${trimmed(seconds.toFixed(1))} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}:${two(whole % 60)} min`;
  return `${Math.floor(whole / 3600)}:${two(Math.floor((whole % 3600) / 60))} h`;
}

/** Without zeros at the end of a fraction. */
function trimmed(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/**
 * Ticks at even ratios for a logarithmic axis: powers of ten alone would leave a loss between 2 and
 * 9 without any.
 */
export function logTicks(min: number, max: number): number[] {
  const count = 6;
  const ticks = Array.from({ length: count + 1 }, (_, i) =>
    Number((min * (max / min) ** (i / count)).toPrecision(2)),
  );
  return [...new Set(ticks)].filter((tick) => tick >= min && tick <= max);
}
