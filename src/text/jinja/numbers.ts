/** Numbers as Python prints and rounds them. */

/** Python's repr(float): the shortest digits that give the number back. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (Object.is(value, -0)) return '-0.0';
  const [mantissa, power] = value.toExponential().split('e') as [string, string];
  const exponent = Number(power);
  if (value !== 0 && (exponent < -4 || exponent >= 16)) return `${mantissa}e${exponentText(exponent)}`;
  const text = exponent >= 16 ? value.toFixed(0) : plain(mantissa, exponent);
  return text.includes('.') ? text : `${text}.0`;
}

/** An exponent with its sign and two digits at least. */
export function exponentText(exponent: number): string {
  return `${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

/** Digits with a point moved by an exponent. */
function plain(mantissa: string, exponent: number): string {
  const sign = mantissa.startsWith('-') ? '-' : '';
  const digits = mantissa.replace(/[-.]/g, '');
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  const rest = digits.slice(exponent + 1);
  return `${sign}${whole}${rest === '' ? '' : `.${rest}`}`;
}

/** A finite float as a fraction of integers. */
function fraction(value: number): [bigint, bigint] {
  let denominator = 1n;
  let scaled = value;
  while (!Number.isInteger(scaled)) {
    scaled *= 2;
    denominator *= 2n;
  }
  return [BigInt(scaled), denominator];
}

/** The nearest integer to a fraction, the even one of two. */
function nearest(numerator: bigint, denominator: bigint): bigint {
  const [sign, size] = numerator < 0n ? [-1n, -numerator] : [1n, numerator];
  const whole = size / denominator;
  const twice = (size % denominator) * 2n;
  const up = twice > denominator || (twice === denominator && whole % 2n === 1n);
  return sign * (up ? whole + 1n : whole);
}

/** A float with so many decimals, rounded from its exact value; `%.2f`. */
export function fixed(value: number, decimals: number): string {
  // No float has more decimals than these.
  const kept = Math.min(decimals, 1100);
  const [numerator, denominator] = fraction(Math.abs(value));
  const digits = nearest(numerator * 10n ** BigInt(kept), denominator)
    .toString()
    .padStart(kept + 1, '0');
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const whole = digits.slice(0, digits.length - kept);
  if (decimals === 0) return sign + whole;
  return `${sign}${whole}.${digits.slice(digits.length - kept).padEnd(decimals, '0')}`;
}

/** A float as digits and an exponent, with so many decimals; `%.2e`. */
export function scientific(value: number, decimals: number): [mantissa: string, exponent: number] {
  if (value === 0) return [fixed(value, decimals), 0];
  const size = Math.abs(value);
  let exponent = Number(size.toExponential().split('e')[1]);
  const [numerator, denominator] = fraction(size);
  const digitsAt = (power: number) => {
    const shift = decimals - power;
    const scale = 10n ** BigInt(Math.abs(shift));
    return shift >= 0 ? nearest(numerator * scale, denominator) : nearest(numerator, denominator * scale);
  };
  let digits = digitsAt(exponent).toString();
  if (digits.length > decimals + 1) digits = digitsAt(++exponent).toString();
  const sign = value < 0 ? '-' : '';
  return [`${sign}${digits[0]}${decimals > 0 ? `.${digits.slice(1)}` : ''}`, exponent];
}

/** Python's round(float, digits). */
export function rounded(value: number, digits: number): number {
  if (!Number.isFinite(value) || digits > 330) return value;
  if (digits >= 0) return Number(fixed(value, digits));
  if (digits < -330) return value * 0;
  const [numerator, denominator] = fraction(Math.abs(value));
  const scale = 10n ** BigInt(-digits);
  const size = Number(nearest(numerator, denominator * scale) * scale);
  return value < 0 || Object.is(value, -0) ? -size : size;
}

/** Python's round(int, digits): 25 to tens is 20. */
export function roundedInteger(value: bigint, digits: bigint): bigint {
  if (digits >= 0n) return value;
  if (digits < -5000n) return 0n;
  const scale = 10n ** -digits;
  return nearest(value, scale) * scale;
}

/** Python's int(text, base); undefined for a text that is none. */
export function parseInteger(text: string, base: number): bigint | undefined {
  const match = /^([-+]?)(0[xob])?((?:_?[0-9a-z])+)$/i.exec(text);
  if (!match || text.length > 4300) return undefined;
  let [, sign, prefix, digits] = match as unknown as [string, string, string | undefined, string];
  const prefixBase = { '0x': 16, '0o': 8, '0b': 2 }[(prefix ?? '').toLowerCase()];
  let radix = base;
  if (base === 0) {
    if (prefix === undefined && /^_?0[0_]*[1-9]/.test(digits)) return undefined;
    radix = prefixBase ?? 10;
  } else if (prefix !== undefined && prefixBase !== base) {
    digits = prefix + digits;
    prefix = undefined;
  }
  if (prefix === undefined && digits.startsWith('_')) return undefined;
  let value = 0n;
  for (const digit of digits.replaceAll('_', '')) {
    const worth = Number.parseInt(digit, 36);
    if (worth >= radix) return undefined;
    value = value * BigInt(radix) + BigInt(worth);
  }
  return sign === '-' ? -value : value;
}

/** Python's float(text); undefined for a text that is none. */
export function parseFloatText(text: string): number | undefined {
  const special = /^([-+]?)(inf|infinity|nan)$/i.exec(text);
  if (special) {
    if (special[2]!.toLowerCase() === 'nan') return Number.NaN;
    return special[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
  const number = /^[-+]?(?:\d(?:_?\d)*\.?(?:\d(?:_?\d)*)?|\.\d(?:_?\d)*)(?:e[-+]?\d(?:_?\d)*)?$/i;
  return number.test(text) ? Number(text.replaceAll('_', '')) : undefined;
}
