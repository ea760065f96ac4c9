/** Log-probabilities of a text against the logits that scripts/record-torch.py recorded. */
import { expect, it } from 'vitest';
import { loadModel } from '../../src/checkpoint/gpt-folder.ts';
import { textLogProbs } from '../../src/scoring/text-log-probs.ts';
import { maxError } from '../helpers/reference.ts';
import { loadTorchFixture, recordedModels } from '../helpers/torch-fixture.ts';

/** A tokenizer that gives these ids for every text. */
const fixed = (ids: Int32Array) => ({ encode: () => ids });

it.each(recordedModels)('%s: every token of a text has the probability that PyTorch gives it', (name) => {
  const { folder, tokens, logits, length, config } = loadTorchFixture(name);
  const ids = tokens[0]!.slice(0, length);
  const model = loadModel(folder);
  const result = textLogProbs(model, fixed(ids), 'ab');
  model.dispose();
  const expected = Array.from({ length: length - 1 }, (_, i) => {
    const row = [...logits.subarray(i * config.vocabSize, (i + 1) * config.vocabSize)];
    return row[ids[i + 1]!]! - Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
  });
  expect(result.token_ids).toEqual([...ids]);
  expect(result.log_probs[0]).toBeNull();
  const found = Float32Array.from(result.log_probs.slice(1) as number[]);
  expect(maxError(found, Float32Array.from(expected))).toBeLessThan(2e-5);
  const nats = expected.reduce((sum, value) => sum - value, 0);
  expect(result.nats).toBeCloseTo(nats, 3);
  expect(result.bits_per_byte).toBeCloseTo(nats / Math.LN2 / 2, 3);
});

it('a text that is too long or has nothing to predict is refused', () => {
  const { folder, config } = loadTorchFixture('gpt2');
  const model = loadModel(folder);
  const ids = (n: number) => fixed(new Int32Array(n));
  const most = config.contextLength + 1;
  expect(textLogProbs(model, ids(most), 'ab').token_ids.length).toBe(most);
  expect(() => textLogProbs(model, ids(most + 1), 'ab')).toThrow(`the text has ${most + 1} tokens`);
  expect(() => textLogProbs(model, ids(1), 'a')).toThrow('no token behind the first');
  model.dispose();
});
