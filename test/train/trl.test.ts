/**
 * The same rows and weights in TRL 1.13: losses and gradients of its trainers, which
 * scripts/record-trl.py recorded.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { loadModel, loadScoringModel } from '../../src/checkpoint/gpt-folder.ts';
import { readModelFiles } from '../../src/checkpoint/load-model.ts';
import { selfCommunicator } from '../../src/comm/self-communicator.ts';
import { packExamples } from '../../src/data/rows/example-loader.ts';
import { supervisedExamples } from '../../src/data/rows/supervised-examples.ts';
import { TokenBatch } from '../../src/data/token-batch.ts';
import type { Decoder } from '../../src/nn/decoder.ts';
import type { ScoreReading } from '../../src/nn/scoring-model.ts';
import { type EncodedComparison, encodeComparison } from '../../src/scoring/encoded-comparisons.ts';
import { responseOutput } from '../../src/scoring/response-log-probs.ts';
import { type ResponseSequence, responseInput } from '../../src/scoring/sequences.ts';
import { backward } from '../../src/tensor/autograd.ts';
import { add } from '../../src/tensor/ops/elementwise.ts';
import { scope, type Tensor } from '../../src/tensor/tensor.ts';
import { ChatTemplate, type Message } from '../../src/text/chat-template.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { TrainableModel } from '../../src/train/loop/trainable-model.ts';
import { DpoStage, referencePairs } from '../../src/train/preference/dpo-stage.ts';
import { KtoStage, referenceRatings } from '../../src/train/preference/kto-stage.ts';
import { RewardStage } from '../../src/train/preference/reward-stage.ts';
import { lossShare } from '../../src/train/rl/loss-aggregation.ts';
import { batchPolicyLoss, type PolicyLossSettings } from '../../src/train/rl/policy-loss.ts';
import { Rollout, RolloutBatch } from '../../src/train/rl/rollout.ts';
import { maxError } from '../helpers/reference.ts';

type Rows = number[][];
interface Pair {
  prompt: Message[];
  chosen: Message[];
  rejected: Message[];
}
interface Recorded {
  rows: { dialogues: { messages: Message[] }[]; pairs: Pair[] };
  cases: Record<string, Case>;
}
type Batch = Record<string, Rows> & { label: boolean[]; advantages: number[] };
interface Case {
  loss: number;
  batch: Batch;
  /** Instead of `batch`: those of one update. */
  batches?: Batch[];
}

const root = join(packageRoot, 'test/fixtures/trl');
const recorded = JSON.parse(readFileSync(join(root, 'record.json'), 'utf8')) as Recorded;
const folder = join(root, 'model');
const template = ChatTemplate.of(Tokenizer.load(folder));
const of = (name: string) => recorded.cases[name]!;

/** Runs a loss, and compares it and the gradients of the whole model with those of a case. */
function expectRecorded(name: string, model: Decoder, loss: () => Tensor, where = folder): void {
  const value = scope(() => {
    const made = loss();
    backward(made);
    return made.item();
  });
  expect(Math.abs(value - of(name).loss)).toBeLessThan(1e-5 * Math.max(1, Math.abs(of(name).loss)));
  const wanted = readModelFiles(where, `${name}.safetensors`).parameters;
  for (const [key, parameter] of model.parameters()) {
    // The bias of our score head, which moves all scores alike.
    if (key === 'score.bias') continue;
    const grad = wanted.get(key)!.data as Float32Array;
    const largest = grad.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    expect(maxError(parameter.grad!.toFloats(), grad) / largest, key).toBeLessThan(2e-5);
  }
}

/** Rows without their padding. */
function unpadded(rows: Rows, mask: Rows): number[][] {
  return rows.map((row, i) => row.filter((_, j) => mask[i]![j] === 1));
}

/** Prompts with answers, from rows of tokens and of which of them belong to the answer. */
function answersOf(ids: Rows, mask: Rows, completion: Rows): ResponseSequence[] {
  return unpadded(ids, mask).map((tokens, i) => ({
    prompt: i,
    tokens: Int32Array.from(tokens),
    promptLength: completion[i]!.indexOf(1),
    finished: true,
  }));
}

