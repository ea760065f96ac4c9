/** The reward model, from comparisons to a folder that scores answers, on tiny models. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { mean, wilsonInterval } from '../../../src/base/statistics.ts';
import {
  loadScoringModel,
  saveScoringModel,
  scoreReading,
  scoringModelFrom,
} from '../../../src/checkpoint/gpt-folder.ts';
import { CheckpointStore } from '../../../src/checkpoint/store.ts';
import { reward } from '../../../src/cli/reward.ts';
import { ScoringModel } from '../../../src/nn/scoring-model.ts';
import type { Figure } from '../../../src/report/figures.ts';
import { readMetrics } from '../../../src/report/metrics-log.ts';
import { type EncodedComparison, preferenceData } from '../../../src/scoring/encoded-comparisons.ts';
import { RewardModelSource, scoreAll, scoreSequences } from '../../../src/scoring/reward-model.ts';
import { noGrad } from '../../../src/tensor/autograd.ts';
import { linear } from '../../../src/tensor/ops/linear.ts';
import { gatherRows, reshape } from '../../../src/tensor/ops/rows.ts';
import { scope } from '../../../src/tensor/tensor.ts';
import { ChatTemplate } from '../../../src/text/chat-template.ts';
import { Tokenizer } from '../../../src/text/tokenizer.ts';
import { TrainableModel } from '../../../src/train/loop/trainable-model.ts';
import { reward as train } from '../../../src/train/preference/reward.ts';
import { RewardStage } from '../../../src/train/preference/reward-stage.ts';
import { writeChatModel } from '../../helpers/chat-model.ts';
import { athanor, temporaryFolder } from '../../helpers/cli.ts';
import { expectError, expectSameBits, rng } from '../../helpers/reference.ts';
import { evaluated, jsonl, logged, rewardDefaults, runReward } from '../../helpers/stages.ts';

const CONTEXT = 64;
let folder: string;
let model: string;
let template: ChatTemplate;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'athanor-reward-'));
  model = join(folder, 'model');
  (await writeChatModel(model, { contextLength: CONTEXT })).dispose();
  template = ChatTemplate.of(Tokenizer.load(model));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => vi.restoreAllMocks());

/** Rankings of three: blue before red before anything else. */
function rankings(count: number) {
  const random = rng(1);
  const others = ['Hello!', 'Be brief.', 'Another one?'];
  return Array.from({ length: count }, (_, i) => ({
    prompt: `Name a colour. ${i}`,
    completions: [`Blue. ${random.integer(9)}`, `Red, then. ${random.integer(9)}`, others[i % 3]!],
  }));
}

async function encoded(rows: readonly object[]): Promise<EncodedComparison[]> {
  const data = jsonl(temporaryFolder(), 'rows.jsonl', rows);
  const settings = { data, seed: rewardDefaults.seed, validationSplit: 0, onBadLine: 'fail' } as const;
  return (await preferenceData(settings, template, CONTEXT)).train;
}

function stageOn(train: readonly EncodedComparison[], centering = 0): RewardStage {
  const scoring = scoringModelFrom(model, { seed: 5 });
  const trainable = new TrainableModel(scoring, { ...rewardDefaults, tokenizerFolder: model });
  const stage = new RewardStage(trainable, {
    train,
    validation: [],
    batchSize: train.length,
    centering,
    seed: 1,
  });
  onTestFinished(() => stage.dispose());
  return stage;
}

const lossOf = (stage: RewardStage, batch: EncodedComparison[], scale = 1) =>
  noGrad(() => scope(() => stage.loss(batch, scale).item()));

const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** Scores of a folder's model, by comparison and answer. */
function scoresOf(from: string, comparisons: readonly EncodedComparison[]): number[][] {
  const scoring = loadScoringModel(from);
  const scores = comparisons.map(({ answers }) =>
    scoreAll(
      scoring,
      answers.map(({ tokens }) => tokens),
    ),
  );
  scoring.dispose();
  return scores;
}

