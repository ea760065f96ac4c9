/** Supervised fine-tuning, from instructions to a model folder, on tiny models. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  loadModel,
  saveModel,
  saveScoringModel,
  scoringModelFrom,
} from '../../../src/checkpoint/gpt-folder.ts';
import { CheckpointStore } from '../../../src/checkpoint/store.ts';
import { ExampleLoader } from '../../../src/data/rows/example-loader.ts';
import { type Instruction, readInstructions } from '../../../src/data/rows/instructions.ts';
import { splitByPrompt } from '../../../src/data/rows/row-split.ts';
import { type SupervisedExample, supervisedExamples } from '../../../src/data/rows/supervised-examples.ts';
import { Answerer } from '../../../src/eval/answers.ts';
import { Gpt } from '../../../src/nn/gpt.ts';
import { presetConfig } from '../../../src/nn/presets.ts';
import { noGrad } from '../../../src/tensor/autograd.ts';
import { scope, tensor } from '../../../src/tensor/tensor.ts';
import { ChatTemplate } from '../../../src/text/chat-template.ts';
import { Tokenizer } from '../../../src/text/tokenizer.ts';
import { chatTokenizer } from '../../../src/train/loop/chat-model.ts';
import { TrainableModel } from '../../../src/train/loop/trainable-model.ts';
import { SftStage } from '../../../src/train/sft/stage.ts';
import { writeChatModel } from '../../helpers/chat-model.ts';
import { athanor, temporaryFolder } from '../../helpers/cli.ts';
import { evaluated, jsonl, logged, runSft, sftDefaults } from '../../helpers/stages.ts';

const CONTEXT = 64;
let folder: string;
let model: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'athanor-sft-'));
  model = join(folder, 'model');
  (await writeChatModel(model, { contextLength: CONTEXT })).dispose();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const colours = ['Blue.', 'Red, then.', 'Hello!', 'Be brief.'];
/** Answers of different lengths, so that a mean of means is not the mean. */
const dialogues = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    prompt: `Name a colour. ${i}`,
    completion: colours[i % 4]!.repeat(1 + (i % 3)),
  }));

/** Nats of the supervised targets of one example, and how many they are. */
function nats(gpt: Gpt, { tokens, targets }: SupervisedExample): { sum: number; count: number } {
  const sum = noGrad(() =>
    scope(() => {
      const input = {
        tokens: tensor(tokens),
        positions: tensor(Int32Array.from(tokens, (_, i) => i)),
        cuSeqlens: tensor(Int32Array.of(0, tokens.length)),
      };
      return gpt.loss(input, tensor(targets)).loss.item();
    }),
  );
  return { sum, count: targets.filter((id) => id >= 0).length };
}

/** Mean loss of a model folder on rows, each example by itself. */
function lossOf(from: string, rows: readonly Instruction[]): number {
  const template = ChatTemplate.of(Tokenizer.load(from));
  const gpt = loadModel(from);
  const { examples } = supervisedExamples(rows, template, { context: CONTEXT, overLong: 'truncate' });
  const losses = examples.map((example) => nats(gpt, example));
  gpt.dispose();
  return losses.reduce((sum, part) => sum + part.sum, 0) / losses.reduce((sum, part) => sum + part.count, 0);
}

const weights = (from: string) => readFileSync(join(from, 'model.safetensors'));

describe('R30: the loss is the mean over supervised tokens of the whole update', () => {
  const run = async (name: string, settings: object) => {
    const out = join(temporaryFolder(), name);
    const data = jsonl(folder, 'r30.jsonl', dialogues(24));
    await runSft({ ...sftDefaults, data, model, out, steps: 3, ...settings });
    return { loss: logged(out, 'loss'), norm: logged(out, 'grad_norm'), tokens: logged(out, 'tokens') };
  };
  const expectSame = (a: Awaited<ReturnType<typeof run>>, b: typeof a) => {
    expect(a.tokens).toEqual(b.tokens);
    for (const field of ['loss', 'norm'] as const) {
      for (const [step, value] of a[field].entries()) {
        expect(Math.abs(value / b[field][step]! - 1), `${field} ${step}`).toBeLessThan(1e-4);
      }
    }
  };

  it('R30: one batch of eight, eight of one and two of four take the same steps', async () => {
    const whole = await run('8x1', { packing: false, batchSize: 8, gradAccum: 1 });
    expect(whole.loss).toHaveLength(3);
    expectSame(await run('1x8', { packing: false, batchSize: 1, gradAccum: 8 }), whole);
    expectSame(await run('4x2', { packing: false, batchSize: 4, gradAccum: 2 }), whole);
  });

  it('packed or not, an epoch in one batch takes the same steps', async () => {
    const all = { batchSize: 24, gradAccum: 1 };
    expectSame(
      await run('packed', { ...all, packing: true }),
      await run('alone', { ...all, packing: false }),
    );
  });

  it('R30: it is what the examples come to one by one', async () => {
    const { loss } = await run('all', { packing: true, batchSize: 24, steps: 1 });
    const { rows } = await readInstructions(join(folder, 'r30.jsonl'));
    expect(loss[0]).toBeCloseTo(lossOf(model, rows), 5);
  });
});

