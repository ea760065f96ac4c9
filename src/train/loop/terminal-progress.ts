/**
 * Shows a training run on the terminal (stderr): a status line, and one line per evaluation,
 * sample and warning.
 */
import { tolerateErrors } from '../../base/tolerate-errors.ts';
import { native } from '../../native/addon.ts';
import { formatBytes, formatCount, formatFlops, formatRate } from '../../report/format.ts';
import { createProgress, type Progress } from '../../report/progress.ts';
import type { StepMetrics } from './events.ts';
import type { MetricField, RunEvent } from './run-events.ts';

/** How a run is shown on a terminal. */
export interface TerminalProgressOptions {
  /** Rewrites texts that name settings in backticks. Default: no change. */
  spell?: (text: string) => string;
}

/** Returns an `onEvent` for stages and for Trainer. It can show several runs, one after another. */
export function terminalProgress({
  spell = (text) => text,
}: TerminalProgressOptions = {}): (event: RunEvent) => void {
  tolerateErrors(process.stderr);
  let progress: Progress | undefined;
  let fields: readonly MetricField[] = [];
  const print = (text: string) => {
    if (progress) progress.log(text);
    else process.stderr.write(`${text}\n`);
  };
  return (event) => {
    switch (event.type) {
      case 'preparing':
        progress ??= createProgress({ label: 'prepare', unit: 'documents' });
        progress.update({
          done: event.documents,
          fields: [
            ['', event.phase],
            ['read', formatBytes(event.bytes)],
          ],
        });
        break;
      case 'start':
        progress?.finish('');
        progress = createProgress({ label: event.stage, unit: 'step' });
        fields = event.fields;
        break;
      case 'step':
        progress ??= createProgress({ label: 'train', unit: 'step' });
        progress.update({
          done: event.step,
          total: event.totalSteps,
          fields: statusFields(event, fields),
        });
        break;
      case 'evaluation': {
        const figures = Object.entries(event.metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`);
        print(`step ${event.step}: ${figures.join('  ')}`);
        break;
      }
      case 'samples':
        for (const { prompt, text } of event.samples) {
          const before = prompt === '' ? '' : `${JSON.stringify(prompt)} -> `;
          print(`step ${event.step} sample: ${before}${JSON.stringify(text)}`);
        }
        break;
      case 'warning':
        print(`warning: ${spell(event.text)}`);
        break;
      case 'note':
        print(spell(event.text));
        break;
      case 'end':
        progress?.finish('');
        progress = undefined;
        break;
      case 'checkpoint':
        break;
    }
  };
}

function statusFields(step: StepMetrics, fields: readonly MetricField[]): [string, string][] {
  return [
    ['loss', step.loss.toFixed(3)],
    ...fields.flatMap(([metric, label, digits]) => {
      const value = step.metrics[metric];
      return value === undefined ? [] : [[label, value.toFixed(digits)] as [string, string]];
    }),
    ['lr', step.lr.toExponential(1)],
    ['norm', step.gradNorm.toFixed(2)],
    ['', formatRate(step.tokensPerSecond, 'tok')],
    ...(step.flopsPerSecond > 0 ? [['', formatFlops(step.flopsPerSecond)] as [string, string]] : []),
    ['', formatBytes(native.memoryStats()[0])],
    ['tokens', formatCount(step.tokens)],
  ];
}
