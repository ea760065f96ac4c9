/**
 * Rates as shares of what the machine can do at most. That peak is measured too, and a measurement
 * that another process disturbed is too low. So it is measured before and after every repetition of
 * the work, and the best counts. Where even that contradicts itself there is no share.
 */
import { native } from '../native/addon.ts';
import type { DType } from '../native/binding.ts';

/** A machine is restless where half of its peaks lie further than this share below the best. */
export const RESTLESS = 0.2;

export interface PeakShare {
  /** The best measurement, in the unit of the rate. */
  peak: number;
  /** How far the median of the measurements lies below the best, 0 to 1. */
  spread: number;
  /** The rate divided by the peak, 0 to 1. Undefined where the machine was too restless to tell. */
  share: number | undefined;
}

/**
 * No share is told where the spread is above RESTLESS, and where the work was faster than every
 * peak, which cannot be.
 */
export function peakShare(rate: number, measured: readonly number[]): PeakShare {
  const sorted = [...measured].sort((a, b) => b - a);
  const peak = sorted[0] ?? Number.NaN;
  const spread = 1 - (sorted[Math.floor(sorted.length / 2)] ?? Number.NaN) / peak;
  const share = rate / peak;
  return { peak, spread, share: spread <= RESTLESS && share <= 1 ? share : undefined };
}

/** Why there is no share, and the remedy. */
export const restlessNote =
  'the machine was too restless to tell: other work slows it down. Run it again when the machine is idle';

/** Measures one peak again and again. */
export class PeakMeter {
  readonly #measure: () => number;
  readonly #measured: number[] = [];

  /** @param measure returns a rate: FLOP/s or bytes per second */
  constructor(measure: () => number) {
    this.#measure = measure;
  }

  /** Call it before the work and after each of its repetitions. */
  measure(): void {
    this.#measured.push(this.#measure());
  }

  /** The best so far; NaN before the first. */
  get best(): number {
    return this.#measured.length === 0 ? Number.NaN : Math.max(...this.#measured);
  }

  shareOf(rate: number): PeakShare {
    return peakShare(rate, this.#measured);
  }
}

/** Operations per second of all threads, or of the GPU. */
export function flopsMeter(dtype: DType): PeakMeter {
  return new PeakMeter(() => native.measurePeakFlops(dtype));
}

/** Bytes per second, read plus written, of all threads, or the GPU, copying what no cache holds. */
export function bandwidthMeter(): PeakMeter {
  return new PeakMeter(() => Math.max(native.measureCopyBandwidth(), measureReading(256 * 2 ** 20)));
}

/**
 * Bytes per second that all threads, or the GPU, read. On a CPU that is less than a copy moves: a
 * core has few reads on the way at once, and writes do not wait for them.
 * @param bytes size of what is read: a working set that fits into a cache is read faster
 */
export function readingMeter(bytes: number): PeakMeter {
  const isGpu = native.device() === 'cuda';
  return new PeakMeter(() => Math.max(isGpu ? native.measureCopyBandwidth() : 0, measureReading(bytes)));
}

/** Of at most 1 GiB: no cache is larger. */
function measureReading(workingSet: number): number {
  const bytes = Math.min(workingSet, 2 ** 30);
  const data = native.full([Math.ceil(bytes / 4)], 'f32', 1);
  const seconds = timeRepeats(8, () => native.sum(data));
  data.dispose();
  return bytes / Math.min(...seconds);
}

/**
 * The seconds of each repetition. `between` runs before the first and after each, outside of
 * the time.
 * @param now milliseconds
 */
export function timeRepeats(
  repeats: number,
  run: () => void,
  between: () => void = () => {},
  now: () => number = () => performance.now(),
): number[] {
  between();
  return Array.from({ length: repeats }, () => {
    const startedAt = now();
    run();
    const seconds = (now() - startedAt) / 1000;
    between();
    return seconds;
  });
}
