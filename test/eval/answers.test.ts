import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Answerer } from '../../src/eval/answers.ts';
import { generate } from '../../src/generate/generate.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { ChatTemplate } from '../../src/text/chat-template.ts';
import type { Tokenizer } from '../../src/text/tokenizer.ts';
import { chatTokenizer } from '../helpers/chat-model.ts';

let tokenizer: Tokenizer;
let model: Gpt;
beforeAll(async () => {
  tokenizer = await chatTokenizer();
  const shape = { vocabSize: tokenizer.vocabSize, initializerRange: 0.3 };
  model = new Gpt(presetConfig('tiny', shape), { seed: 7 });
});
afterAll(() => model.dispose());

const dialogues = ['Name a colour.', 'Hello!'].map((content) => [{ role: 'user', content }]);
const options = { maxTokens: 15, temperature: 1, seed: 2 };

describe('an answerer', () => {
  it('asks a chat model by its template', async () => {
    const template = ChatTemplate.of(tokenizer);
    const prompts = dialogues.map((messages) => template.encodePrompt(messages));
    const made = await generate(model, prompts, { ...options, stopTokens: template.stopTokens });
    const wanted = made.map(({ tokens }) => tokenizer.decode(tokens, { skipSpecial: true }));
    expect(await new Answerer(model, tokenizer).answer(dialogues, options)).toEqual(wanted);
  });

  it('takes the best of several answers by the scores that it is given', async () => {
    const drawn: Int32Array[] = [];
    const score = async (sequences: readonly Int32Array[]) => {
      drawn.push(...sequences);
      return sequences.map(({ length }) => -length);
    };
    const best = { candidates: 4, score };
    const answers = await new Answerer(model, tokenizer).answer(dialogues, { ...options, best });
    expect(answers).toHaveLength(2);
    expect(drawn).toHaveLength(8);
  });

  it('takes the first sentence of what a model without a template goes on with', async () => {
    const base = await chatTokenizer();
    base.chatTemplate = undefined;
    const prompts = dialogues.map(([message]) => base.encode(message!.content));
    const stopTokens = base.eosId === undefined ? [] : [base.eosId];
    const made = await generate(model, prompts, { ...options, stopTokens });
    const answers = await new Answerer(model, base).answer(dialogues, options);
    for (const [i, answer] of answers.entries()) {
      const whole = base.decode(made[i]!.tokens, { skipSpecial: true });
      expect(whole.trimStart().startsWith(answer)).toBe(true);
      expect(answer).not.toContain('\n');
    }
  });
});
