/**
 * A server on device cuda: log-probabilities of prompts and of drawn tokens are those of an
 * evaluation there, to the bit, with the engine's own products. Part of vitest.cuda.config.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadModel } from '../../src/checkpoint/gpt-folder.ts';
import { native } from '../../src/native/addon.ts';
import { responseLogProbs } from '../../src/scoring/response-log-probs.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { type Reply, startServer } from '../helpers/served.ts';

// Read when the library is first opened.
process.env.ATHANOR_CUBLASLT = 'none';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'athanor-cuda-serve-'));
  native.setDevice('cpu');
  (
    await writeChatModel(folder, { contextLength: 64, heads: 1, kvHeads: 1, headDim: 64, layers: 1 })
  ).dispose();
  native.setDevice('cuda');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('scores and penalises as in the process', async () => {
  const tokenizer = Tokenizer.load(folder);
  const prompts = ['Name a colour.', 'Blue. Red, then. Hello!'].map((text) => tokenizer.encode(text));
  const served = await startServer({ model: folder, device: 'cuda', dtype: 'bf16', prefillTokens: 7 });
  const sampling = { seed: 3, temperature: 0.8, frequency_penalty: 0.5, logit_bias: { 70: 3 } };
  const replies: Reply[] = [];
  for (const prompt of prompts) {
    const body = {
      prompt: [...prompt],
      max_tokens: 6,
      echo: true,
      logprobs: 2,
      ignore_eos: true,
      ...sampling,
    };
    replies.push(await served.ask('/v1/completions', body));
  }
  expect(served.server.model.device).toBe('cuda');
  await served.server.close();
  const model = loadModel(folder, { dtype: 'bf16' });
  prompts.forEach((prompt, i) => {
    const { token_logprobs, tokens } = replies[i]!.choices[0]!.logprobs!;
    expect(tokens.length).toBe(prompt.length + 6);
    const ids = tokens.map((text, at) => {
      if (at < prompt.length) return prompt[at]!;
      const bytes = [...text.matchAll(/\\x(..)/g)].map(([, hex]) => Number.parseInt(hex!, 16));
      const spelled = text.startsWith('bytes:') ? Uint8Array.from(bytes) : Buffer.from(text);
      return tokenizer.specialTokens.get(text) ?? tokenizer.encode(spelled)[0]!;
    });
    const whole = { prompt: 0, tokens: Int32Array.from(ids), promptLength: 1, finished: true };
    expect(token_logprobs.slice(1)).toEqual([...responseLogProbs(model, [whole], 1)]);
  });
  model.dispose();
});