describe('R32: K ranked completions of a prompt', () => {
  it('R32: are read once each, and all their pairs weigh as much as one comparison', async () => {
    const batch = await encoded([
      { prompt: 'Name a colour.', completions: ['Blue.', 'Red, then.', 'Hello!', 'Be brief.'] },
      { prompt: 'Another one?', chosen: 'Red, then.', rejected: 'Hello!' },
    ]);
    const stage = stageOn(batch);
    const spy = vi.spyOn(ScoringModel.prototype, 'scores');
    let scores: Float32Array | undefined;
    spy.mockImplementationOnce(function (this: ScoringModel, input, rows) {
      expect(spy.mock.calls).toHaveLength(1);
      spy.mockRestore();
      const found = this.scores(input, rows);
      scores = found.toFloats();
      expect(input.cuSeqlens!.size - 1).toBe(6);
      return found;
    });
    const loss = lossOf(stage, batch);
    expect(scores).toHaveLength(6);
    const [a, b, c, d, e, f] = scores!;
    const six = [a! - b!, a! - c!, a! - d!, b! - c!, b! - d!, c! - d!].map((lead) => softplus(-lead));
    expect(loss).toBeCloseTo(mean(six) + softplus(f! - e!), 5);
    expect(stage.lossTokens(batch)).toBe(2);
    expect(stage.batchTokens(batch)).toBe(
      batch.flatMap(({ answers }) => answers).reduce((sum, { tokens }) => sum + tokens.length, 0),
    );
    stage.observe([stage.batchFigures()]);
    expect(stage.stepMetrics().pairs).toBe(7);
  });

  it('R32: ties are no pairs, repeated completions are one, and both are counted', async () => {
    const rows = [
      { prompt: 'a', completions: ['Blue.', 'Red, then.', 'Hello!'], ranks: [1, 2, 2] },
      { prompt: 'b', completions: ['Blue.', 'Blue.', 'Red, then.'], scores: [3, 2, 1] },
      { prompt: 'c', chosen: 'Blue.', rejected: 'Blue.' },
      { prompt: 'd', completions: ['Blue.', 'Red, then.'], scores: [1, 1] },
      { prompt: 'e', chosen: 'Blue.', rejected: 'Red, then.' },
      { prompt: 'e', chosen: 'Blue.', rejected: 'Red, then.' },
    ];
    const data = jsonl(folder, 'ties.jsonl', rows);
    const settings = { data, seed: 1, validationSplit: 0, onBadLine: 'fail' } as const;
    const { train, notes } = await preferenceData(settings, template, CONTEXT);
    expect(train.map(({ answers, pairs }) => [answers.length, pairs])).toEqual([
      [
        3,
        [
          [0, 1],
          [0, 2],
        ],
      ],
      [2, [[0, 1]]],
      [2, [[0, 1]]],
    ]);
    expect(notes[0]).toMatch(
      /^1 tied pairs left out; 1 repeated completions merged; left out 3 rows \(tie 2, duplicate 1\)/,
    );
    expect(notes[0]).toMatch(/ties\.jsonl:3.*ties\.jsonl:6/);
  });

  it('R32: a margin is asked of the lead', async () => {
    const row = { prompt: 'Name a colour.', chosen: 'Blue.', rejected: 'Hello!' };
    const [plain, wide] = [await encoded([row]), await encoded([{ ...row, margin: 1.5 }])];
    const lead = -Math.log(Math.expm1(lossOf(stageOn(plain), plain)));
    expect(lossOf(stageOn(wide), wide)).toBeCloseTo(softplus(1.5 - lead), 4);
  });

  it('R33: centring adds the square of the sum of each pair, weighed as the pair', async () => {
    const batch = await encoded(rankings(2));
    const flat = batch.map(({ answers }) => answers.map(({ tokens }) => tokens));
    const scoring = scoringModelFrom(model, { seed: 5 });
    const scores = flat.map((sequences) => scoreAll(scoring, sequences));
    scoring.dispose();
    const squares = scores.map(([a, b, c]) => mean([(a! + b!) ** 2, (a! + c!) ** 2, (b! + c!) ** 2]));
    const added = lossOf(stageOn(batch, 0.3), batch) - lossOf(stageOn(batch), batch);
    expect(added).toBeCloseTo(0.3 * (squares[0]! + squares[1]!), 4);
  });
});

describe.each(['f32', 'bf16'] as const)('R9: a score in %s', (dtype) => {
  it('R9: is the same bits alone, among seven others, and whatever comes before and after', async () => {
    const sequences = (await encoded(rankings(4))).flatMap(({ answers }) =>
      answers.map(({ tokens }) => tokens),
    );
    const scoring = scoringModelFrom(model, { seed: 5, dtype });
    const alone = sequences.map((sequence) => scoreSequences(scoring, [sequence])[0]!);
    expectSameBits(scoreSequences(scoring, sequences.slice(0, 8)), Float32Array.from(alone.slice(0, 8)));
    expectSameBits(
      scoreSequences(scoring, [...sequences].reverse()),
      Float32Array.from([...alone].reverse()),
    );
    scoring.dispose();
  });

  it('R9: is read at the token that ends the answer, which nothing is written behind', async () => {
    const end = Tokenizer.load(model).specialTokens.get('<|end|>');
    for (const { answers } of await encoded(rankings(3))) {
      for (const { tokens, promptLength } of answers) {
        expect(tokens.at(-1)).toBe(end);
        expect(tokens.slice(promptLength, -1)).not.toContain(end);
      }
    }
  });
});