const rowOptions = { validation: [], batchSize: 4, gradAccum: 1, seed: 0, communicator: selfCommunicator };
const trainable = <M extends Decoder>(model: M) =>
  new TrainableModel(model, {
    tokenizerFolder: folder,
    ...{ seed: 0, loraRank: 0, loraAlpha: 1, loraTargets: ['all'] as const },
  });

/** The model with all weights halved. */
function halved() {
  const model = loadModel(folder);
  for (const value of model.parameters().values()) value.write(value.toFloats().map((x) => x / 2));
  return model;
}

/** The recorded pairs as our stages encode them. */
function encodedPairs(chat: ChatTemplate, reading?: ScoreReading): EncodedComparison[] {
  return recorded.rows.pairs.map(({ prompt, chosen, rejected }, i) => {
    const completions = [...chosen, ...rejected].map(({ content }) => content);
    return encodeComparison({ id: `row ${i}`, prompt, completions, ranks: [0, 1] }, chat, reading);
  });
}

describe('SFT on the answers of dialogues', () => {
  const { dialogues } = recorded.rows;
  const instructions = dialogues.map(({ messages }, i) => ({ id: `row ${i}`, messages }));
  const { examples } = supervisedExamples(instructions, template, {
    context: 48,
    overLong: 'drop',
    onBadLine: 'fail',
  });

  it("has TRL's tokens and masks", () => {
    const { input_ids: ids, labels, attention_mask: mask } = of('sft-masked').batch;
    const wanted = unpadded(ids!, mask!);
    const kept = unpadded(labels!, mask!);
    const sort = (rows: readonly (readonly number[])[]) => rows.map((row) => row.join()).sort();
    expect(sort(examples.map(({ tokens }) => [...tokens]))).toEqual(
      sort(wanted.map((row) => row.slice(0, -1))),
    );
    expect(sort(examples.map(({ targets }) => [...targets]))).toEqual(sort(kept.map((row) => row.slice(1))));
  });

  it.each(['sft-masked', 'sft-packed'])('%s', (name) => {
    const model = loadModel(folder);
    const packed = packExamples(examples);
    const count = packed.targets.filter((target) => target >= 0).length;
    expectRecorded(name, model, () => {
      const { input, targets } = new TokenBatch(packed);
      return model.loss(input, targets, { scale: 1 / count }).loss;
    });
  });
});

describe('a reward model', () => {
  const where = join(root, 'reward');
  it.each([
    ['reward', 0],
    ['reward-centering', 0.01],
  ] as const)('%s', (name, centering) => {
    const model = loadScoringModel(where);
    const judge = ChatTemplate.of(Tokenizer.load(where));
    const comparisons = encodedPairs(judge, model.reading);
    const { input_ids: ids, attention_mask: mask } = of(name).batch;
    const sort = (rows: readonly ArrayLike<number>[]) => rows.map((row) => Array.from(row).join()).sort();
    const ours = comparisons.flatMap(({ answers }) => answers.map(({ tokens }) => tokens));
    expect(sort(ours)).toEqual(sort(unpadded(ids!, mask!)));
    const stage = new RewardStage(trainable(model), { ...rowOptions, train: comparisons, centering });
    expectRecorded(name, model, () => stage.loss(comparisons, 1 / comparisons.length), where);
  });
});

describe('DPO', () => {
  it.each(['sigmoid', 'ipo', 'hinge'] as const)('%s', (kind) => {
    const model = loadModel(folder);
    const { input_ids: ids, attention_mask: mask, completion_mask: completion } = of(`dpo-${kind}`).batch;
    const comparisons = encodedPairs(template);
    const sort = (answers: readonly ResponseSequence[]) =>
      answers.map(({ tokens, promptLength }) => `${promptLength}: ${tokens.join()}`).sort();
    const ours = comparisons.flatMap(({ answers }) => answers);
    expect(sort(ours)).toEqual(sort(answersOf(ids!, mask!, completion!)));
    const train = referencePairs(halved(), comparisons);
    const options = { ...rowOptions, train, beta: 0.1, kind, labelSmoothing: 0 };
    const stage = new DpoStage(trainable(model), options);
    expectRecorded(`dpo-${kind}`, model, () => stage.loss(train, 1 / train.length));
  });
});

