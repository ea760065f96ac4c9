import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { saveModel } from '../../src/checkpoint/gpt-folder.ts';
import { prepareData } from '../../src/data/shards/prepare.ts';
import { TokenDataset } from '../../src/data/shards/token-dataset.ts';
import { folderPerplexity, perplexity } from '../../src/eval/perplexity.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { noGrad } from '../../src/tensor/autograd.ts';
import { linearLogProb } from '../../src/tensor/ops/loss.ts';
import { scope, tensor } from '../../src/tensor/tensor.ts';
import { defaults, readmes } from '../data/corpus/corpora.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { suiteFolder, temporaryFolder } from '../helpers/cli.ts';

const root = suiteFolder();
let shards: string;
let dataset: TokenDataset;
let model: Gpt;
beforeAll(async () => {
  shards = join(root, 'shards');
  await prepareData({ ...defaults, sources: readmes, out: shards, partBytes: 2048, validationSplit: 0.5 });
  dataset = TokenDataset.open(shards);
  const shape = { vocabSize: dataset.tokenizer().vocabSize, initializerRange: 0.2 };
  model = new Gpt(presetConfig('tiny', shape), { seed: 3 });
});
afterAll(() => {
  dataset.close();
  model.dispose();
});

const all = { batchSize: 4, context: 32, maxTokens: Number.POSITIVE_INFINITY };

/**
 * Negative log-likelihood of a document in windows of `context`, by another operation
 * than the loss.
 */
function documentNats(ids: Int32Array, context: number): number {
  let nats = 0;
  for (let begin = 0; begin < ids.length - 1; begin += context) {
    const window = ids.subarray(begin, Math.min(begin + context + 1, ids.length));
    const n = window.length - 1;
    const logProbs = noGrad(() =>
      scope(() => {
        const hidden = model.forward({
          tokens: tensor(window.slice(0, n)),
          positions: tensor(Int32Array.from({ length: n }, (_, i) => i)),
          cuSeqlens: tensor(Int32Array.of(0, n)),
        });
        return linearLogProb(hidden, model.headWeight, tensor(window.slice(1))).logProbs.toFloats();
      }),
    );
    nats -= logProbs.reduce((sum, logProb) => sum + logProb, 0);
  }
  return nats;
}

describe('perplexity', () => {
  it('is the mean over all tokens of the documents, and in bits over their bytes', async () => {
    let nats = 0;
    let tokens = 0;
    for (const { start, end } of dataset.documents('validation')) {
      const ids = dataset.read('validation', start, end - start);
      nats += documentNats(ids, 32);
      tokens += end - start - 1;
    }
    const { bytes } = dataset.manifest.splits.validation;
    const result = await perplexity(model, dataset, all);
    expect(result.tokens).toBe(tokens);
    expect(result.valLoss).toBeCloseTo(nats / tokens, 5);
    expect(result.bitsPerByte).toBeCloseTo(nats / Math.LN2 / bytes, 5);
    expect(result.perplexity).toBe(Math.exp(result.valLoss));
    const single = await perplexity(model, dataset, { ...all, batchSize: 1 });
    expect(single.valLoss).toBeCloseTo(result.valLoss, 6);
  });

  it('refuses a split without tokens', async () => {
    await expect(perplexity(model, dataset, { ...all, maxTokens: 0 })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: `the validation split of ${shards} is empty`,
    });
  });

  it('of a folder is that of its model, in windows no longer than its context', async () => {
    const folder = temporaryFolder();
    dataset.tokenizer().save(folder);
    await saveModel(folder, model, { tokenizer: folder });
    const { context: _, ...options } = all;
    const { val_loss, tokens } = await folderPerplexity(folder, shards, { ...options, dtype: 'f32' });
    const { contextLength } = model.config;
    const wanted = await perplexity(model, dataset, { ...all, context: contextLength });
    expect([val_loss, tokens]).toEqual([wanted.valLoss, wanted.tokens]);
    const short = await folderPerplexity(folder, shards, { ...all, context: 8, dtype: 'f32' });
    expect(short.val_loss).toBe((await perplexity(model, dataset, { ...all, context: 8 })).valLoss);
  });

  it('refuses shards of another tokenizer', async () => {
    const other = temporaryFolder();
    (await writeChatModel(other)).dispose();
    await expect(folderPerplexity(other, shards, { ...all, dtype: 'f32' })).rejects.toMatchObject({
      code: 'ERR_MISMATCH',
    });
  });
});
