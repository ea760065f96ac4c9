import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generate } from '../../src/generate/generate.ts';
import { generateText } from '../../src/generate/generate-text.ts';
import { native } from '../../src/native/addon.ts';
import type { DType } from '../../src/native/binding.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { noGrad } from '../../src/tensor/autograd.ts';
import { scope, Tensor, tensor } from '../../src/tensor/tensor.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { randomIntegers } from '../helpers/reference.ts';

const prompts = [5, 1, 17, 30, 3, 9].map((length, i) => randomIntegers(length, 10 + i, 256));

describe.each(['tiny', 'llama-tiny'])('%s', (preset) => {
  const models = {
    f32: new Gpt(presetConfig(preset), { seed: 1 }),
    bf16: new Gpt(presetConfig(preset), { dtype: 'bf16', seed: 1 }),
  };
  afterAll(() => {
    for (const model of Object.values(models)) model.dispose();
  });
  const options = { maxTokens: 20, temperature: 0.9, seed: 3 };

  it.each(['f32', 'bf16'] as DType[])(
    'R8: what a prompt yields does not depend on its batch (%s)',
    async (dtype) => {
      const model = models[dtype as 'f32' | 'bf16'];
      const whole = await generate(model, prompts, { ...options, batchSize: 6 });
      // Two slots for six prompts: sequences join and leave at every step.
      expect(await generate(model, prompts, { ...options, batchSize: 2 })).toEqual(whole);
      expect(whole.every(({ tokens }) => tokens.length === 20)).toBe(true);
    },
  );

  it.each(['f32', 'bf16'] as DType[])(
    'R15: log-probabilities are those that the loss gives, bit for bit (%s)',
    async (dtype) => {
      const model = models[dtype as 'f32' | 'bf16'];
      const [completion] = await generate(model, [prompts[0]!], options);
      const ids = Int32Array.from([...prompts[0]!, ...completion!.tokens]);
      const n = ids.length - 1;
      const scored = noGrad(() =>
        scope(() => {
          const hidden = model.forward({
            tokens: tensor(ids.slice(0, n)),
            positions: tensor(Int32Array.from({ length: n }, (_, i) => i)),
            cuSeqlens: tensor(Int32Array.of(0, n)),
          });
          const targets = tensor(ids.slice(1));
          const [logProbs] = native.linearLogProb(
            hidden.handle,
            model.headWeight.handle,
            targets.handle,
            0.9,
          );
          return new Tensor(logProbs).toFloats();
        }),
      );
      expect(completion!.logProbs).toEqual(scored.slice(prompts[0]!.length - 1));
    },
  );

  it('greedy takes the likeliest token; a seed repeats itself and another does not', async () => {
    const model = models.f32;
    const greedy = await generate(model, prompts, { maxTokens: 5, temperature: 0, seed: 1 });
    expect(await generate(model, prompts, { maxTokens: 5, temperature: 0, seed: 2 })).toEqual(greedy);
    const [a, b, c] = await Promise.all(
      [3, 3, 4].map((seed) => generate(model, prompts, { ...options, seed })),
    );
    expect(b).toEqual(a);
    expect(c).not.toEqual(a);
  });

  it('ends at stop tokens, at the context, and when aborted', async () => {
    const model = models.f32;
    const [free] = await generate(model, [prompts[1]!], { ...options, maxTokens: 1000 });
    expect(free!.finish).toBe('length');
    expect(free!.tokens.length + prompts[1]!.length).toBe(model.config.contextLength);
    const stop = free!.tokens[4]!;
    const [stopped] = await generate(model, [prompts[1]!], {
      ...options,
      maxTokens: 1000,
      stopTokens: [stop],
    });
    expect(stopped).toEqual({
      ...stopped,
      finish: 'stop',
      tokens: free!.tokens.slice(0, free!.tokens.indexOf(stop) + 1),
    });
    const abort = new AbortController();
    const cut = await generate(model, prompts, {
      ...options,
      batchSize: 2,
      signal: abort.signal,
      onToken: () => {
        abort.abort();
        return undefined;
      },
    });
    expect(cut.map(({ finish }) => finish)).toEqual(Array(6).fill('aborted'));
    expect(cut[0]!.tokens).toHaveLength(1);
  });

  it('refuses empty prompts and those that leave no room', async () => {
    await expect(generate(models.f32, [new Int32Array(0)], options)).rejects.toThrow(/prompt 0 is empty/);
    const long = new Int32Array(64);
    await expect(generate(models.f32, [long], options)).rejects.toThrow(
      /64 tokens and the model's context is 64/,
    );
  });

  it('leaves no memory behind', async () => {
    // A worker allocates buffers at its first task, which may come at any time.
    native.setNumThreads(1);
    await generate(models.f32, prompts, options);
    const before = native.memoryStats()[0];
    await generate(models.f32, prompts, { ...options, batchSize: 3 });
    // Less is fine: the garbage collector may have found something older.
    expect(native.memoryStats()[0]).toBeLessThanOrEqual(before);
    native.setNumThreads(0);
  });
});

describe('text', () => {
  let folder: string;
  let tokenizer: Tokenizer;
  let model: Gpt;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'athanor-generate-'));
    const file = join(import.meta.dirname, '..', '..', 'node_modules', 'typescript', 'README.md');
    tokenizer = await Tokenizer.train([existsSync(file) ? readFileSync(file, 'utf8') : ''], {
      vocabSize: 300,
    });
    model = new Gpt(presetConfig('tiny', { vocabSize: tokenizer.vocabSize }), { seed: 5 });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('stop strings end the text, whole, and never show a part of themselves while streaming', async () => {
    const options = { maxTokens: 40, temperature: 1, seed: 2, stopTokens: [] };
    const [free] = await generateText(model, tokenizer, ['The'], options);
    const stop = free!.text.slice(10, 13);
    let streamed = '';
    const [cut] = await generateText(model, tokenizer, ['The'], {
      ...options,
      stopStrings: [stop],
      onText: (piece) => {
        streamed += piece;
      },
    });
    expect(cut!.text).toBe(free!.text.slice(0, free!.text.indexOf(stop)));
    expect(cut!.finish).toBe('stop');
    expect(streamed).toBe(cut!.text);
  });

  it('pieces join to the whole text though characters take several tokens', async () => {
    let streamed = '';
    const onText = (piece: string) => {
      streamed += piece;
    };
    const [done] = await generateText(model, tokenizer, ['日本語 🙂'], {
      maxTokens: 50,
      seed: 9,
      stopTokens: [],
      onText,
    });
    expect(streamed).toBe(done!.text);
    const ids = tokenizer.encode('日本語 🙂');
    const [raw] = await generate(model, [ids], { maxTokens: 50, seed: 9 });
    expect(done!.text).toBe(tokenizer.decode(raw!.tokens));
  });

  it('refuses a model that lacks some of the tokens', async () => {
    const small = new Gpt(presetConfig('tiny', { vocabSize: 260 }), { seed: 1 });
    await expect(generateText(small, tokenizer, ['a'], { maxTokens: 1 })).rejects.toMatchObject({
      code: 'ERR_MISMATCH',
    });
  });
});
