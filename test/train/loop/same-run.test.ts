import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PretrainOptions, pretrain } from '../../../src/train/pretrain/run.ts';
import { ranksInProcess } from '../../helpers/ranks.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'athanor-same-run-'));
  for (const name of ['a', 'b']) {
    const lines = Array.from({ length: 40 }, (_, i) => `${name} ${i} is ${i * i}.`);
    writeFileSync(join(root, `${name}.txt`), lines.join('\n'));
  }
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;
async function messages(...ranks: Partial<PretrainOptions>[]): Promise<string[]> {
  const out = join(root, `run-${folders++}`);
  const results = await Promise.allSettled(
    ranksInProcess(ranks.length).map((communicator, rank) =>
      pretrain(
        {
          ...{ data: join(root, 'a.txt'), model: 'tiny', vocabSize: 300, context: 16, batchSize: 2 },
          ...{ steps: 2, gradAccum: 3, dtype: 'f32', out, ...ranks[rank] },
        },
        { communicator },
      ),
    ),
  );
  return results.map((result) => (result.status === 'rejected' ? String(result.reason) : 'trained'));
}

it('ranks with the same settings train', async () => {
  expect(await messages({}, {}, {})).toEqual(['trained', 'trained', 'trained']);
});

it.each([
  ['a setting', { lr: 1e-3 }, '`lr` is 0.001 on rank 1 and no value on rank 0'],
  ['the precision', { dtype: 'bf16' }, '`dtype` is "bf16" on rank 1 and "f32" on rank 0'],
  ['the data', { data: 'b.txt' }, '`data` is '],
  ['the folder', { out: 'elsewhere' }, '`out` is '],
] as const)('a rank that disagrees on %s is refused by all, with the difference', async (_, change, text) => {
  const own = Object.fromEntries(
    Object.entries(change).map(([key, value]) => [
      key,
      key === 'data' || key === 'out' ? join(root, `${value}`) : value,
    ]),
  );
  const found = await messages({}, own);
  for (const message of found) expect(message).toContain(text);
});

it('ranks that read other data under the same name are refused', async () => {
  // What a rank has read of it shows in the state of its loader.
  const out = join(root, 'other-data');
  const results = await Promise.allSettled(
    ranksInProcess(2).map(async (communicator, rank) => {
      const gatherText = communicator.gatherText.bind(communicator);
      communicator.gatherText = (text, name) =>
        gatherText(rank === 1 && name === 'the data of all ranks' ? 'another digest' : text, name);
      const options = { data: join(root, 'a.txt'), model: 'tiny', vocabSize: 300, context: 16, batchSize: 2 };
      await pretrain({ ...options, steps: 2, gradAccum: 2, dtype: 'f32', out }, { communicator });
    }),
  );
  for (const result of results) {
    expect(String((result as PromiseRejectedResult).reason)).toMatch(
      /rank 1 has read other data than rank 0/,
    );
  }
});