describe('validation', () => {
  const data = () => jsonl(folder, 'validation.jsonl', dialogues(40));

  it('is the loss of the held-out prompts under the model that is left', async () => {
    const out = join(temporaryFolder(), 'run');
    const settings = { ...sftDefaults, validationSplit: 0.3, batchSize: 1, epochs: 2 };
    const report = await runSft({ ...settings, data: data(), model, out });
    const { rows } = await readInstructions(data());
    const promptOf = ({ messages }: Instruction) => messages.slice(0, -1);
    const { train, validation } = splitByPrompt(rows, promptOf, 0.3, settings.seed);
    expect(validation.length).toBeGreaterThan(3);
    expect(report.val_loss).toBeCloseTo(lossOf(out, validation), 4);
    expect(report.val_loss).toBeLessThan(lossOf(model, validation));
    // Two epochs of what is left of the prompts, rows packed.
    expect(logged(out, 'epoch').at(-1)).toBe(2);
    expect(report.step).toBeLessThan(2 * train.length);
  });

  it('ends the run when patience is used up, and the best model is the one left', async () => {
    const out = join(temporaryFolder(), 'run');
    const noise = Array.from({ length: 16 }, (_, i) => ({
      prompt: `${i}?`,
      completion: `${(i * 7919) % 97}`,
    }));
    const report = await runSft({
      ...{ ...sftDefaults, data: jsonl(folder, 'noise.jsonl', noise), model, out },
      ...{ validationSplit: 0.4, lr: 2e-2, steps: 400, evalEvery: 2, patience: 3, keepCheckpoints: 1 },
    });
    const losses = evaluated(out, 'val_loss');
    const best = Math.min(...losses);
    expect(report.step).toBe(2 * losses.length);
    expect(losses.length).toBeLessThan(200);
    expect(losses.indexOf(best)).toBe(losses.length - 4);
    const kept = new CheckpointStore(out).best()!;
    expect(kept.step).toBe(2 * (losses.indexOf(best) + 1));
    expect(weights(out).equals(weights(kept.path))).toBe(true);
    expect(weights(out).equals(weights(new CheckpointStore(out).latest()!.path))).toBe(false);
  });
});

describe('NEFTune', () => {
  it('is noise in training only', async () => {
    const run = async (neftuneAlpha: number) => {
      const out = join(temporaryFolder(), 'run');
      const data = jsonl(folder, 'neftune.jsonl', dialogues(12));
      // Too small a rate to change any weight.
      const settings = { ...sftDefaults, lr: 1e-30, validationSplit: 0.3, steps: 2, neftuneAlpha };
      const { loss, val_loss } = await runSft({ ...settings, data, model, out });
      return { loss, val_loss };
    };
    const [without, with5] = [await run(0), await run(5)];
    expect(with5.val_loss).toBe(without.val_loss);
    expect(Math.abs(with5.loss - without.loss)).toBeGreaterThan(1e-4);
  });

  it('differs between the batches of one update, and is the same in a run that is repeated', () => {
    const chat = chatTokenizer(model, folder);
    const examples = supervisedExamples(
      [
        {
          id: '',
          messages: [
            { role: 'user', content: 'x' },
            { role: 'assistant', content: 'Blue.' },
          ],
        },
      ],
      chat.template,
      { context: CONTEXT, overLong: 'drop' },
    ).examples;
    const losses = () => {
      const policy = new TrainableModel(loadModel(model), { ...sftDefaults, tokenizerFolder: model });
      const stage = new SftStage(policy, chat, {
        loader: new ExampleLoader(examples, { batchSize: 1, context: CONTEXT, packing: true, seed: 1 }),
        ...{ validation: [], tokensPerBatch: CONTEXT, context: CONTEXT, neftune: 10 },
        ...{ samplePrompts: [], sampleTokens: 1, seed: 1 },
      });
      const batches = [stage.nextBatch(), stage.nextBatch()];
      const found = batches.map((batch) => noGrad(() => scope(() => stage.loss(batch, 1).item())));
      stage.dispose();
      return found;
    };
    const [first, second] = losses();
    expect(first).not.toBe(second);
    expect(losses()).toEqual([first, second]);
  });
});

