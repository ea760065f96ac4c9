/** Numbers as people read them: three significant digits and a unit. */

/** 950, 12.3k, 4.56M, 1.20G */
export function formatCount(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const units = ['', 'k', 'M', 'G', 'T', 'P'];
  let scaled = value;
  let unit = 0;
  while (Math.abs(scaled) >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  return unit === 0 && Number.isInteger(value) ? String(value) : `${digits(scaled)}${units[unit]}`;
}

/** 512 B, 1.50 KiB, 2.00 GiB */
export function formatBytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let scaled = value;
  let unit = 0;
  while (scaled >= 1023.5 && unit < units.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? scaled : digits(scaled)} ${units[unit]}`;
}

/** 0.4s, 42s, 3m 07s, 2h 05m, 3d 4h */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)}s`;
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
  const text = formatCount(value);
  const unit = /[kMGTP]$/.exec(text)?.[0] ?? '';
  return `${text.slice(0, text.length - unit.length)} ${unit}FLOP/s`;
}

function digits(value: number): string {
  const magnitude = Math.abs(value);
  return value.toFixed(magnitude >= 99.95 ? 0 : magnitude >= 9.995 ? 1 : 2);
}
