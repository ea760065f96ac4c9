/** Texts of models whose tokenizer has tokens that the model has no rows for. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { generateText } from '../../src/generate/generate-text.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';

let tokenizer: Tokenizer;
let model: Gpt;
beforeAll(async () => {
  tokenizer = await Tokenizer.train(['Name a colour. Blue. '.repeat(9)], { vocabSize: 265 });
  model = new Gpt(presetConfig('tiny', { vocabSize: tokenizer.vocabSize, contextLength: 32 }), { seed: 1 });
});
afterAll(() => model.dispose());

const options = { maxTokens: 4, temperature: 0, stopTokens: [] };

it('a special token without a row, such as one that pads, changes nothing', async () => {
  const padded = tokenizer.withSpecialTokens(['[PAD]']);
  const [expected] = await generateText(model, tokenizer, ['Name'], options);
  expect(await generateText(model, padded, ['Name'], options)).toEqual([expected]);
});

it('ordinary tokens without rows are of another model', async () => {
  const other = await Tokenizer.train(['Name a colour. Blue. '.repeat(9)], { vocabSize: 270 });
  await expect(generateText(model, other, ['Name'], options)).rejects.toMatchObject({
    ...{ code: 'ERR_MISMATCH', message: expect.stringMatching(/has 270 tokens and the model only 265/) },
  });
});