it('LoRA leaves an ordinary model folder that scores as the live model did', async () => {
  const out = join(temporaryFolder(), 'run');
  const data = jsonl(folder, 'lora.jsonl', dialogues(40));
  const report = await runSft({
    ...{ ...sftDefaults, data, model, out, validationSplit: 0.3 },
    ...{ loraRank: 4, lr: 3e-2, steps: 60 },
  });
  const { rows } = await readInstructions(data);
  const { validation } = splitByPrompt(rows, ({ messages }) => messages.slice(0, -1), 0.3, sftDefaults.seed);
  expect(report.val_loss).toBeLessThan(lossOf(model, validation) - 0.3);
  expect(report.val_loss).toBeCloseTo(lossOf(out, validation), 4);
  const [before, after] = [loadModel(model), loadModel(out)];
  const stored = new Map([...after.parameters()].map(([name, value]) => [name, value.toFloats()]));
  expect([...stored.keys()]).toEqual([...before.parameters()].map(([name]) => name));
  const changed = [...before.parameters()].filter(
    ([name, value]) => !stored.get(name)!.every((x, i) => x === value.toFloats()[i]),
  );
  // Projections and nothing else; four in each block.
  expect(changed.length).toBe(4 * before.config.layers);
  for (const [name] of changed) expect(name).toMatch(/blocks\.\d+\.(attention|feedForward|mlp).*weight/);
  before.dispose();
  after.dispose();
});

it('R7: a base model gets a template, learns the answers, and learns to stop', async () => {
  const [base, out] = [join(folder, 'base'), join(temporaryFolder(), 'run')];
  const tokenizer = await Tokenizer.train(['Name a colour. Blue. Red. '.repeat(9)], { vocabSize: 280 });
  tokenizer.save(base);
  const gpt = new Gpt(presetConfig('tiny', { vocabSize: tokenizer.vocabSize, contextLength: CONTEXT }), {
    seed: 1,
  });
  await saveModel(base, gpt, { tokenizer: base });
  gpt.dispose();
  const facts = { sky: 'Blue.', rose: 'Red.', grass: 'Green, of course.', snow: 'White.' };
  const rows = Object.entries(facts).map(([thing, completion]) => ({
    prompt: `Colour of ${thing}?`,
    completion,
  }));
  const report = await runSft({
    ...{ ...sftDefaults, data: jsonl(folder, 'facts.jsonl', rows), model: base, out },
    ...{ steps: 120, lr: 5e-3, samplePrompt: ['Colour of snow?'] },
  });
  expect(report.loss).toBeLessThan(0.05);
  const trained = loadModel(out);
  const answers = await new Answerer(trained, Tokenizer.load(out)).answer(
    rows.map(({ prompt }) => [{ role: 'user', content: prompt }]),
    { maxTokens: 40, temperature: 0 },
  );
  trained.dispose();
  expect(answers).toEqual(Object.values(facts));
  const config = JSON.parse(readFileSync(join(out, 'generation_config.json'), 'utf8'));
  expect(config.eos_token_id).toContain(Tokenizer.load(out).specialTokens.get('<|end|>'));
});

