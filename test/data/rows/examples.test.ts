/**
 * From instructions to batches: which tokens are supervised, how examples are packed,
 * and their order.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ShuffledCycle } from '../../../src/data/rows/cycle.ts';
import { ExampleLoader, packExamples } from '../../../src/data/rows/example-loader.ts';
import type { Instruction } from '../../../src/data/rows/instructions.ts';
import { bestFitPack } from '../../../src/data/rows/packing.ts';
import { fittingPrompts, readPrompts } from '../../../src/data/rows/prompts.ts';
import { holdOutPrompts, splitByPrompt } from '../../../src/data/rows/row-split.ts';
import { type SupervisedExample, supervisedExamples } from '../../../src/data/rows/supervised-examples.ts';
import { Gpt } from '../../../src/nn/gpt.ts';
import { presetConfig } from '../../../src/nn/presets.ts';
import { preferenceData } from '../../../src/scoring/encoded-comparisons.ts';
import { ChatTemplate } from '../../../src/text/chat-template.ts';
import { Tokenizer } from '../../../src/text/tokenizer.ts';
import { chatTokenizer } from '../../helpers/chat-model.ts';
import { expectClose, rng } from '../../helpers/reference.ts';
import { gradients, type TokenBatch } from '../../helpers/token-batch.ts';

let tokenizer: Tokenizer;
let template: ChatTemplate;
let folder: string;
beforeAll(async () => {
  tokenizer = await chatTokenizer();
  template = ChatTemplate.of(tokenizer);
  folder = mkdtempSync(join(tmpdir(), 'athanor-examples-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const idOf = (name: string) => tokenizer.specialTokens.get(name)!;

function instruction(question: string, ...more: string[]): Instruction {
  const messages = [question, ...more].map((content, i) => {
    return { role: i % 2 === 0 ? 'user' : 'assistant', content };
  });
  return { id: question, messages };
}

describe('supervised examples', () => {
  const dialogue = instruction('Name a colour.', 'Blue.', 'Another one?', 'Red, then.');
  const whole = { context: 1000, overLong: 'drop' } as const;

  it('R7: predict each token of the answers and the end token of each, and nothing else', () => {
    const { examples } = supervisedExamples([dialogue], template, whole);
    const { tokens, supervised } = template.encodeDialogue(dialogue.messages);
    const [example] = examples;
    expect(Array.from(example!.tokens)).toEqual(Array.from(tokens.slice(0, -1)));
    expect(Array.from(example!.targets)).toEqual(
      Array.from(tokens.slice(1), (id, i) => (supervised[i + 1] ? id : -100)),
    );
    const learned = Array.from(example!.targets).filter((id) => id >= 0);
    expect(tokenizer.decode(learned)).toBe('Blue.<|end|>Red, then.<|end|>');
  });

  it('R6: a padding token that is the end of text takes no end token out of training', () => {
    const ending = Tokenizer.load(savedWith({ eos_token: '<|end|>', pad_token: '<|end|>' }));
    expect(ending.padId).toBe(ending.eosId);
    const { examples } = supervisedExamples([dialogue, dialogue], ChatTemplate.of(ending), whole);
    const loader = new ExampleLoader(examples, { batchSize: 2, context: 200, packing: true, seed: 1 });
    const batch = loader.next();
    expect(Array.from(batch.targets).filter((id) => id === ending.eosId)).toHaveLength(4);
    // Every token of the batch is an example's: nothing fills it up.
    expect(batch.tokens).toHaveLength(2 * examples[0]!.tokens.length);
    expect(Array.from(batch.cuSeqlens)).toEqual([0, examples[0]!.tokens.length, batch.tokens.length]);
  });

  function savedWith(config: object): string {
    const path = join(folder, 'padded');
    tokenizer.save(path);
    const chatTemplate = { chat_template: tokenizer.chatTemplate };
    writeFileSync(join(path, 'tokenizer_config.json'), JSON.stringify({ ...config, ...chatTemplate }));
    return path;
  }

  it('that are too long are cut or left out, and never left with nothing to learn', () => {
    const prompt = template.encodePrompt(dialogue.messages.slice(0, 1)).length;
    const full = template.encodeDialogue(dialogue.messages).tokens.length;
    for (let context = 2; context <= full; ++context) {
      const set = supervisedExamples([dialogue], template, { context, overLong: 'truncate' });
      // The last token of a dialogue is only predicted, so one longer than the context fits.
      const cut = full > context + 1;
      const learnable = context >= prompt;
      expect(set, `context ${context}`).toMatchObject({
        truncated: cut && learnable ? 1 : 0,
        unsupervised: learnable ? 0 : 1,
        dropped: 0,
      });
      expect(set.examples).toHaveLength(learnable ? 1 : 0);
      for (const { tokens, targets } of set.examples) {
        expect(tokens.length).toBe(Math.min(context, full - 1));
        expect(targets.some((id) => id >= 0)).toBe(true);
      }
      const dropped = supervisedExamples([dialogue], template, { context, overLong: 'drop' });
      expect(dropped).toMatchObject({ dropped: cut ? 1 : 0, truncated: 0, unsupervised: 0 });
      expect(dropped.examples).toHaveLength(cut ? 0 : 1);
    }
  });

  it('of a row that the template refuses name it', () => {
    const row = { id: 'rows.jsonl:9', messages: [{ role: 'tool', content: 'x' }] };
    expect(() => supervisedExamples([row], template, whole)).toThrow(
      /^rows\.jsonl:9: the chat template refused the messages: unknown role tool/,
    );
  });
});

describe('R10: what is too long', () => {
  const long = 'colour '.repeat(40);
  const write = (name: string, rows: object[]) => {
    const path = join(folder, name);
    writeFileSync(path, rows.map((row) => JSON.stringify(row)).join('\n'));
    return path;
  };

  it('a prompt is left out whole and counted', async () => {
    const path = write('prompts.jsonl', [{ prompt: 'Hello!' }, { prompt: long }, { prompt: 'Blue.' }]);
    const { rows } = await readPrompts(path);
    const { fitting, tooLong } = fittingPrompts(rows, template, 20);
    expect(tooLong).toBe(1);
    expect(fitting.map(({ tokens }) => tokenizer.decode(tokens))).toEqual([
      '<|user|>Hello!<|end|><|assistant|>',
      '<|user|>Blue.<|end|><|assistant|>',
    ]);
    const limit = fitting[0]!.tokens.length;
    expect(fittingPrompts(rows.slice(0, 1), template, limit).tooLong).toBe(0);
    expect(fittingPrompts(rows.slice(0, 1), template, limit - 1).tooLong).toBe(1);
  });

  it('R7, R10: comparisons end with the end token, and none is kept with an answer cut', async () => {
    const path = write('comparisons.jsonl', [
      { prompt: 'Hello!', chosen: 'Blue.', rejected: 'Red.' },
      { prompt: 'Hello!', chosen: `${long}1`, rejected: `${long}2` },
    ]);
    const settings = { data: path, seed: 0, validationSplit: 0, onBadLine: 'fail' } as const;
    const { train, notes } = await preferenceData(settings, template, 40);
    expect(train).toHaveLength(1);
    expect(notes).toEqual(['1 comparisons with answers beyond 40 tokens left out']);
    expect(train[0]!.answers.map(({ tokens }) => tokenizer.decode(tokens))).toEqual([
      '<|user|>Hello!<|end|><|assistant|>Blue.<|end|>',
      '<|user|>Hello!<|end|><|assistant|>Red.<|end|>',
    ]);
    for (const { tokens } of train[0]!.answers) expect(tokens.at(-1)).toBe(idOf('<|end|>'));
  });
});

describe('best-fit packing', () => {
  it('fills bins exactly once, within capacity and within 11/9 of the least number plus one', () => {
    const random = rng(4);
    for (let round = 0; round < 300; ++round) {
      const capacity = 1 + random.integer(60);
      const lengths = Array.from({ length: random.integer(80) }, () => 1 + random.integer(capacity));
      const bins = bestFitPack(lengths, capacity);
      expect(bins.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
      for (const bin of bins) {
        expect(bin.length).toBeGreaterThan(0);
        expect(bin.reduce((sum, i) => sum + lengths[i]!, 0)).toBeLessThanOrEqual(capacity);
      }
      const total = lengths.reduce((sum, length) => sum + length, 0);
      const large = lengths.filter((length) => 2 * length > capacity).length;
      const least = Math.max(Math.ceil(total / capacity), large);
      // Proved of the least number of bins there can be (Johnson, 1973), and so far seen of this
      // lower bound on it.
      expect(bins.length).toBeLessThanOrEqual((11 / 9) * least + 1);
      expect(bestFitPack(lengths, capacity)).toEqual(bins);
    }
  });

  it('finds the perfect packing of bins cut in two, and puts each into the fullest bin that has room', () => {
    const random = rng(5);
    const pairs = Array.from({ length: 50 }, () => 1 + random.integer(99));
    const lengths = pairs.flatMap((length) => [length, 100 - length]).filter((length) => length > 0);
    expect(bestFitPack(lengths, 100)).toHaveLength(50);
    expect(bestFitPack([5, 3, 6, 2, 4], 10)).toEqual([
      [2, 4],
      [0, 1, 3],
    ]);
    expect(bestFitPack([3, 12, 2], 10)).toEqual([[1], [0, 2]]);
    expect(bestFitPack([], 10)).toEqual([]);
  });

  it('packs 300,000 lengths in moments, with hardly any room left over', () => {
    const random = rng(6);
    const lengths = Array.from({ length: 300_000 }, () => 1 + random.integer(2048));
    const startedAt = performance.now();
    const bins = bestFitPack(lengths, 2048);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    const total = lengths.reduce((sum, length) => sum + length, 0);
    expect(total / (bins.length * 2048)).toBeGreaterThan(0.99);
  });
});

/** Examples of these lengths whose tokens tell which they are. */
function examplesOf(lengths: readonly number[]): SupervisedExample[] {
  return lengths.map((length, i) => ({
    tokens: new Int32Array(length).fill(i),
    targets: new Int32Array(length).fill(i % 3 === 0 ? -100 : i),
  }));
}

