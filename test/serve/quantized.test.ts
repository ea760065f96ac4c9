/** A server with int8 weights: what it says of them, and that its answers have their bits. */
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { loadModel } from '../../src/checkpoint/gpt-folder.ts';
import { quantizationCost } from '../../src/eval/quantization-cost.ts';
import { generate } from '../../src/generate/generate.ts';
import { quantizeForDecoding } from '../../src/nn/quantized-weights.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { suiteFolder } from '../helpers/cli.ts';
import { startServer } from '../helpers/served.ts';

const folder = suiteFolder();
beforeAll(async () => (await writeChatModel(folder, { contextLength: 96, initializerRange: 0.1 })).dispose());

it('measures the cost once, reports it, and answers with the quantized model', async () => {
  const served = await startServer({ model: folder, dtype: 'bf16', quantize: 'int8' });
  onTestFinished(() => served.server.close());
  const model = loadModel(folder, { dtype: 'bf16' });
  using _ = quantizeForDecoding(model);
  const tokenizer = Tokenizer.load(folder);
  const cost = await quantizationCost(model, tokenizer);
  expect(served.events.filter(({ type }) => type === 'quantization')).toEqual([
    { type: 'quantization', ...cost },
  ]);
  expect(served.server.model).toMatchObject({ quantize: 'int8', quantizationCost: cost });

  const prompt = [...tokenizer.encode('Name a colour. Blue.')];
  const body = { prompt, max_tokens: 20, temperature: 1, top_p: 1, seed: 3, logprobs: 0, ignore_eos: true };
  const replies = await Promise.all(
    [1, 2, 3].map((seed) => served.ask('/v1/completions', { ...body, seed })),
  );
  for (const [i, { choices }] of replies.entries()) {
    const suppressTokens = tokenizer.unusedIds(model.config.vocabSize);
    const [drawn] = await generate(model, [prompt], {
      maxTokens: 20,
      temperature: 1,
      seed: i + 1,
      suppressTokens,
    });
    expect(choices[0]!.logprobs!.token_logprobs).toEqual([...drawn!.logProbs]);
  }
  model.dispose();
});

it('says nothing of it otherwise', async () => {
  const served = await startServer({ model: folder });
  onTestFinished(() => served.server.close());
  expect(served.events.some(({ type }) => type === 'quantization')).toBe(false);
  expect(served.server.model.quantize).toBe('none');
  expect(served.server.model).not.toHaveProperty('quantizationCost');
});
