/**
 * Scoring and sampling through the API have the bits of those in the process, whatever else
 * the server does.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../src/checkpoint/gpt-folder.ts';
import { generate } from '../../src/generate/generate.ts';
import type { DType } from '../../src/native/binding.ts';
import type { Gpt } from '../../src/nn/gpt.ts';
import { responseLogProbs } from '../../src/scoring/response-log-probs.ts';
import { ChatTemplate } from '../../src/text/chat-template.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { suiteFolder } from '../helpers/cli.ts';
import { randomIntegers } from '../helpers/reference.ts';
import { type Reply, type Served, startServer } from '../helpers/served.ts';

const folder = suiteFolder();
beforeAll(async () => (await writeChatModel(folder, { contextLength: 96 })).dispose());

/** The fields that lm-evaluation-harness sends to score texts. */
const SCORING = { temperature: 0, max_tokens: 1, logprobs: 1, seed: 1234, echo: true };

describe.each(['f32', 'bf16'] as const)('%s', (dtype) => {
  let served: Served;
  let model: Gpt;
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    served = await startServer({ model: folder, dtype, batchSize: 6, prefillTokens: 16 });
    model = loadModel(folder, { dtype: dtype as DType });
    tokenizer = Tokenizer.load(folder);
  });
  afterAll(async () => {
    await served.server.close();
    model.dispose();
  });

  /** Requests of all kinds until the work is done. */
  async function underLoad<T>(work: () => Promise<T>): Promise<T> {
    let isOver = false;
    const noise = Array.from({ length: 8 }, async (_, i) => {
      for (let round = 0; !isOver; ++round) {
        const seed = 100 * i + round;
        const content = 'Name a colour. '.repeat(1 + (seed % 5));
        if (i % 2 === 0) {
          const messages = [{ role: 'user', content }];
          const penalties = i % 4 === 0 ? { frequency_penalty: 1 } : {};
          await served.ask('/v1/chat/completions', { messages, max_tokens: 9, seed, ...penalties });
        } else {
          await served.ask('/v1/completions', { prompt: [content, 'x'], max_tokens: 5, temperature: 0.5 });
        }
      }
    });
    const result = await work();
    isOver = true;
    await Promise.all(noise);
    return result;
  }

  it('log-probabilities of texts, as lm-evaluation-harness asks for them', async () => {
    const prompts = [2, 17, 40, 95, 64, 9, 33].map((length) => randomIntegers(length, length, 300));
    const requests = [prompts.slice(0, 3), prompts.slice(3), [prompts[1]!]];
    const replies = await underLoad(() =>
      Promise.all(
        requests.map((some) =>
          served.ask('/v1/completions', {
            prompt: some.map((one) => [...one]),
            model: served.server.name,
            ...SCORING,
          }),
        ),
      ),
    );
    requests.forEach((some, r) => {
      const { choices, usage } = replies[r]!;
      expect(choices.map(({ index }) => index)).toEqual([...some.keys()]);
      expect(usage.prompt_tokens).toBe(some.reduce((sum, { length }) => sum + length, 0));
      some.forEach((prompt, i) => {
        const { token_logprobs, top_logprobs, tokens, text_offset } = choices[i]!.logprobs!;
        for (const list of [token_logprobs, top_logprobs, tokens, text_offset]) {
          expect(list.length).toBe(prompt.length + 1);
        }
        expect([token_logprobs[0], top_logprobs[0]]).toEqual([null, null]);
        const sequence = { prompt: 0, tokens: prompt, promptLength: 1, finished: true };
        const wanted = responseLogProbs(model, [sequence], 1);
        expect(token_logprobs.slice(1, -1)).toEqual([...wanted]);
        // The harness compares floats to see whether a token is the likeliest.
        const greedy = token_logprobs.map((logProb, at) => {
          return at > 0 && logProb === Math.max(...Object.values(top_logprobs[at]!));
        });
        expect(greedy.at(-1)).toBe(true);
        expect(choices[i]!.text.startsWith(tokenizer.decode(prompt))).toBe(true);
      });
    });
  });

  it('sampled texts: a batch of seeded prompts is generate() with that seed', async () => {
    const texts = ['Name a colour. ', 'Hello! Be', 'Red'];
    const prompts = texts.map((text) => tokenizer.encode(text));
    const sampling = { temperature: 0.8, topP: 0.9, topK: 40, minP: 0.01, frequencyPenalty: 0.5, seed: 77 };
    const stopTokens = [tokenizer.eosId!, tokenizer.specialTokens.get('<|end|>')!];
    const wanted = await generate(model, prompts, { ...sampling, maxTokens: 24, stopTokens });
    const body = {
      ...{ prompt: texts, max_tokens: 24, temperature: 0.8, top_p: 0.9, top_k: 40, min_p: 0.01 },
      ...{ frequency_penalty: 0.5, seed: 77, logprobs: 0 },
    };
    const alone = await served.ask('/v1/completions', body);
    const [loaded, again] = await underLoad(() =>
      Promise.all([served.ask('/v1/completions', body), served.ask('/v1/completions', body)]),
    );
    const contents = ({ choices }: Reply) => choices.map(({ text, logprobs }) => ({ text, logprobs }));
    expect(contents(loaded)).toEqual(contents(alone));
    expect(contents(again)).toEqual(contents(alone));
    wanted.forEach(({ tokens }, i) => {
      const { text, logprobs } = alone.choices[i]!;
      const shown = [...tokens].filter((token) => !stopTokens.includes(token));
      expect(text).toBe(tokenizer.decode(shown));
      const whole = Int32Array.from([...prompts[i]!, ...tokens]);
      const sequence = { prompt: 0, tokens: whole, promptLength: prompts[i]!.length, finished: true };
      expect(logprobs!.token_logprobs).toEqual([...responseLogProbs(model, [sequence], 1)]);
    });
  });

  it('a seeded chat, streamed and not, alone and under load', async () => {
    const messages = [{ role: 'user' as const, content: 'Name a colour.' }];
    const body = { model: served.server.name, messages, max_tokens: 20, n: 3, seed: 5 };
    const prompt = ChatTemplate.of(tokenizer).encodePrompt(messages);
    const stopTokens = [tokenizer.eosId!, tokenizer.specialTokens.get('<|end|>')!];
    const settings = { seed: 5, maxTokens: 20, stopTokens };
    const wanted = (await generate(model, [prompt, prompt, prompt], settings)).map(({ tokens }) =>
      tokenizer.decode(
        [...tokens].filter((token) => !stopTokens.includes(token)),
        { skipSpecial: true },
      ),
    );
    const texts = await underLoad(async () => {
      const whole = await served.client.chat.completions.create(body);
      const streamed = ['', '', ''];
      for await (const { choices } of await served.client.chat.completions.create({
        ...body,
        stream: true,
      })) {
        for (const { index, delta } of choices) streamed[index] += delta.content ?? '';
      }
      return [whole.choices.map(({ message }) => message.content), streamed];
    });
    expect(texts).toEqual([wanted, wanted]);
  });
});