describe('KTO', () => {
  it.each([
    ['kto', 'kto', 1.5],
    ['kto-apo-zero', 'apo-zero', 1],
  ] as const)('%s', (name, loss, desirableWeight) => {
    const model = loadModel(folder);
    const { batch } = of(name);
    const answers = answersOf(batch.input_ids!, batch.attention_mask!, batch.completion_mask!);
    const others = batch.KL_input_ids
      ? answersOf(batch.KL_input_ids, batch.KL_attention_mask!, batch.KL_completion_mask!)
      : answers;
    const ratings = answers.map((answer, i) => ({ answer, mismatched: others[i]!, isGood: batch.label[i]! }));
    const train = referenceRatings(halved(), ratings);
    const options = { ...rowOptions, train, beta: 0.1, loss, desirableWeight, undesirableWeight: 1 };
    const stage = new KtoStage(trainable(model), options);
    expectRecorded(name, model, () => stage.loss(train, 1 / train.length));
  });
});

/** A batch of TRL's as responses with their numbers; prompts have no padding. */
function rolloutOf(batch: Batch): Rollout {
  const { prompt_ids, completion_ids, completion_mask, old_per_token_logps, ref_per_token_logps } = batch;
  const completions = unpadded(completion_ids!, completion_mask!);
  const sequences = completions.map((tokens, i) => ({
    prompt: 0,
    tokens: Int32Array.from([...prompt_ids![i]!, ...tokens]),
    promptLength: prompt_ids![i]!.length,
    finished: true,
  }));
  const perToken = (rows: Rows) => Float32Array.from(unpadded(rows, completion_mask!).flat());
  const values = {
    logProbs: perToken(old_per_token_logps!),
    referenceLogProbs: perToken(ref_per_token_logps!),
    advantages: Float32Array.from(completions.flatMap((row, i) => row.map(() => batch.advantages[i]!))),
    values: new Float32Array(0),
    returns: new Float32Array(0),
  };
  return new Rollout(0, sequences, values, {});
}

describe('GRPO', () => {
  const halves = [
    [0, 1],
    [2, 3],
  ];
  it.each([
    ['dapo', 'token', 'grpo-dapo', [[0, 1, 2, 3]]],
    ['dapo', 'token', 'grpo-dapo', halves],
    ['dr-grpo', 'token', 'grpo-dr_grpo', [[0, 1, 2, 3]]],
    ['dr-grpo', 'token', 'grpo-dr_grpo', halves],
    ['grpo', 'token', 'grpo-grpo', [[0, 1, 2, 3]]],
    ['grpo', 'token', 'grpo-grpo', halves],
    ['bnpo', 'token', 'grpo-bnpo', halves],
    ['grpo', 'sequence', 'grpo-grpo-sequence', [[0, 1, 2, 3]]],
    ['grpo', 'sequence', 'grpo-grpo-sequence', halves],
    ['dapo', 'sequence', 'grpo-dapo-sequence', halves],
  ] as const)('%s, one ratio per %s: %s in batches of rows %j', (loss, level, name, rows) => {
    const model = loadModel(folder);
    const { batch, batches: several } = of(name);
    const batches = several
      ? several.map((half) => new RolloutBatch(rolloutOf(half), [0, 1]))
      : rows.map((indices) => new RolloutBatch(rolloutOf(batch), indices));
    const settings: PolicyLossSettings = {
      ...{ loss, importanceSamplingLevel: level, clipLow: 0.2, clipHigh: 0.2 },
      ...{ dualClip: undefined, entropyCoef: 0, gradAccum: batches.length },
    };
    const shares = batches.map((taken) => lossShare(loss, taken, 8));
    const scale = 1 / shares.reduce((a, b) => a + b);
    expectRecorded(name, model, () => {
      const losses = batches.map((taken) => {
        const now = responseOutput(model, responseInput(taken.sequences), 1);
        return batchPolicyLoss(now, taken, 0.04, scale, settings).loss;
      });
      return losses.reduce(add);
    });
  });
});