describe.each([true, false])('the loader, packing %s', (packing) => {
  const random = rng(8);
  const lengths = Array.from({ length: 97 }, () => 1 + random.integer(30));
  const examples = examplesOf(lengths);
  const options = { batchSize: 4, context: 32, packing, seed: 3 };
  const sequences = ({ tokens, cuSeqlens }: ReturnType<ExampleLoader['next']>) =>
    Array.from(cuSeqlens.slice(0, -1), (start) => tokens[start]!);

  it('gives every example once an epoch, whole, in another order each time', () => {
    const loader = new ExampleLoader(examples, options);
    const orders: number[][] = [];
    for (let epoch = 0; epoch < 3; ++epoch) {
      const order: number[] = [];
      for (let i = 0; i < loader.batchesPerEpoch; ++i) {
        expect(loader.epoch).toBe(epoch);
        const batch = loader.next();
        expect(batch.tokens.length).toBeLessThanOrEqual(4 * 32);
        const given = sequences(batch);
        if (!packing) expect(given.length).toBeLessThanOrEqual(4);
        expect(batch).toEqual(packExamples(given.map((index) => examples[index]!)));
        order.push(...given);
      }
      expect([...order].sort((a, b) => a - b)).toEqual(examples.map((_, i) => i));
      orders.push(order);
    }
    expect(orders[1]).not.toEqual(orders[0]);
    expect(orders[2]).not.toEqual(orders[1]);
    expect(new ExampleLoader(examples, { ...options, seed: 4 }).next()).not.toEqual(
      new ExampleLoader(examples, options).next(),
    );
  });

  it('goes on exactly from a saved state, at any batch', () => {
    const loader = new ExampleLoader(examples, options);
    const count = 2 * loader.batchesPerEpoch + 3;
    const states: string[] = [];
    const batches = Array.from({ length: count }, () => {
      states.push(JSON.stringify(loader.state()));
      return loader.next();
    });
    for (let i = 0; i + 1 < count; ++i) {
      const resumed = new ExampleLoader(examples, options);
      resumed.restore(JSON.parse(states[i]!));
      expect([resumed.next(), resumed.next()]).toEqual([batches[i], batches[i + 1]]);
    }
  });

  it.each([2, 3])('is shared among %i ranks: each skips the batches of the others', (size) => {
    const one = new ExampleLoader(examples, { ...options, gradAccum: 2 });
    const ranks = Array.from(
      { length: size },
      () => new ExampleLoader(examples, { ...options, gradAccum: 2 }),
    );
    for (let i = 0; i < 2 * one.batchesPerEpoch; ++i) {
      const own = ranks.map((loader, rank) => (i % size === rank ? loader.next() : void loader.skip()));
      expect(own[i % size]).toEqual(one.next());
      for (const loader of ranks) expect(loader.state()).toEqual(one.state());
    }
  });

  it('gives one token without a target where the epoch of an update has nothing left', () => {
    const few = examplesOf([3, 4, 5]);
    const loader = new ExampleLoader(few, { ...options, batchSize: 3, gradAccum: 2, packing: false });
    loader.next();
    expect(loader.next()).toEqual({
      tokens: Int32Array.of(0),
      targets: Int32Array.of(-100),
      positions: Int32Array.of(0),
      cuSeqlens: Int32Array.of(0, 1),
    });
    expect(loader.epoch).toBe(1);
  });

  it('goes on at the same example with another batch size', () => {
    const loader = new ExampleLoader(examples, options);
    loader.next();
    const state = JSON.parse(JSON.stringify(loader.state()));
    const single = new ExampleLoader(examples, { ...options, batchSize: 1 });
    single.restore(state);
    const parts = Array.from({ length: options.batchSize }, () => sequences(single.next()));
    expect(parts.flat()).toEqual(sequences(loader.next()));
    expect(single.state()).toEqual(loader.state());
  });

  it('keeps an update in its epoch after another batch size and number of batches per update', () => {
    const loader = new ExampleLoader(examples, options);
    loader.next();
    const resumed = new ExampleLoader(examples, { ...options, batchSize: 3, gradAccum: 4 });
    resumed.restore(JSON.parse(JSON.stringify(loader.state())));
    const indices: number[] = [];
    while (resumed.epoch === 0) for (let i = 0; i < 4; ++i) indices.push(...sequences(resumed.next()));
    const expected: number[] = [];
    while (loader.epoch === 0) expected.push(...sequences(loader.next()));
    expect(indices.filter((index) => index % 3 !== 0)).toEqual(expected.filter((index) => index % 3 !== 0));
    expect(resumed.state()).toEqual(loader.state());
  });

  it('reads the place of a checkpoint that counts batches', () => {
    const loader = new ExampleLoader(examples, options);
    loader.next();
    const { epoch, of } = loader.state() as { epoch: number; of: object };
    const older = { epoch, batch: 1, of: { ...of, batchSize: options.batchSize } };
    const resumed = new ExampleLoader(examples, { ...options, batchSize: 2 });
    resumed.restore(older);
    expect(resumed.state()).toEqual(loader.state());
  });

  it('refuses the state of other examples or another order', () => {
    const state = new ExampleLoader(examples, options).state();
    const changed = examples.map(({ tokens, targets }, i) => ({
      tokens,
      targets: i === 50 ? targets.map((id) => id + 1) : targets,
    }));
    for (const other of [
      new ExampleLoader(examples.slice(1), options),
      new ExampleLoader(changed, options),
      new ExampleLoader(examples, { ...options, seed: 9 }),
    ]) {
      expect(() => other.restore(state)).toThrow(expect.objectContaining({ code: 'ERR_MISMATCH' }));
    }
  });

  it('refuses no examples, and one beyond the context', () => {
    expect(() => new ExampleLoader([], options)).toThrow(/no example to learn from/);
    expect(() => new ExampleLoader(examplesOf([3, 33]), options)).toThrow(
      /an example has 33 tokens and the context is 32/,
    );
  });
});

