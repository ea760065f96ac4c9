/**
 * The charts of a report. A chart is drawn if the log has one of its fields. Stages with other
 * fields add charts.
 */

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
  /**
   * Source: records of steps (a curve, smoothed on request) or of evaluations (points
   * joined by lines).
   */
  from: 'step' | 'evaluation';
  /** Whether the curve has no noise, such as a schedule. */
  smooth?: boolean;
}

const step = (field: string, label: string): ChartLine => ({ field, label, from: 'step' });
const evaluation = (field: string, label: string): ChartLine => ({ field, label, from: 'evaluation' });

export const chartSpecs: readonly ChartSpec[] = [
  {
    id: 'loss',
    title: 'Loss',
    unit: 'nats per token',
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
    lines: [step('accuracy', 'training'), evaluation('val_accuracy', 'validation')],
  },
  {
    id: 'reward',
    title: 'Reward',
    lines: [
      step('reward', 'rollout'),
      step('rlhf_reward', 'less the KL penalty'),
      evaluation('val_reward', 'held-out prompts'),
    ],
  },
  {
    id: 'kl',
    title: 'KL divergence',
    unit: 'from the reference, nats a response',
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
