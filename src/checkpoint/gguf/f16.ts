/** The bits of f16 numbers. */

const f32 = new Float32Array(1);
const bits = new Uint32Array(f32.buffer);

/** Rounded to nearest, ties to even. What exceeds 65,504 becomes infinite. */
export function f16FromF32(values: Float32Array): Uint16Array {
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) halves[i] = halfOf(values[i]!);
  return halves;
}

function halfOf(value: number): number {
  f32[0] = value;
  const word = bits[0]!;
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65,520 and above round to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) return sign | roundedShift(magnitude - 0x38000000, 13);
  // Below 2^-14 halves have a fixed step of 2^-24.
  const shift = 126 - (magnitude >>> 23);
  if (shift > 24) return sign;
  return sign | roundedShift((magnitude & 0x7fffff) | 0x800000, shift);
}

/** value / 2^shift, rounded to nearest, ties to even. */
function roundedShift(value: number, shift: number): number {
  const [whole, half] = [value >>> shift, 1 << (shift - 1)];
  const rest = value & ((1 << shift) - 1);
  return whole + (rest > half || (rest === half && whole % 2 === 1) ? 1 : 0);
}