describe('R4: scores are zero on average at the end', () => {
  const run = async (settings: object) => {
    const out = join(temporaryFolder(), 'run');
    const data = jsonl(folder, 'r4.jsonl', rankings(24));
    const report = await runReward({ ...rewardDefaults, data, model, out, steps: 6, ...settings });
    return { out, report, before: new CheckpointStore(out).latest()!.path };
  };

  it('R4, R5: over the better answers, in the folder, with accuracy, loss and all else as they were', async () => {
    const { out, report, before } = await run({});
    const comparisons = await encoded(rankings(24));
    const [raw, folded] = [scoresOf(before, comparisons), scoresOf(out, comparisons)];
    const best = (scores: number[][]) => mean(scores.map(([first]) => first!));
    expect(Math.abs(best(folded))).toBeLessThan(1e-4);
    expect(Math.abs(best(raw))).toBeGreaterThan(1e-2);
    expect(report.score_offset).toBeCloseTo(-best(raw), 5);
    const correct = (scores: number[][]) => scores.map(([a, b, c]) => [a! > b!, a! > c!, b! > c!]);
    expect(correct(folded)).toEqual(correct(raw));
    folded.forEach((scores, i) => {
      scores.forEach((score, j) => {
        expect(score - raw[i]![j]!).toBeCloseTo(report.score_offset as number, 5);
      });
    });
    const [now, then] = [loadScoringModel(out), loadScoringModel(before)];
    const stored = new Map(then.parameters());
    for (const [name, value] of now.parameters()) {
      if (name !== 'score.bias') expectSameBits(value.toFloats(), stored.get(name)!.toFloats());
    }
    now.dispose();
    then.dispose();
  });

  it('R4: over the answers of instructions, where those are given', async () => {
    const demos = ['Blue.', 'Hello!', 'Be brief.'].map((completion) => ({
      prompt: 'Name a colour.',
      completion,
    }));
    const { out } = await run({ normalize: jsonl(folder, 'demos.jsonl', demos) });
    const scores = scoresOf(
      out,
      await encoded([{ prompt: 'Name a colour.', completions: demos.map((d) => d.completion) }]),
    );
    expect(Math.abs(mean(scores[0]!))).toBeLessThan(1e-4);
    const long = [{ prompt: 'Name a colour.', completion: 'Blue. '.repeat(60) }];
    await expect(run({ normalize: jsonl(folder, 'long.jsonl', long) })).rejects.toThrow(
      /long\.jsonl has no answer of at most 64 tokens to normalize on/,
    );
  });

  it('R4: of the best model, where patience chose one', async () => {
    const { out } = await run({
      ...{ data: jsonl(folder, 'r4-noise.jsonl', noise(30)), validationSplit: 0.4, lr: 1e-2 },
      ...{ steps: 300, evalEvery: 2, patience: 3, keepCheckpoints: 1 },
    });
    const store = new CheckpointStore(out);
    expect(store.best()!.step).toBeLessThan(store.latest()!.step);
    const [now, best] = [loadScoringModel(out), loadScoringModel(store.best()!.path)];
    expectSameBits(now.score.weight.toFloats(), best.score.weight.toFloats());
    now.dispose();
    best.dispose();
  });

  /** Answers whose order means nothing. */
  function noise(count: number) {
    const random = rng(9);
    const say = () => `Blue. ${random.integer(1e6)}`;
    return Array.from({ length: count }, (_, i) => ({ prompt: `${i}?`, chosen: say(), rejected: say() }));
  }

  it('R5: with LoRA the bias is in the folder too, and nothing of the adapters is lost', async () => {
    const { out, before } = await run({ loraRank: 4, lr: 2e-2 });
    const comparisons = await encoded(rankings(24));
    const [raw, folded] = [scoresOf(before, comparisons), scoresOf(out, comparisons)];
    expect(Math.abs(mean(folded.map(([first]) => first!)))).toBeLessThan(1e-4);
    expect(folded[3]![0]! - folded[3]![2]!).toBeCloseTo(raw[3]![0]! - raw[3]![2]!, 4);
  });
});

