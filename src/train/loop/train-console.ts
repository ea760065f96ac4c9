/** Shows a training run: the status line, a line for each evaluation, samples, and the report on disk. */
import { native } from '../../native/addon.ts';
import { formatBytes, formatCount, formatFlops, formatRate } from '../../report/format.ts';
import { type ReportOptions, writeReport } from '../../report/html-report.ts';
import { createProgress, type Progress } from '../../report/progress.ts';
import type { StepMetrics, TrainEvent } from './events.ts';
import type { Sample } from './stage.ts';

export interface TrainConsoleOptions {
  label: string;
  /** The run's folder, where report.html goes. */
  out: string;
  fields: readonly MetricField[];
  report: ReportOptions;
}

/** A metric of the stage on the status line. */
export type MetricField = readonly [metric: string, label: string, digits: number];

export class TrainConsole {
  readonly #options: TrainConsoleOptions;
  readonly #progress: Progress;

  constructor(options: TrainConsoleOptions) {
    this.#options = options;
    this.#progress = createProgress({ label: options.label, unit: 'step' });
  }

  handle(event: TrainEvent): void {
    if (event.type === 'step') this.#show(event);
    else if (event.type === 'evaluation') this.#showEvaluation(event.step, event.metrics);
    else if (event.type === 'samples') this.#showSamples(event.step, event.samples);
    else if (event.type === 'warning') this.warn(event.text);
    else if (event.type === 'note') this.note(event.text);
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

  #showEvaluation(step: number, metrics: Record<string, number>): void {
    const text = Object.entries(metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`);
    this.note(`step ${step}: ${text.join('  ')}`);
    this.#writeReport();
  }

  #showSamples(step: number, samples: readonly Sample[]): void {
    for (const { prompt, text } of samples) {
      const before = prompt === '' ? '' : `${JSON.stringify(prompt)} -> `;
      this.note(`step ${step} sample: ${before}${JSON.stringify(text)}`);
    }
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
  }
}