it('packed examples have the losses and gradients that they have alone', () => {
  const dialogues = ['Blue.', 'Red, then.', 'Hello!'].map((answer, i) =>
    instruction(`Name a colour. ${'Another one? '.repeat(i)}`, answer),
  );
  const { examples } = supervisedExamples(dialogues, template, { context: 64, overLong: 'truncate' });
  const model = new Gpt(presetConfig('tiny', { vocabSize: tokenizer.vocabSize }), { seed: 2 });
  const batchOf = (chosen: SupervisedExample[]): TokenBatch => {
    const { tokens, targets, positions, cuSeqlens } = packExamples(chosen);
    return { n: 1, ids: tokens, targets, positions: [...positions], starts: [...cuSeqlens] };
  };
  const packed = gradients(model, batchOf(examples));
  const alone = examples.map((example) => gradients(model, batchOf([example])));
  expect(packed.loss).toBeCloseTo(
    alone.reduce((sum, { loss }) => sum + loss, 0),
    4,
  );
  for (const [name, gradient] of packed.grads) {
    const sum = new Float64Array(gradient.length);
    for (const { grads } of alone) {
      grads.get(name)!.forEach((value, i) => {
        sum[i]! += value;
      });
    }
    const largest = Math.max(...sum.map(Math.abs));
    expectClose(gradient, sum, 0, 1e-5 * largest, name);
  }
  model.dispose();
});

