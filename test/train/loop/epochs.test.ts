/**
 * Epochs of every stage that has them: every row is read once per epoch, the last update may be
 * short, and its loss is the mean over what is there.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, loadScoringModel } from '../../../src/checkpoint/gpt-folder.ts';
import type { Decoder } from '../../../src/nn/decoder.ts';
import { writeChatModel } from '../../helpers/chat-model.ts';
import { maxError, rng } from '../../helpers/reference.ts';
import {
  dpoDefaults,
  jsonl,
  logged,
  rewardDefaults,
  runDpo,
  runReward,
  runSft,
  sftDefaults,
} from '../../helpers/stages.ts';

let root: string;
let model: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-epochs-'));
  model = join(root, 'model');
  (await writeChatModel(model, { contextLength: 64, hiddenSize: 16, layers: 1, heads: 2 })).dispose();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const words = 'name a colour blue red then be brief another one hello'.split(' ');

function rows(count: number) {
  const random = rng(count);
  const say = () => Array.from({ length: 2 + random.integer(5) }, () => words[random.integer(11)]).join(' ');
  return Array.from({ length: count }, (_, i) => {
    const [chosen, rejected] = [`${say()} ${i}.`, `${say()} ${i}!`];
    return { prompt: `${say()} ${i}?`, chosen, rejected, completion: chosen };
  });
}

type Sizes = { epochs?: number; batchSize: number; gradAccum?: number; steps?: number };

type Given = Sizes & { model: string; data: string; out: string };

const stages = {
  reward: { run: (given: Given) => runReward({ ...rewardDefaults, ...given }), load: loadScoringModel },
  dpo: { run: (given: Given) => runDpo({ ...dpoDefaults, ...given }), load: loadModel },
  sft: { run: (given: Given) => runSft({ ...sftDefaults, packing: false, ...given }), load: loadModel },
};

describe.each(Object.entries(stages))('%s', (name, { run, load }) => {
  let runs = 0;
  const train = async (count: number, sizes: Sizes) => {
    runs += 1;
    const out = join(root, `${name}-${runs}`);
    const data = jsonl(root, `rows-${count}.jsonl`, rows(count));
    return { out, report: await run({ model, data, out, ...sizes }) };
  };
  const weights = (out: string) => {
    const loaded: Decoder = load(out);
    const values = new Map([...loaded.parameters()].map(([key, value]) => [key, value.toFloats()]));
    loaded.dispose();
    // The end of a reward run moves it, by the same mean in both runs.
    values.delete('score.bias');
    return values;
  };

  it.each([
    [63, { epochs: 1, batchSize: 32 }, 2],
    [63, { epochs: 1.5, batchSize: 32 }, 3],
    [5, { epochs: 3, batchSize: 32 }, 3],
    [5, { epochs: 3, batchSize: 2, gradAccum: 2 }, 6],
    [7, { epochs: 0.1, batchSize: 2 }, 1],
  ] as const)('%i rows with %o: %i updates, as in transformers', async (count, sizes, steps) => {
    const { out, report } = await train(count, sizes);
    expect(report.step).toBe(steps);
    if (sizes.epochs % 1 !== 0) return;
    const { report: once } = await train(count, { epochs: 1, batchSize: count });
    const read = logged(out, 'tokens').at(-1)!;
    // A batch without rows reads one token in sft.
    const idle = name === 'sft' && 'gradAccum' in sizes ? sizes.epochs : 0;
    expect(read - idle).toBe(sizes.epochs * (once.tokens as number));
  });

  it('takes the mean over what is there, in however many batches', async () => {
    // One short update of 5 rows: as 4 + 1, as 2 + 2 + 1 + 0, and as one batch.
    const ways = [
      await train(5, { epochs: 2, batchSize: 8 }),
      await train(5, { epochs: 2, batchSize: 4, gradAccum: 2 }),
      await train(5, { epochs: 2, batchSize: 2, gradAccum: 4 }),
    ];
    expect(ways.map(({ report }) => report.step)).toEqual([2, 2, 2]);
    const [whole, ...others] = ways.map(({ out }) => weights(out));
    for (const other of others) {
      for (const [key, value] of whole!) expect(maxError(other.get(key)!, value)).toBeLessThan(2e-4);
    }
    const losses = ways.map(({ out }) => logged(out, 'loss'));
    for (const other of losses.slice(1)) {
      other.forEach((loss, i) => {
        expect(loss).toBeCloseTo(losses[0]![i]!, 4);
      });
    }
  });
});
