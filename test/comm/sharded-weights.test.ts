import { beforeEach, describe, expect, it } from 'vitest';
import { GradientBuckets } from '../../src/comm/buckets.ts';
import type { Communicator } from '../../src/comm/communicator.ts';
import { native } from '../../src/native/addon.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { noGrad } from '../../src/tensor/autograd.ts';
import { scope, tensor, zeros } from '../../src/tensor/tensor.ts';
import { collectGarbage } from '../helpers/garbage.ts';
import { ranksInProcess } from '../helpers/ranks.ts';
import { expectSameBits } from '../helpers/reference.ts';

const config = presetConfig('tiny', { vocabSize: 300 });
const makeModel = () => new Gpt(config, { seed: 4 });

/** A model on each rank, its weights shared out. */
function shareOut(size: number) {
  return ranksInProcess(size).map((communicator) => {
    const model = makeModel();
    const buckets = new GradientBuckets([...model.parameters().values()], communicator, { zero: 3 });
    const weights = buckets.weights!;
    weights.shareOut();
    return { communicator, model, buckets, weights };
  });
}

const dispose = (ranks: ReturnType<typeof shareOut>) => {
  for (const { buckets, model } of ranks) {
    buckets.dispose();
    model.dispose();
  }
};

/** The last hidden state of a decoding step, with a fresh cache. */
function decoded(model: Gpt): Float32Array {
  const { layers, kvHeads, headDim, contextLength } = config;
  return noGrad(() =>
    scope(() => {
      const ints = (...values: number[]) => tensor(Int32Array.from(values));
      const input = { tokens: ints(5, 7), positions: ints(0, 1), cuSeqlens: ints(0, 2) };
      const tensors = Array.from({ length: 2 * layers }, () => zeros([1, kvHeads, contextLength, headDim]));
      const cache = { tensors, slots: ints(0), pastLengths: ints(0), maxTokens: contextLength };
      return model.forward(input, cache).toFloats();
    }),
  );
}

describe('weights that are shared out', () => {
  beforeEach(collectGarbage);

  it('take a part of the memory, and come back with the same bits', async () => {
    const whole = new Map([...makeModel().parameters()].map(([name, value]) => [name, value.toFloats()]));
    const before = native.memoryStats()[0];
    const ranks = shareOut(4);
    const bytes = 4 * [...whole.values()].reduce((sum, { length }) => sum + length, 0);
    // Four ranks have one copy together. Parts are whole chunks, and the model is small.
    expect(native.memoryStats()[0] - before).toBeLessThan(1.6 * bytes);
    await Promise.all(ranks.map(({ weights }) => weights.bringBack()));
    for (const { model } of ranks) {
      for (const [name, value] of model.parameters())
        expectSameBits(value.toFloats(), whole.get(name)!, name);
    }
    dispose(ranks);
  });

  it('are there as a whole for a while; what is written then is gone after', async () => {
    const ranks = shareOut(2);
    const values = await Promise.all(
      ranks.map(({ model, weights }) =>
        weights.whole(() =>
          weights.whole(async () => {
            const { weight } = model.finalNorm;
            const found = weight.toFloats();
            weight.write(found.map((value) => 2 * value));
            return found;
          }),
        ),
      ),
    );
    const again = await Promise.all(
      ranks.map(({ model, weights }) => weights.whole(async () => model.finalNorm.weight.toFloats())),
    );
    expect(again).toEqual(values);
    dispose(ranks);
  });

  it('decode with what they are now, and leave nothing behind', async () => {
    const ranks = shareOut(2);
    const decode = () =>
      Promise.all(ranks.map(({ model, weights }) => weights.whole(async () => decoded(model))));
    const plain = makeModel();
    const first = decoded(plain);
    const held = native.memoryStats()[0];
    expectSameBits((await decode())[1]!, first);
    expect(native.memoryStats()[0]).toBe(held);
    const gain = plain.finalNorm.weight.toFloats().map((value) => 2 * value);
    plain.finalNorm.weight.write(gain);
    for (const { model, weights, buckets, communicator } of ranks) {
      const { begin, end } = buckets.runOf(model.finalNorm.weight, communicator.rank);
      if (begin === end) continue;
      const elements = weights.elementsOf(model.finalNorm.weight);
      native.write(elements, gain.subarray(begin, end));
      elements.dispose();
    }
    const wanted = decoded(plain);
    for (const found of await decode()) expectSameBits(found, wanted);
    plain.dispose();
    dispose(ranks);
  });

  it('cannot be read outside of a pass', () => {
    const ranks = shareOut(2);
    expect(() => ranks[0]!.model.finalNorm.weight.toFloats()).toThrow(
      expect.objectContaining({ code: 'ERR_STATE', message: expect.stringMatching(/outside of the loss/) }),
    );
    // Its shape is known all the same.
    expect(ranks[0]!.model.finalNorm.weight.size).toBe(config.hiddenSize);
    dispose(ranks);
  });

  it('need a communicator that can wait in the middle of a pass', () => {
    const ranks = shareOut(2);
    const { buckets, model } = ranks[0]!;
    buckets.beginPass();
    expect(() => model.finalNorm.weight.handle).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', message: expect.stringMatching(/no `block`/) }),
    );
  });
});

it('buckets of one process share nothing out', () => {
  const alone = { ...ranksInProcess(1)[0]!, rank: 0, size: 1 } as Communicator;
  const buckets = new GradientBuckets([...makeModel().parameters().values()], alone, { zero: 3 });
  expect(buckets.weights).toBeUndefined();
  buckets.dispose();
});