describe('R38: a cycle', () => {
  it('gives everything once a round, reshuffled each time', () => {
    const cycle = new ShuffledCycle(7, 5);
    const rounds = Array.from({ length: 20 }, () => cycle.take(7));
    for (const round of rounds) expect([...round].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(new Set(rounds.map(String)).size).toBeGreaterThan(15);
    const one = new ShuffledCycle(1, 5);
    expect(one.take(3)).toEqual([0, 0, 0]);
  });

  it('goes on exactly from a saved state, and refuses that of another number of rows', () => {
    const cycle = new ShuffledCycle(5, 2);
    for (let i = 0; i < 13; ++i) {
      const resumed = new ShuffledCycle(5, 2);
      resumed.restore(JSON.parse(JSON.stringify(cycle.state())));
      const next = cycle.take(1);
      expect(resumed.take(1)).toEqual(next);
    }
    expect(() => new ShuffledCycle(6, 2).restore(cycle.state())).toThrow(
      /5 rows to choose from and there are 6/,
    );
    expect(() => new ShuffledCycle(0, 2)).toThrow(/0 items/);
  });
});

describe('the split', () => {
  const rows = Array.from({ length: 600 }, (_, i) => instruction(`Question ${i % 200}?`, `Answer ${i}.`));
  const promptOf = ({ messages }: Instruction) => messages.slice(0, -1);

  it('keeps identical prompts on one side, near the fraction, whatever the order of rows', () => {
    const { train, validation } = splitByPrompt(rows, promptOf, 0.2, 1);
    expect(train.length + validation.length).toBe(600);
    expect(validation.length / 600).toBeGreaterThan(0.12);
    expect(validation.length / 600).toBeLessThan(0.28);
    const asked = new Set(train.map(({ id }) => id));
    expect(validation.some(({ id }) => asked.has(id))).toBe(false);
    const reversed = splitByPrompt([...rows].reverse(), promptOf, 0.2, 1);
    expect(new Set(reversed.validation)).toEqual(new Set(validation));
    expect(splitByPrompt(rows, promptOf, 0.2, 2).validation).not.toEqual(validation);
    expect(splitByPrompt(rows, promptOf, 0, 1).validation).toEqual([]);
  });

  it('keeps out so many distinct prompts, all rows of each, and half of the prompts at most', () => {
    const held = holdOutPrompts(rows, promptOf, 30, 1);
    const asked = (of: Instruction[]) => new Set(of.map((row) => JSON.stringify(promptOf(row))));
    expect(asked(held.validation).size).toBe(30);
    expect(asked(held.train).size).toBe(170);
    expect(held.validation).toHaveLength(90);
    expect(held.train.length + held.validation.length).toBe(600);
    const reversed = holdOutPrompts([...rows].reverse(), promptOf, 30, 1);
    expect(new Set(reversed.validation)).toEqual(new Set(held.validation));
    expect(holdOutPrompts(rows, promptOf, 30, 2).validation).not.toEqual(held.validation);
    expect(asked(holdOutPrompts(rows, promptOf, 1000, 1).validation).size).toBe(100);
    expect(holdOutPrompts(rows.slice(0, 1), promptOf, 64, 1).train).toHaveLength(1);
  });

  it('tells when all rows ask the same and fell to validation', () => {
    const same = Array.from({ length: 5 }, () => instruction('Name a colour.', 'Blue.'));
    const seeds = Array.from({ length: 40 }, (_, seed) => seed);
    const sides = seeds.map((seed) => {
      try {
        return splitByPrompt(same, promptOf, 0.5, seed).train.length;
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_ARGUMENT', message: /all 5 rows are validation data/ });
        return 0;
      }
    });
    expect(new Set(sides)).toEqual(new Set([0, 5]));
  });
});
