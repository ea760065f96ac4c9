/** The log of a run as a training loop writes it, with a spike, a NaN, evaluations and samples. */
import type { MetricRecord } from '../../src/report/metrics-log.ts';
import { random } from '../text/random.ts';

export interface RunLogOptions {
  steps: number;
  evaluateEvery: number;
  /** Step of a loss spike and of a NaN. */
  spikeAt?: number;
  nanAt?: number;
  sampleText?: string;
}

export function runLog(options: RunLogOptions): MetricRecord[] {
  const { steps, evaluateEvery, spikeAt, nanAt, sampleText = ' of the nation.' } = options;
  const uniform = random(5);
  const records: MetricRecord[] = [];
  for (let step = 1; step <= steps; ++step) {
    const course = 3 + 7 * Math.exp((-8 * step) / steps);
    let loss = course + 0.2 * (uniform() - 0.5);
    if (step === spikeAt) loss += 4;
    if (step === nanAt) loss = Number.NaN;
    if (step === spikeAt || step === nanAt)
      records.push({ event: 'warning', step, text: `step ${step}: loss ${loss} is odd` });
    const seconds = 0.2 + 0.02 * uniform();
    records.push({
      step,
      tokens: step * 4096,
      loss,
      lr: 6e-4 * Math.min(1, step / 20),
      grad_norm: 0.5 + uniform(),
      tokens_per_second: 4096 / seconds,
      flops_per_second: (4096 / seconds) * 2.7e7,
      seconds,
    });
    if (step % evaluateEvery !== 0) continue;
    const val_loss = course + 0.05;
    records.push({ event: 'evaluation', step, tokens: step * 4096, val_loss, bits_per_byte: val_loss / 3 });
    records.push({ event: 'sample', step, prompt: 'We must', text: sampleText });
  }
  return records;
}
