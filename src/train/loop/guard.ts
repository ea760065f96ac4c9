/**
 * Looks at the loss and gradient norm of a step and decides: update, warn, skip the update or stop.
 */
import type { JsonObject } from '../../base/json.ts';
import { SpikeDetector } from '../../report/spike-detector.ts';

export interface GuardOptions {
  /**
   * What to do when the loss or gradient norm jumps. An update that is not finite is never made.
   */
  onSpike: 'warn' | 'skip' | 'stop';
  /** Standard deviations above the running mean that count as a jump. */
  spikeThreshold: number;
  /** Steps in the running mean. */
  spikeWindow: number;
}

export const guardDefaults: GuardOptions = { onSpike: 'warn', spikeThreshold: 6, spikeWindow: 128 };

export interface Verdict {
  skip: boolean;
  stop: boolean;
  warning?: string;
}

/** The run stops after this many skipped updates in a row. */
const MAX_SKIPS = 20;

export class Guard {
  readonly #options: GuardOptions;
  readonly #loss: SpikeDetector;
  readonly #gradNorm: SpikeDetector;
  #skipped = 0;

  constructor(options: GuardOptions) {
    this.#options = options;
    const detector = { window: options.spikeWindow, threshold: options.spikeThreshold };
    this.#loss = new SpikeDetector(detector);
    this.#gradNorm = new SpikeDetector(detector);
  }

  observe(step: number, loss: number, gradNorm: number): Verdict {
    const readings = [
      { name: 'loss', value: loss, ...this.#loss.observe(loss) },
      { name: 'gradient norm', value: gradNorm, ...this.#gradNorm.observe(gradNorm) },
    ];
    const broken = readings.find((reading) => reading.kind === 'not_finite');
    const spike = readings.find((reading) => reading.kind === 'spike');
    const found = broken ?? spike;
    if (!found) {
      this.#skipped = 0;
      return { skip: false, stop: false };
    }
    const skip = broken !== undefined || this.#options.onSpike === 'skip';
    this.#skipped = skip ? this.#skipped + 1 : 0;
    const what = broken
      ? 'is not finite'
      : `is ${found.zscore.toFixed(1)} standard deviations above its mean`;
    const done = skip ? '; the update is skipped' : '';
    return {
      skip,
      stop: this.#options.onSpike === 'stop' || this.#skipped >= MAX_SKIPS,
      warning: `step ${step}: ${found.name} ${found.value} ${what}${done}`,
    };
  }

  state(): JsonObject {
    return { loss: this.#loss.state(), grad_norm: this.#gradNorm.state(), skipped: this.#skipped };
  }

  restore(state: JsonObject): void {
    this.#loss.restore(state.loss!);
    this.#gradNorm.restore(state.grad_norm!);
    this.#skipped = state.skipped as number;
  }
}