it('R6: transformers is told to fill up with a token that never ends an answer', () => {
  return (async () => {
    const out = join(temporaryFolder(), 'run');
    await runReward({
      ...rewardDefaults,
      data: jsonl(folder, 'pad.jsonl', rankings(4)),
      model,
      out,
      steps: 1,
    });
    const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'));
    const { specialTokens } = Tokenizer.load(out);
    expect(config.pad_token_id).toBe(specialTokens.get('<|endoftext|>'));
    expect(config.pad_token_id).not.toBe(specialTokens.get('<|end|>'));
  })();
});

describe('a template that writes a line break behind the end token', () => {
  const source = [
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>\\n' }}",
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
  ].join('');
  let broken: string;
  beforeAll(async () => {
    broken = join(folder, 'broken');
    (await writeChatModel(broken, { contextLength: CONTEXT })).dispose();
    const tokenizer = Tokenizer.load(broken);
    tokenizer.chatTemplate = source;
    tokenizer.save(broken);
  });
  const settings = () => ({
    ...rewardDefaults,
    data: jsonl(folder, 'broken.jsonl', rankings(4)),
    model: broken,
    out: join(temporaryFolder(), 'run'),
    steps: 2,
  });

  it('is read at the line break, as transformers does, and the folder says so', async () => {
    const lasts: string[] = [];
    const tokenizer = Tokenizer.load(broken);
    const spy = vi.spyOn(ScoringModel.prototype, 'scores');
    spy.mockImplementation(function (this: ScoringModel, input, rows) {
      const tokens = input.tokens.toInts();
      lasts.push(...[...rows.toInts()].map((row) => tokenizer.decode(tokens.subarray(row - 1, row + 1))));
      const hidden = this.forward(input);
      return reshape(linear(gatherRows(hidden, rows), this.score.weight, this.score.bias), [rows.size]);
    });
    const given = settings();
    await runReward(given);
    // Two updates and the normalisation.
    expect(lasts).toHaveLength(2 * 12 + 4);
    expect(new Set(lasts)).toEqual(new Set(['<|end|>\n']));
    expect(scoreReading(given.out)).toEqual({
      token: 'last',
      padTokenId: tokenizer.specialTokens.get('<|endoftext|>'),
    });
  });

  it('stays at the end token in a run that began there', async () => {
    const given = { ...settings(), steps: 3, saveEvery: 1 };
    const stop = new AbortController();
    const onEvent = ({ type }: { type: string }) => type === 'step' && stop.abort();
    expect((await train(given, { signal: stop.signal, onEvent })).interrupted).toBe(true);
    const checkpoint = new CheckpointStore(given.out).latest()!.path;
    const config = JSON.parse(readFileSync(join(checkpoint, 'config.json'), 'utf8'));
    expect(config.athanor_score_token).toBe('last');
    const model = loadScoringModel(checkpoint);
    model.reading = { ...model.reading, token: 'end' };
    const saved = new CheckpointStore(given.out).load();
    // Versions that read the end token wrote no digest of the rows.
    const state = saved.state as { stage: { comparisons: { rows?: string } } };
    delete state.stage.comparisons.rows;
    await new CheckpointStore(given.out).save(2, {
      writeModel: (to) => saveScoringModel(to, model, { tokenizer: broken }),
      tensors: [...saved.tensors.tensors.keys()].map((name) => [name, saved.tensors.read(name)] as const),
      state: { ...state, step: 2 },
    });
    saved.close();
    model.dispose();
    await train({ out: given.out, resume: true });
    expect(scoreReading(given.out).token).toBe('end');
  });
});

it('R37: one epoch is the default, and gives each comparison once', async () => {
  expect(reward.options.epochs.default).toBe(1);
  const out = join(temporaryFolder(), 'run');
  const data = jsonl(folder, 'r37.jsonl', rankings(20));
  const report = await runReward({ ...rewardDefaults, data, model, out });
  expect(report.step).toBe(5);
  expect(logged(out, 'pairs')).toEqual([12, 12, 12, 12, 12]);
  const tokens = (await encoded(rankings(20))).flatMap(({ answers }) =>
    answers.map((answer) => answer.tokens.length),
  );
  expect(report.tokens).toBe(tokens.reduce((sum, count) => sum + count, 0));
});

