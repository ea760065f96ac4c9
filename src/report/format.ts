/** Numbers for people: three significant digits and a unit. */

const countUnits = ['', 'k', 'M', 'B', 'T'];
const siUnits = ['', 'k', 'M', 'G', 'T', 'P', 'E'];
const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** 950, 12.3k, 4.56M, 1.20B: the command line reads the same letters. */
export function formatCount(value: number): string {
  const [number, unit] = scaled(value, 1000, countUnits);
  return `${number}${unit}`;
}

/**
 * 12,345; from a million on as formatCount. For counts such as steps, where 12.3k would not change
 * for a hundred steps.
 */
export function exactCount(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e6
    ? value.toLocaleString('en-US')
    : formatCount(value);
}

/** 512 B, 1.50 KiB, 2.00 GiB */
export function formatBytes(value: number): string {
  return scaled(value, 1024, byteUnits).join(' ');
}

/** 0.4s, 42s, 3m 07s, 2h 05m, 3d 4h; ? if it is unknown */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)}s`;
  const whole = Math.round(seconds);
  const pad = (n: number) => String(n).padStart(2, '0');
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${pad(whole % 60)}s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}h ${pad(Math.floor((whole % 3600) / 60))}m`;
  return `${Math.floor(whole / 86400)}d ${Math.floor((whole % 86400) / 3600)}h`;
}

/** 8.12k tok/s */
export function formatRate(value: number, unit: string): string {
  return `${formatCount(value)} ${unit}/s`;
}

/** 745 GFLOP/s */
export function formatFlops(value: number): string {
  return `${scaled(value, 1000, siUnits).join(' ')}FLOP/s`;
}

/**
 * The number in the largest unit of which there is at least 1, after rounding: 999,600 is 1.00M.
 */
function scaled(value: number, base: number, units: readonly string[]): [number: string, unit: string] {
  if (!Number.isFinite(value)) return [String(value), units[0]!];
  let left = value;
  let unit = 0;
  while (Math.abs(left) >= base - 0.5 && unit < units.length - 1) {
    left /= base;
    unit += 1;
  }
  return [unit === 0 && Number.isInteger(value) ? String(value) : threeDigits(left), units[unit]!];
}

function threeDigits(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 99.95) return value.toFixed(0);
  if (magnitude >= 9.995) return value.toFixed(1);
  // Below a hundredth, a fixed number of decimals would show only zeros.
  return magnitude >= 0.01 || magnitude === 0 ? value.toFixed(2) : value.toPrecision(3);
}
