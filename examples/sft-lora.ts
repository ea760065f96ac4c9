/**
 * Supervised fine-tuning with LoRA: only adapters of rank 4 are trained, and the folder that comes
 * out is an ordinary model with the adapters merged. Ctrl-C stops the run after its step and saves.
 * Run it with: npm run example sft-lora
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pretrain, sft } from 'athanor';

const folder = mkdtempSync(join(tmpdir(), 'athanor-example-'));
const rows = Array.from({ length: 64 }, (_, i) => ({
  prompt: `What is ${i % 8} plus ${Math.floor(i / 8)}?`,
  completion: `It is ${(i % 8) + Math.floor(i / 8)}.`,
}));
const data = join(folder, 'sums.jsonl');
writeFileSync(data, rows.map((row) => JSON.stringify(row)).join('\n'));

// A model to start from. Any folder that transformers wrote for a supported family does as well.
const text = rows.map(({ prompt, completion }) => `${prompt} ${completion}`).join('\n');
const corpus = join(folder, 'text.jsonl');
writeFileSync(corpus, Array.from({ length: 40 }, () => JSON.stringify({ text })).join('\n'));
const base = await pretrain({
  data: corpus,
  model: 'tiny',
  out: join(folder, 'base'),
  vocabSize: 300,
  context: 64,
  steps: 100,
  lr: 3e-3,
});

const abort = new AbortController();
process.once('SIGINT', () => abort.abort());
const result = await sft(
  { model: base.out, data, out: join(folder, 'assistant'), loraRank: 4, epochs: 20, evalEvery: 20 },
  {
    signal: abort.signal,
    onEvent: (event) => {
      if (event.type === 'evaluation') console.log(`step ${event.step}:`, event.metrics);
    },
  },
);
console.log(`${result.parameters} of ${base.parameters} numbers were trained`);
console.log(`loss ${result.loss.toFixed(3)} after ${result.step} steps`);