describe('held-out comparisons', () => {
  let out: string;
  beforeAll(async () => {
    out = join(folder, 'held-out');
    const data = jsonl(folder, 'held-out.jsonl', rankings(120));
    await runReward({ ...rewardDefaults, data, model, out, validationSplit: 0.25, epochs: 4, evalEvery: 30 });
  });
  const figure = (title: RegExp) => {
    const record = readMetrics(out).records.findLast(
      (r) => r.event === 'figure' && title.test(String(r.title)),
    );
    return JSON.parse(String(record!.figure)) as Figure;
  };

  it('are put in order, with the interval of that share', () => {
    const last = (field: string) => evaluated(out, field).at(-1)!;
    const pairs = last('val_pairs');
    expect(pairs).toBeGreaterThan(30);
    expect(last('val_accuracy')).toBeGreaterThan(0.9);
    expect(last('val_accuracy')).toBeGreaterThan(evaluated(out, 'val_accuracy')[0]! - 0.05);
    const { low, high } = wilsonInterval(Math.round(last('val_accuracy') * pairs), pairs);
    expect([last('val_accuracy_low'), last('val_accuracy_high')]).toEqual([low, high]);
    expect(last('val_loss')).toBeLessThan(0.4);
    expect(last('val_margin')).toBeGreaterThan(1);
  });

  it('have their histogram, calibration and accuracy by margin in the log and the report', () => {
    const pairs = evaluated(out, 'val_pairs').at(-1)!;
    const histogram = figure(/Scores of better and worse/);
    if (histogram.kind !== 'histogram') throw new Error(histogram.kind);
    expect(histogram.series.map(({ label, values }) => [label, values.length])).toEqual([
      ['better', pairs],
      ['worse', pairs],
    ]);
    const [better, worse] = histogram.series.map(({ values }) => mean(values));
    expect(better! - worse!).toBeCloseTo(evaluated(out, 'val_margin').at(-1)!, 5);
    const calibration = figure(/Predicted and actual preferences/);
    if (calibration.kind !== 'calibration') throw new Error(calibration.kind);
    expect(calibration.bins.reduce((sum, { count }) => sum + count, 0)).toBe(pairs);
    const bars = figure(/Accuracy by difference/);
    if (bars.kind !== 'bars') throw new Error(bars.kind);
    expect(bars.bars.reduce((sum, { count }) => sum + count!, 0)).toBe(pairs);
    const right = bars.bars.reduce((sum, { value, count }) => sum + value * count!, 0);
    expect(right / pairs).toBeCloseTo(evaluated(out, 'val_accuracy').at(-1)!, 9);
    const page = readFileSync(join(out, 'report.html'), 'utf8');
    for (const title of [
      'Scores of better and worse answers',
      'Predicted and actual preferences',
      'Accuracy by difference',
    ]) {
      expect(page).toContain(title);
    }
  });

  it('a policy with another tokenizer is refused, with the reason', async () => {
    const own = Tokenizer.load(out);
    RewardModelSource.load(out, own, 40, { dtype: 'f32' }).dispose();
    const other = await Tokenizer.train(['abc abc'], { vocabSize: 258, specialTokens: ['<|endoftext|>'] });
    expectError('ERR_MISMATCH', /another tokenizer than the policy, so it would read a different text/, () =>
      RewardModelSource.load(out, other, 40, { dtype: 'f32' }),
    );
    expectError('ERR_MISMATCH', /can have 65 tokens, but the context of the reward model in .* is 64/, () =>
      RewardModelSource.load(out, own, 65, { dtype: 'f32' }),
    );
    expectError('ERR_MISMATCH', /is a language model, not a reward model/, () =>
      RewardModelSource.load(model, own, 40, { dtype: 'f32' }),
    );
  });
});

describe('what can go wrong', () => {
  it('bad rows are skipped and counted with their places, or the first one ends the run', async () => {
    const bad = [
      { prompt: 'x', chosen: 'Blue.' },
      { prompt: 'x', completions: ['Blue.'] },
      { prompt: 'x', chosen: 'Blue.', rejected: 'Red, then.', margin: -1 },
      { prompt: 'x', chosen: 'Blue.', rejected: '' },
    ];
    const data = jsonl(folder, 'bad.jsonl', [...rankings(4), ...bad]);
    const args = (out: string) => [
      'reward',
      '--data',
      data,
      '--model',
      model,
      '--out',
      join(temporaryFolder(), out),
    ];
    const common = ['--steps', '1', '--batch-size', '2', '--validation-split', '0'];
    const skipped = await athanor(...args('a'), ...common);
    expect(skipped.code).toBe(0);
    expect(skipped.stderr).toMatch(
      /left out 4 rows \(bad row 3, empty 1\); the first of each: .*bad\.jsonl:5.*bad\.jsonl:8/,
    );
    const stopped = await athanor(...args('b'), ...common, '--on-bad-line', 'fail');
    expect(stopped.code).toBe(1);
    expect(stopped.stderr).toMatch(
      /bad\.jsonl:5.*neither chosen and rejected nor completions.*\[ERR_FORMAT\]/,
    );
  });
});
