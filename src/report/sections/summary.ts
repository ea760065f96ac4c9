/** The cards on top: the main results of the run, each with a smaller line that explains it. */

import { mean } from '../../base/statistics.ts';
import { exactCount, formatCount, formatDuration, formatFlops } from '../format.ts';
import { html } from '../html.ts';
import type { MetricRecord } from '../metrics-log.ts';
import type { ReportContext, Section } from './section.ts';

/** Most cards in a row of full width. */
const MAX_ACROSS = 7;

/** What the cards of a run are made from. */
export type RunRecords = Pick<ReportContext, 'steps' | 'evaluations'> & {
  options: Pick<ReportContext['options'], 'peakFlopsPerSecond'>;
};

export interface Card {
  label: string;
  value: string;
  hint?: string | undefined;
}

export const summary: Section = (report) => {
  const own = report.options.summary ?? [];
  const taken = new Set(own.map(([label]) => label));
  const cards: Card[] = [
    ...own.map(([label, value]) => ({ label, value })),
    ...runCards(report).filter(({ label }) => !taken.has(label)),
  ];
  if (cards.length === 0) return html`<p class="empty">No step was logged.</p>`;
  const items = cards.map(
    ({ label, value, hint }) =>
      html`<div class="card"><dt>${label}</dt><dd>${value}</dd>${hint ? html`<dd class="hint">${hint}</dd>` : undefined}</div>`,
  );
  // One row if the cards fit, else rows of about equal length.
  const across = Math.ceil(cards.length / Math.ceil(cards.length / MAX_ACROSS));
  return html`<dl class="cards" style="--across: ${across}">${items}</dl>`;
};

/** The figures that a log alone gives. */
export function runCards(report: RunRecords): Card[] {
  return [...quality(report), ...volume(report), ...speed(report)];
}

/**
 * The last evaluation of each field, and the mean of the last training losses, because the loss of
 * a single step is noisy.
 */
function quality({ steps, evaluations }: RunRecords): Card[] {
  const cards: Card[] = [];
  const last = latest(evaluations, 'val_loss');
  if (last) {
    const best = evaluations.filter(({ val_loss }) => Number.isFinite(val_loss)).reduce(lower, last);
    const hint =
      best === last ? 'the best so far' : `best ${fixed(best.val_loss)} at step ${exactCount(best.step)}`;
    cards.push({ label: 'Validation loss', value: fixed(last.val_loss), hint });
  }
  const bits = latest(evaluations, 'bits_per_byte');
  if (bits) {
    const hint = last ? `perplexity ${formatCount(Math.exp(Number(last.val_loss)))}` : undefined;
    cards.push({ label: 'Bits per byte', value: fixed(bits.bits_per_byte), hint });
  }
  const losses = steps.flatMap(({ loss }) => (typeof loss === 'number' ? [loss] : []));
  if (losses.length > 0) {
    const recent = losses.slice(-Math.max(1, Math.min(50, Math.floor(losses.length / 10))));
    const hint = recent.length > 1 ? `mean of the last ${recent.length} steps` : 'of the last step';
    cards.push({ label: 'Training loss', value: fixed(mean(recent)), hint });
  }
  for (const [field, label] of [
    ['accuracy', 'Accuracy'],
    ['reward', 'Reward'],
    ['kl', 'KL divergence'],
  ] as const) {
    const record = latest(evaluations, field) ?? latest(steps, field);
    if (record)
      cards.push({ label, value: fixed(record[field]), hint: `at step ${exactCount(record.step)}` });
  }
  return cards;
}

function volume({ steps }: RunRecords): Card[] {
  const last = steps.at(-1);
  if (!last) return [];
  const inSteps = `in ${exactCount(last.step)} step${last.step === 1 ? '' : 's'}`;
  return Number.isFinite(last.tokens)
    ? [{ label: 'Tokens', value: formatCount(Number(last.tokens)), hint: inSteps }]
    : [{ label: 'Steps', value: exactCount(last.step) }];
}

function speed({ steps, options }: RunRecords): Card[] {
  const seconds = total(steps, ({ seconds }) => Number(seconds));
  if (!(seconds > 0)) return [];
  const tokens = total(steps, (record) => Number(record.tokens_per_second) * Number(record.seconds));
  const flops = total(steps, (record) => Number(record.flops_per_second) * Number(record.seconds)) / seconds;
  const peak = options.peakFlopsPerSecond;
  const cards: Card[] = [];
  if (tokens > 0) {
    const hint = flops > 0 ? formatFlops(flops) : undefined;
    cards.push({ label: 'Tokens/second', value: formatCount(tokens / seconds), hint });
  }
  if (flops > 0 && peak && flops <= peak) {
    const value = `${((100 * flops) / peak).toFixed(0)}%`;
    cards.push({ label: 'Share of peak', value, hint: `of ${formatFlops(peak)} measured` });
  }
  return [...cards, { label: 'Training time', value: formatDuration(seconds), hint: 'evaluation apart' }];
}

/** The sum of the finite values. */
function total(steps: readonly MetricRecord[], of: (record: MetricRecord) => number): number {
  return steps.reduce((sum, record) => {
    const value = of(record);
    return Number.isFinite(value) ? sum + value : sum;
  }, 0);
}

function latest(records: readonly MetricRecord[], field: string): MetricRecord | undefined {
  return records.findLast((record) => typeof record[field] === 'number');
}

function lower(best: MetricRecord, record: MetricRecord): MetricRecord {
  return Number(record.val_loss) < Number(best.val_loss) ? record : best;
}

function fixed(value: unknown): string {
  return typeof value === 'number' && Number.isFinite(value) ? value.toFixed(3) : String(value);
}
