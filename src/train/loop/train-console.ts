/** Shows a training run: the status line, a line for each evaluation, samples, and the report on disk. */
import { native } from '../../native/addon.ts';
import { formatBytes, formatCount, formatFlops, formatRate } from '../../report/format.ts';
import { type ReportOptions, writeReport } from '../../report/html-report.ts';
import { createProgress, type Progress } from '../../report/progress.ts';
import type { StepMetrics, TrainerHooks } from './trainer.ts';

export interface TrainConsoleOptions {
  label: string;
  /** The run's folder, where report.html goes. */
  out: string;
  fields: readonly MetricField[];
  report: ReportOptions;
}

/** A metric of the stage on the status line. */
export type MetricField = readonly [metric: string, label: string, digits: number];

/** Between two writings of the report while a run goes on. */
const REPORT_MS = 20_000;

export class TrainConsole {
  readonly #options: TrainConsoleOptions;
  readonly #progress: Progress;
  #reportedAt = Number.NEGATIVE_INFINITY;

  constructor(options: TrainConsoleOptions) {
    this.#options = options;
    this.#progress = createProgress({ label: options.label, unit: 'step' });
  }

  hooks(): Omit<TrainerHooks, 'stopRequested'> {
    return {
      onStep: (step) => {
        this.#show(step);
        // From the first step on there is a page to look at, and it grows before the first evaluation, too.
        if (performance.now() - this.#reportedAt > REPORT_MS) this.#writeReport();
      },
      onEvaluation: (step, metrics) => {
        const text = Object.entries(metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`);
        this.note(`step ${step}: ${text.join('  ')}`);
        this.#writeReport();
      },
      onSamples: (step, samples) => {
        for (const { prompt, text } of samples) {
          const before = prompt === '' ? '' : `${JSON.stringify(prompt)} -> `;
          this.note(`step ${step} sample: ${before}${JSON.stringify(text)}`);
        }
      },
      onWarning: (text) => this.warn(text),
    };
  }

  note(text: string): void {
    this.#progress.log(text);
  }

  warn(text: string): void {
    this.#progress.log(`warning: ${text}`);
  }

  finish(): void {
    this.#progress.finish('');
    this.#writeReport();
  }

  #show(step: StepMetrics): void {
    this.#progress.update({
      done: step.step,
      total: step.totalSteps,
      fields: [
        ['loss', step.loss.toFixed(3)],
        ...this.#stageFields(step),
        ['lr', step.lr.toExponential(1)],
        ['norm', step.gradNorm.toFixed(2)],
        ['', formatRate(step.tokensPerSecond, 'tok')],
        ['', formatFlops(step.flopsPerSecond)],
        ['', formatBytes(native.memoryStats()[0])],
        ['tokens', formatCount(step.tokens)],
      ],
    });
  }

  #stageFields({ metrics }: StepMetrics): [string, string][] {
    return this.#options.fields.flatMap(([metric, label, digits]) => {
      const value = metrics[metric];
      return value === undefined ? [] : [[label, value.toFixed(digits)] as [string, string]];
    });
  }

  #writeReport(): void {
    const { out, report } = this.#options;
    writeReport(out, report);
    this.#reportedAt = performance.now();
  }
}
