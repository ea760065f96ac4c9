/**
 * The charts of a report. A chart is drawn if the log has one of its fields. Stages with other
 * fields add charts.
 */
import type { MetricRecord } from './metrics-log.ts';
import type { LineSource } from './page-data.ts';

export interface ChartSpec {
  /** Unique on the page. */
  id: string;
  title: string;
  /** Shown in small type after the title. */
  unit?: string;
  lines: readonly ChartLine[];
  /** Whether the chart offers a logarithmic axis. */
  logarithmic?: boolean;
  /** Whether the chart takes the whole width, and is taller. */
  wide?: boolean;
}

export interface ChartLine {
  /** Field of the metrics log. */
  field: string;
  label: string;
  /** Steps give a curve, smoothed on request; evaluations give points joined by a line. */
  from: LineSource;
  /** Whether the curve has no noise, such as a schedule. */
  smooth?: boolean;
}

const step = (field: string, label: string): ChartLine => ({ field, label, from: 'step' });
const evaluation = (field: string, label: string): ChartLine => ({ field, label, from: 'evaluation' });

/** The charts that fit a log: the unit of the loss is the only one that differs between stages. */
export function chartSpecsFor(records: readonly MetricRecord[]): ChartSpec[] {
  const unit = lossUnit(records);
  return chartSpecs.map((spec) => (spec.id === 'loss' && unit ? { ...spec, unit } : spec));
}

/** Undefined for a loss on rewards, which has no unit. */
export function lossUnit(records: readonly MetricRecord[]): string | undefined {
  const has = (field: string) => records.some((record) => record[field] !== undefined);
  if (has('reward') || has('policy_loss')) return undefined;
  return has('accuracy') || has('val_accuracy') ? 'nats per pair' : 'nats per token';
}

const chartSpecs: readonly ChartSpec[] = [
  {
    id: 'loss',
    title: 'Loss',
    lines: [step('loss', 'training'), evaluation('val_loss', 'validation')],
    logarithmic: true,
    wide: true,
  },
  {
    id: 'bits-per-byte',
    title: 'Bits per byte',
    unit: 'of validation text',
    lines: [evaluation('bits_per_byte', 'validation')],
  },
  {
    id: 'accuracy',
    title: 'Accuracy',
    unit: 'share of pairs',
    lines: [step('accuracy', 'training'), evaluation('val_accuracy', 'validation')],
  },
  {
    id: 'margin',
    title: 'Margin',
    unit: 'reward of the better answer less that of the worse',
    lines: [step('margin', 'training'), evaluation('val_margin', 'validation')],
  },
  {
    id: 'reward',
    title: 'Reward',
    unit: 'score per response',
    lines: [
      step('reward', 'rollout'),
      step('rlhf_reward', 'less the KL penalty'),
      evaluation('val_reward', 'held-out prompts'),
    ],
  },
  {
    id: 'kl',
    title: 'KL divergence',
    unit: 'from the reference, nats per response',
    lines: [step('kl', 'rollout'), evaluation('val_kl', 'held-out prompts')],
  },
  { id: 'entropy', title: 'Entropy', unit: 'nats per token', lines: [step('entropy', 'policy')] },
  {
    id: 'clip-fraction',
    title: 'Clipped',
    unit: 'share of tokens',
    lines: [step('clip_fraction', 'policy'), step('value_clip_fraction', 'values')],
  },
  {
    id: 'approx-kl',
    title: 'Distance from the rollout',
    unit: 'half the mean squared log-ratio',
    lines: [step('approx_kl', 'policy')],
  },
  {
    id: 'explained-variance',
    title: 'Explained variance',
    unit: 'of returns',
    lines: [step('value_explained_variance', 'values')],
  },
  {
    id: 'response-length',
    title: 'Response length',
    unit: 'tokens',
    lines: [step('response_length', 'mean')],
  },
  {
    id: 'eos-rate',
    title: 'Ended by themselves',
    unit: 'share of responses',
    lines: [step('eos_rate', 'rollout')],
  },
  { id: 'kl-coef', title: 'KL coefficient', lines: [{ ...step('kl_coef', 'coefficient'), smooth: true }] },
  { id: 'lr', title: 'Learning rate', lines: [{ ...step('lr', 'learning rate'), smooth: true }] },
  { id: 'grad-norm', title: 'Gradient norm', unit: 'before clipping', lines: [step('grad_norm', 'norm')] },
  { id: 'speed', title: 'Tokens per second', lines: [step('tokens_per_second', 'tokens/s')] },
];
