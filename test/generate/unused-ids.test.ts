/** Ids without a token, on a model whose rows are mostly such: they are never drawn. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Answerer } from '../../src/eval/answers.ts';
import { Batch } from '../../src/generate/batch.ts';
import { Conversation } from '../../src/generate/conversation.ts';
import { type GenerateOptions, generate } from '../../src/generate/generate.ts';
import { generateText } from '../../src/generate/generate-text.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { bestOf } from '../../src/scoring/best-of.ts';
import { ChatTemplate } from '../../src/text/chat-template.ts';
import type { Tokenizer } from '../../src/text/tokenizer.ts';
import { chatTokenizer, writeChatModel } from '../helpers/chat-model.ts';
import { athanor, lastLineJson, temporaryFolder } from '../helpers/cli.ts';
import { jsonl, runSft, sftDefaults } from '../helpers/stages.ts';

const ROWS = 2000;
let tokenizer: Tokenizer;
let model: Gpt;
beforeAll(async () => {
  tokenizer = await chatTokenizer();
  model = new Gpt(presetConfig('tiny', { vocabSize: ROWS, initializerRange: 0.1 }), { seed: 7 });
});
afterAll(() => model.dispose());

const prompts = [[1, 2, 3], [4], [5, 6]];
const options: GenerateOptions = { maxTokens: 12, temperature: 0.9, seed: 3 };

describe('suppressed tokens of generate()', () => {
  it.each([{}, { temperature: 0 }, { topK: 20 }, { topP: 0.9 }, { minP: 0.3 }, { repetitionPenalty: 1.3 }])(
    'are not drawn with %o',
    async (settings) => {
      const free = await generate(model, prompts, { ...options, ...settings });
      const isUnused = (id: number) => tokenizer.tokenOf(id) === undefined;
      expect(free.some(({ tokens }) => tokens.some(isUnused))).toBe(true);
      const suppressTokens = tokenizer.unusedIds(ROWS);
      const bound = await generate(model, prompts, { ...options, ...settings, suppressTokens });
      expect(bound.some(({ tokens }) => tokens.some(isUnused))).toBe(false);
      expect(bound.every(({ tokens }) => tokens.length === 12)).toBe(true);
    },
  );

  it('change nothing but the draw: the log-probabilities are of the whole distribution', async () => {
    const suppressTokens = tokenizer.unusedIds(ROWS);
    const [bound] = await generate(model, [[1]], {
      ...options,
      temperature: 1,
      maxTokens: 1,
      suppressTokens,
    });
    const logProbs = new Map<number, number>();
    for (let seed = 0; !logProbs.has(bound!.tokens[0]!); ++seed) {
      const [free] = await generate(model, [[1]], { temperature: 1, maxTokens: 1, topK: 500, seed });
      logProbs.set(free!.tokens[0]!, free!.logProbs[0]!);
    }
    expect(bound!.logProbs[0]).toBe(logProbs.get(bound!.tokens[0]!));
  });

  it('must be rows of the model, and not all of them', () => {
    for (const id of [-1, ROWS, 0.5]) {
      expect(() => new Batch(model, { slots: 1, suppressTokens: [id] })).toThrow(
        `\`suppressTokens\` holds the id ${id} and the model has ${ROWS} tokens`,
      );
    }
    const all = Array.from({ length: ROWS }, (_, id) => id);
    expect(() => new Batch(model, { slots: 1, suppressTokens: all })).toThrow(/no token is left to draw/);
  });
});

describe('whatever turns drawn ids into text', () => {
  it('draws tokens only', async () => {
    const texts = await generateText(model, tokenizer, ['Blue', 'Red'], { ...options, stopTokens: [] });
    for (const { text } of texts) expect(text).not.toBe('');
    const talk = new Conversation(model, tokenizer, ChatTemplate.of(tokenizer), options);
    expect((await talk.answer('Hello!')).text).not.toBe('');
    const questions = [[{ role: 'user', content: 'Hello!' }]];
    const score = async (drawn: readonly Int32Array[]) => {
      for (const tokens of drawn) for (const id of tokens) expect(tokenizer.tokenOf(id)).toBeDefined();
      return drawn.map(() => 1);
    };
    const best = { candidates: 4, score };
    expect(await new Answerer(model, tokenizer).answer(questions, { ...options, best })).toHaveLength(1);
    // A library user's own call of bestOf decides for itself.
    const drawn = await bestOf(model, [[1]], {
      ...options,
      candidates: 2,
      score: async (all) => all.map(() => 0),
    });
    expect(typeof tokenizer.decode(drawn[0]!.tokens)).toBe('string');
  });

  it('does so in chat and generate, and at the end of sft', async () => {
    const folder = temporaryFolder();
    (await writeChatModel(folder, { vocabSize: ROWS, initializerRange: 0.1 })).dispose();
    const common = ['--model', folder, '--max-tokens', '12', '--json'];
    const chat = await athanor('chat', ...common, '--message', 'Hello!');
    expect(chat.code, chat.stderr).toBe(0);
    const made = await athanor('generate', ...common, 'Hello!');
    expect(made.code, made.stderr).toBe(0);
    expect((lastLineJson(made.stdout).completions as { text: string }[])[0]!.text).not.toBe('');
    const data = jsonl(folder, 'rows.jsonl', [{ prompt: 'Name a colour.', completion: 'Blue.' }]);
    const settings = { data, model: folder, steps: 1, samplePrompt: ['Name a colour.'], sampleEvery: 1 };
    const record = await runSft({ ...sftDefaults, ...settings, out: temporaryFolder() });
    expect(record.step).toBe(1);
  });
});
