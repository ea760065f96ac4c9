/**
 * Tells jumps from noise: how many standard deviations a value lies above the mean of the last
 * `window` values. Only jumps upwards count, because a falling loss is no trouble. A spike does not
 * enter the window: it would widen the deviation and hide the next spike. But when half a window of
 * values in a row are spikes, the level has changed for good (other data, a larger batch). Then
 * these values become the new window, so that the warnings end and later spikes are still found.
 */
import { AthanorError } from '../base/errors.ts';
import type { JsonValue } from '../base/json.ts';

export interface SpikeOptions {
  /** Number of values for the mean and the deviation; at least 4. */
  window: number;
  /** Standard deviations that make a spike. */
  threshold: number;
}

export interface Reading {
  kind: 'ok' | 'spike' | 'not_finite';
  /** Standard deviations above the mean; 0 until the window holds enough values. */
  zscore: number;
}

/** Fewer values give no useful deviation. */
const MIN_VALUES = 16;

export class SpikeDetector {
  readonly #options: SpikeOptions;
  #values: number[] = [];
  #suspects: number[] = [];

  /** Throws ERR_ARGUMENT when the window is too short or the threshold is not above 0. */
  constructor(options: SpikeOptions) {
    const { window, threshold } = options;
    if (!Number.isInteger(window) || window < 4 || !(threshold > 0)) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        `spike detection needs a window of 4 or more values and a threshold above 0, not ${window} and ${threshold}`,
      );
    }
    this.#options = options;
  }

  observe(value: number): Reading {
    if (!Number.isFinite(value)) return { kind: 'not_finite', zscore: Number.POSITIVE_INFINITY };
    const zscore = this.#zscore(value);
    if (zscore <= this.#options.threshold) {
      this.#suspects = [];
      this.#push(value);
      return { kind: 'ok', zscore };
    }
    this.#suspects.push(value);
    if (this.#suspects.length >= this.#options.window / 2) {
      this.#values = this.#suspects;
      this.#suspects = [];
    }
    return { kind: 'spike', zscore };
  }

  /** The state for restore(), which then gives the same readings. */
  state(): JsonValue {
    return { values: [...this.#values], suspects: [...this.#suspects] };
  }

  /** Throws ERR_FILE_DAMAGED for anything that state() did not return. */
  restore(state: JsonValue): void {
    const { values, suspects } = Object(state) as { values?: JsonValue; suspects?: JsonValue };
    if (!isNumbers(values) || !isNumbers(suspects)) {
      throw new AthanorError(
        'ERR_FILE_DAMAGED',
        'the saved state of the spike detector is not a list of numbers',
      );
    }
    this.#values = values.slice(-this.#options.window);
    this.#suspects = [...suspects];
  }

  #push(value: number): void {
    this.#values.push(value);
    if (this.#values.length > this.#options.window) this.#values.shift();
  }

  /**
   * Computed from the window each time. A running sum would drift, and differently after resuming.
   */
  #zscore(value: number): number {
    const n = this.#values.length;
    if (n < Math.min(MIN_VALUES, this.#options.window)) return 0;
    const mean = this.#values.reduce((sum, x) => sum + x, 0) / n;
    const variance = this.#values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / n;
    // Equal values have no deviation; a millionth of their level takes its place.
    return (value - mean) / Math.max(Math.sqrt(variance), 1e-6 * Math.abs(mean), 1e-12);
  }
}

function isNumbers(value: JsonValue | undefined): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isFinite(item));
}
