// The results of gpu-check.sh as tables in Markdown, for docs/benchmarks.md.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Explained } from '../process.mjs';

function readResults(folder) {
  const path = join(folder, 'results.json');
  if (!existsSync(path)) throw new Explained(`gpu-report: ${path} does not exist; name the folder of a run`);
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    throw new Explained(`gpu-report: ${path} is no JSON`);
  }
}

/** The object that a command printed last; undefined where it printed none. */
function figuresIn(folder, name) {
  const path = join(folder, name);
  if (!existsSync(path)) return undefined;
  const last = readFileSync(path, 'utf8').trimEnd().split('\n').at(-1);
  try {
    return JSON.parse(last);
  } catch {
    return undefined;
  }
}

function table(columns, rows) {
  if (rows.length === 0) return [];
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line), ''];
}

const number = (value, digits = 0) =>
  typeof value === 'number' ? value.toLocaleString('en-US', { maximumFractionDigits: digits }) : '-';
const percent = (value) => (typeof value === 'number' ? `${(value * 100).toFixed(0)} %` : '-');
const cell = (text) => String(text).replaceAll('|', '\\|').slice(0, 100);

function stepTable({ steps }) {
  return table(
    ['step', 'result', 'seconds', 'last line'],
    steps.map(({ step, status, seconds, last }) => [step, status, number(seconds, 1), cell(last)]),
  );
}

function peakTable(folder) {
  const peaks = figuresIn(folder, 'figures.json');
  if (!peaks) return [];
  return table(
    ['peak', 'measured'],
    [
      ['bf16 products', `${number(peaks.bf16_flops_per_second / 1e12)} TFLOP/s`],
      ['f32 multiply-adds', `${number(peaks.f32_flops_per_second / 1e12)} TFLOP/s`],
      ['copy', `${number(peaks.copy_bytes_per_second / 1e9)} GB/s`],
    ],
  );
}

function kernelTable(folder) {
  const rows = figuresIn(folder, 'figures.json')?.kernels ?? [];
  return table(
    ['kernel', 'type', 'shape', 'rate', 'share of the peak'],
    rows.map(({ name, dtype, shape, rate, unit, share }) => [
      name,
      dtype,
      shape,
      rateOf(rate, unit),
      percent(share),
    ]),
  );
}

function rateOf(rate, unit) {
  return unit === 'flop' ? `${number(rate / 1e12, 1)} TFLOP/s` : `${number(rate / 1e9)} GB/s`;
}

function trainTable(folder) {
  const rows = ['figures.json', 'large.json'].flatMap((name) => figuresIn(folder, name) ?? []);
  return table(
    ['model', 'parameters', 'tok/s', 'share of the peak', 'PyTorch, tok/s', 'ratio'],
    rows.map((row) => [
      ...[row.model, number(row.parameters), number(row.tokens_per_second), percent(row.share_of_peak)],
      ...[number(row.torch_tokens_per_second), number(row.ratio_to_torch, 2)],
    ]),
  );
}

function decodeTable(folder) {
  const rows = [1, 64].flatMap((batch) => figuresIn(folder, `batch-${batch}.json`) ?? []);
  return table(
    ['sequences', 'tok/s'],
    rows.map((row) => [row.batch_size, number(row.tokens_per_second)]),
  );
}

const sections = {
  instructions: ['Peaks', peakTable],
  'bench-kernels': ['Kernels', kernelTable],
  train: ['Training', trainTable],
  decode: ['Decoding', decodeTable],
};

/** The report of a folder as Markdown. */
export function reportOf(folder) {
  const results = readResults(folder);
  const lines = [`Device: ${results.device || 'none'}, ${results.date}.`, '', ...stepTable(results)];
  for (const { step, folder: name } of results.steps) {
    const [title, make] = sections[step] ?? [];
    const rows = make ? make(join(folder, name)) : [];
    if (rows.length > 0) lines.push(`**${title}**`, '', ...rows);
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

export function gpuReport([folder]) {
  if (folder === undefined) throw new Explained('gpu-report: name the folder with results.json');
  process.stdout.write(reportOf(folder));
}