describe('what can go wrong', () => {
  const sft = (data: string, ...extra: string[]) => {
    const out = join(temporaryFolder(), 'run');
    const common = ['--model', model, '--out', out, '--steps', '1', '--batch-size', '2', '--json'];
    return athanor('sft', '--data', data, ...common, ...extra);
  };
  const good = { prompt: 'Name a colour.', completion: 'Blue.' };

  it('bad rows are skipped and counted with their places, or the first one ends the run', async () => {
    const bad = ['{"prompt": "x"', { prompt: 'x' }, { prompt: 'x', completion: '' }, [1], { messages: [] }];
    const data = jsonl(folder, 'bad.jsonl', [good, ...bad, { ...good, prompt: 'Another one?' }]);
    const skipped = await sft(data);
    expect(skipped.code).toBe(0);
    expect(skipped.stderr).toMatch(
      /left out 5 rows \(bad json 1, bad row 2, empty 2\); the first of each: .*bad\.jsonl:2/,
    );
    const stopped = await sft(data, '--on-bad-line', 'fail');
    expect(stopped.code).toBe(1);
    expect(stopped.stderr).toMatch(/bad\.jsonl:2.*\[ERR_FORMAT\]/);
    expect(stopped.stderr).not.toMatch(/\n\s+at /);
  });

  it('over-long examples are cut or left out and counted, and one with nothing left to learn is no NaN', async () => {
    const long = { prompt: 'Hello!', completion: 'Red, then. '.repeat(40) };
    const unanswered = { prompt: 'Name a colour. '.repeat(60), completion: 'Blue.' };
    const data = jsonl(folder, 'long.jsonl', [good, long, unanswered]);
    const cut = await sft(data, '--validation-split', '0');
    expect(cut.stderr).toMatch(
      /1 examples cut to the context, 1 examples left out for nothing to learn was left of them/,
    );
    expect(JSON.parse(cut.stdout.trim().split('\n').at(-1)!).loss).toBeGreaterThan(0);
    const dropped = await sft(data, '--validation-split', '0', '--over-long', 'drop');
    expect(dropped.stderr).toMatch(/2 examples longer than the context left out/);
    const asked = await sft(data, '--sample-prompt', 'Name a colour. '.repeat(20));
    expect(asked.stderr).toMatch(
      /a --sample-prompt of \d+ tokens and 32 for its answer exceed the context of 64/,
    );
    const none = await sft(jsonl(folder, 'none.jsonl', [unanswered]), '--validation-split', '0');
    expect(none.code).toBe(1);
    expect(none.stderr).toMatch(
      /no example of .*none\.jsonl is left to train on: 1 examples.*\[ERR_ARGUMENT\]/,
    );
  });

  it('a template that raises is told with its words and the row', async () => {
    const strict = join(folder, 'strict');
    const gpt = await writeChatModel(strict, { contextLength: CONTEXT });
    gpt.dispose();
    const tokenizer = Tokenizer.load(strict);
    tokenizer.chatTemplate = `{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system message, please') }}{% endif %}${tokenizer.chatTemplate}`;
    tokenizer.save(strict);
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hello!' },
      { role: 'assistant', content: 'Blue.' },
    ];
    const data = jsonl(folder, 'system.jsonl', [good, { messages }]);
    const options = ['--model', strict, '--validation-split', '0'];
    const { code, stderr } = await sft(data, ...options, '--on-bad-line', 'fail');
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /system\.jsonl:2: the chat template refused the messages: no system message, please \[ERR_CONFIG\]/,
    );
    const skipped = await sft(data, ...options);
    expect(skipped.code).toBe(0);
    expect(skipped.stderr).toMatch(
      /left out 1 row \(refused 1\); .*system\.jsonl:2: .*no system message, please/,
    );
  });

  it('a template that rewrites earlier turns is told once', async () => {
    const moving = join(folder, 'moving');
    const gpt = await writeChatModel(moving, { contextLength: CONTEXT });
    gpt.dispose();
    const tokenizer = Tokenizer.load(moving);
    // As templates that drop the thoughts of earlier turns.
    tokenizer.chatTemplate = `{% for m in messages %}<|{{ m.role }}|>{{ 'Hm. ' if loop.last and m.role == 'user' }}{{ m.content }}<|end|>{% endfor %}{{ '<|assistant|>' if add_generation_prompt }}`;
    tokenizer.save(moving);
    const messages = [
      { role: 'user', content: 'Hello!' },
      { role: 'assistant', content: 'Blue.' },
    ];
    const data = jsonl(folder, 'moving.jsonl', [good, { messages }]);
    const { code, stderr } = await sft(data, '--model', moving, '--validation-split', '0.5');
    expect(code).toBe(0);
    const told = stderr.match(/the chat template rewrites turns of 2 dialogues when later turns follow/g);
    expect(told).toHaveLength(1);
  });

  it('a reward model, a missing file and a context beyond the model are refused', async () => {
    const data = jsonl(folder, 'good.jsonl', [good]);
    const judge = join(folder, 'judge');
    const scoring = scoringModelFrom(model);
    await saveScoringModel(judge, scoring, { tokenizer: model });
    scoring.dispose();
    expect((await sft(data, '--model', judge)).stderr).toMatch(
      /judge is a reward model, not a language model/,
    );
    expect((await sft(data, '--context', '65')).stderr).toMatch(/--context 65 exceeds the context of 64/);
    expect((await sft(join(folder, 'absent.jsonl'))).stderr).toMatch(/absent\.jsonl.*\[ERR_FILE_MISSING\]/);
  });
});
