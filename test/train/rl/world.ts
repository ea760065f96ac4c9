/**
 * Parts that the tests of this folder share: tiny policies with prompts of unequal length, a
 * reward, and a stage around them.
 */
import type { Communicator } from '../../../src/comm/communicator.ts';
import { selfCommunicator } from '../../../src/comm/self-communicator.ts';
import type { DType } from '../../../src/native/binding.ts';
import { Gpt } from '../../../src/nn/gpt.ts';
import { presetConfig } from '../../../src/nn/presets.ts';
import { ScoringModel } from '../../../src/nn/scoring-model.ts';
import { readMetrics } from '../../../src/report/metrics-log.ts';
import type { Answer, RewardSource } from '../../../src/scoring/reward-source.ts';
import type { ResponseSequence } from '../../../src/scoring/sequences.ts';
import { backward } from '../../../src/tensor/autograd.ts';
import { scope, type Tensor } from '../../../src/tensor/tensor.ts';
import { Tokenizer } from '../../../src/text/tokenizer.ts';
import type { LoraSettings } from '../../../src/train/loop/settings.ts';
import { TrainableModel } from '../../../src/train/loop/trainable-model.ts';
import { Trainer, type TrainerOptions } from '../../../src/train/loop/trainer.ts';
import type { AdvantageEstimator } from '../../../src/train/rl/advantage-estimator.ts';
import { type Critic, SharedCritic } from '../../../src/train/rl/critic.ts';
import { CriticEstimator, type CriticOptions } from '../../../src/train/rl/critic-estimator.ts';
import { KlController } from '../../../src/train/rl/kl-controller.ts';
import { RolloutModels } from '../../../src/train/rl/models.ts';
import { PolicyStage, type PolicyStageOptions } from '../../../src/train/rl/policy-stage.ts';
import { type PpoParts, respond } from '../../../src/train/rl/ppo-iteration.ts';
import type { PretrainingMix } from '../../../src/train/rl/pretraining-mix.ts';
import type { EncodedPrompt } from '../../../src/train/rl/prompts.ts';
import { penaliseUnfinished } from '../../../src/train/rl/rewards.ts';
import type { RolloutBatch } from '../../../src/train/rl/rollout.ts';
import { type DrawnResponses, SampledResponses } from '../../../src/train/rl/sampled-responses.ts';
import { Sampler, type SamplerOptions } from '../../../src/train/rl/sampler.ts';
import { Scorer, type ScorerOptions } from '../../../src/train/rl/scorer.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { randomIntegers } from '../../helpers/reference.ts';

/** The last four ids end a response, so that responses have many lengths. */
export const VOCABULARY = 64;
export const STOPS: readonly number[] = Array.from({ length: 4 }, (_, i) => VOCABULARY - 1 - i);
export const isStop = (token: number): boolean => token >= VOCABULARY - STOPS.length;

export interface WorldOptions {
  dtype?: DType;
  vocabulary?: number;
  prompts?: number;
  lora?: Partial<LoraSettings>;
  sampler?: Partial<SamplerOptions>;
  /** At the sampler's temperature. */
  scorer?: Partial<Omit<ScorerOptions, 'temperature'>>;
  stage?: Partial<PolicyStageOptions>;
  kl?: KlController;
  ptx?: PretrainingMix;
  /** Indices of prompts to evaluate on. */
  heldOut?: readonly number[];
  /** Default: a head on the policy. */
  critic?: Critic;
  advantages?: Partial<CriticOptions>;
  /** Instead of one with a critic. */
  estimator?: AdvantageEstimator;
  /** The score of one answer. Default: how many of its tokens are even. */
  reward?: (answer: Answer, response: Int32Array) => number;
  /** The ranks that share rollouts and updates. Default: this one alone. */
  communicator?: Communicator;
  /** Instead of `reward`. */
  source?: RewardSource;
}

/** Wide enough that no distribution is nearly uniform, so that mistakes show. */
const wide = { initializerRange: 0.3, hiddenSize: 32, heads: 2 };

export function tinyPolicy(seed = 1, dtype: DType = 'f32', vocabulary = VOCABULARY): Gpt {
  return new Gpt(presetConfig('tiny', { vocabSize: vocabulary, ...wide }), { seed, dtype });
}

export function tinyScorer(seed = 1, dtype: DType = 'f32'): ScoringModel {
  return new ScoringModel(presetConfig('tiny', { vocabSize: VOCABULARY, ...wide }), { seed, dtype });
}

/** Prompts of 1, 2, ... tokens, then from 1 again. */
export function unequalPrompts(count: number, vocabulary = VOCABULARY): EncodedPrompt[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `prompts.jsonl:${i + 1}`,
    tokens: randomIntegers(1 + (i % 9), 50 + i, vocabulary - 1),
    text: `prompt ${i}`,
    row: { place: i },
  }));
}

let bytes: Promise<Tokenizer> | undefined;
/** Only to have some text; ids beyond it decode to nothing. */
export function byteTokenizer(): Promise<Tokenizer> {
  bytes ??= Tokenizer.train(['abcabc'], { vocabSize: 260 });
  return bytes;
}

export class CountingReward implements RewardSource {
  readonly seen: Answer[] = [];
  readonly #reward: NonNullable<WorldOptions['reward']>;
  readonly #promptLengths: ReadonlyMap<string, number>;

  constructor(reward: NonNullable<WorldOptions['reward']>, prompts: readonly EncodedPrompt[]) {
    this.#reward = reward;
    this.#promptLengths = new Map(prompts.map(({ text, tokens }) => [text, tokens.length]));
  }

  async score(answers: readonly Answer[]): Promise<Float32Array> {
    this.seen.push(...answers);
    return Float32Array.from(answers, (answer) =>
      this.#reward(answer, answer.tokens.subarray(this.#promptLengths.get(answer.prompt)!)),
    );
  }

  dispose(): void {}
}

const samplerDefaults: SamplerOptions = {
  promptsPerRollout: 16,
  responsesPerPrompt: 1,
  maxResponseLength: 12,
  temperature: 1,
  stopTokens: STOPS,
  suppressTokens: [],
  decodeBatchSize: 5,
  seed: 11,
};

const scorerDefaults = { rewardClip: 0, missingEos: 'none', missingEosValue: 0 } as const;

export const evenTokens = (_: unknown, response: Int32Array): number =>
  response.filter((token) => token % 2 === 0).length / 4;

/** Everything that draws and scores responses. */
export interface Responders {
  sampler: Sampler;
  scorer: Scorer;
  models: RolloutModels;
  policy: Gpt;
  reference: Gpt | undefined;
  prompts: readonly EncodedPrompt[];
  reward: CountingReward;
  /** Responses to prompts of these indices, scored. */
  respond(prompts: readonly number[], seed: number): Promise<SampledResponses>;
}

export interface World extends Responders {
  stage: PolicyStage;
  kl: KlController;
}

export async function makeResponders(options: WorldOptions = {}): Promise<Responders> {
  const { dtype = 'f32', prompts: count = 16, vocabulary = VOCABULARY, lora = {} } = options;
  const { communicator = selfCommunicator } = options;
  const policy = tinyPolicy(1, dtype, vocabulary);
  const trainable = new TrainableModel(policy, {
    tokenizerFolder: '',
    seed: 3,
    loraRank: 0,
    loraAlpha: 16,
    loraTargets: ['all'],
    ...lora,
  });
  const reference = trainable.hasAdapters ? undefined : tinyPolicy(1, dtype, vocabulary);
  const prompts = unequalPrompts(count, vocabulary);
  const reward = new CountingReward(options.reward ?? evenTokens, prompts);
  const models = new RolloutModels({ policy: trainable, reference, reward: options.source ?? reward });
  const sampler = new Sampler(policy, prompts, { ...samplerDefaults, ...options.sampler });
  const { temperature } = sampler.options;
  const scorer = new Scorer(models, prompts, await byteTokenizer(), {
    temperature,
    ...scorerDefaults,
    ...options.scorer,
  });
  return {
    ...{ sampler, scorer, models, policy, reference, prompts, reward },
    respond: (indices, seed) => respond({ sampler, scorer, communicator }, indices, seed),
  };
}

/** PPO with a head on the policy as its value model, by default. */
export async function makeWorld(options: WorldOptions = {}): Promise<World> {
  const made = await makeResponders(options);
  const { sampler, scorer, models, policy, prompts } = made;
  const kl = options.kl ?? new KlController({ coef: 0.05, horizon: 10_000 });
  const estimator = options.estimator ?? criticEstimator(policy, options);
  const { communicator = selfCommunicator } = options;
  const parts: PpoParts = { communicator, models, sampler, scorer, estimator, kl, ptx: options.ptx };
  const heldOut = options.heldOut ?? [];
  const set = { encoded: prompts, trainingCount: prompts.length, heldOut, tooLong: 0 };
  const stage = new PolicyStage(parts, set, {
    name: 'ppo',
    loss: 'dapo',
    importanceSamplingLevel: 'token',
    batchSize: 16,
    gradAccum: 1,
    epochs: 1,
    clipLow: 0.2,
    clipHigh: 0.2,
    dualClip: undefined,
    maxApproxKl: undefined,
    entropyCoef: 0,
    emaDecay: 0,
    seed: 7,
    ratioTolerance: 0,
    ...options.stage,
  });
  return { ...made, stage, kl };
}

function criticEstimator(policy: Gpt, { critic, advantages }: WorldOptions): CriticEstimator {
  return new CriticEstimator(critic ?? new SharedCritic(policy.config.hiddenSize, 1), {
    responsesPerPrompt: 1,
    gamma: 1,
    lambda: 0.95,
    klEstimator: 'k1',
    whitenRewards: false,
    valueClip: 0.2,
    valueCoef: 0.1,
    ...advantages,
  });
}

/** Collects the responses that are drawn and scored from now on. */
export function recordResponses({ sampler, scorer }: Responders): SampledResponses[] {
  const seen: SampledResponses[] = [];
  const [draw, score] = [sampler.draw.bind(sampler), scorer.score.bind(scorer)];
  let drawn: DrawnResponses | undefined;
  sampler.draw = async (...given) => {
    drawn = await draw(...given);
    return drawn;
  };
  scorer.score = async (sequences) => {
    const scored = await score(sequences);
    const scores = penaliseUnfinished(scored.rawScores, sequences, scorer.options);
    seen.push(new SampledResponses(drawn!, { ...scored, scores }));
    return scored;
  };
  return seen;
}

/**
 * Sums the gradients of one update, as the Trainer does; they stay on the parameters.
 * Returns its loss.
 */
export async function accumulate(stage: PolicyStage, batches = 1): Promise<number> {
  const taken: RolloutBatch[] = [];
  for (let i = 0; i < batches; ++i) taken.push(await stage.nextBatch());
  const tokens = taken.reduce((sum, batch) => sum + stage.lossTokens(batch), 0);
  const figures: (readonly number[])[] = [];
  let loss = 0;
  for (const batch of taken) {
    loss += batchLoss(stage, batch, 1 / tokens);
    figures.push(stage.batchFigures());
  }
  stage.observe(figures);
  return loss;
}

function batchLoss(stage: PolicyStage, batch: RolloutBatch, scale: number): number {
  return scope(() => {
    const loss = stage.loss(batch, scale);
    backward(loss);
    return loss.item();
  });
}

/** Takes the gradients off, by name, of all groups. */
export function takeGradients(stage: PolicyStage): Map<string, Float32Array> {
  const found = new Map<string, Float32Array>();
  for (const { name: group, parameters } of stage.parameters) {
    for (const [name, parameter] of parameters) {
      if (parameter.grad) found.set(`${group}/${name}`, parameter.grad.toFloats());
      parameter.grad?.dispose();
      parameter.grad = undefined;
    }
  }
  return found;
}

/** Plain gradient descent on what has accumulated. */
export function descend(stage: PolicyStage, lr: number): void {
  const gradients = takeGradients(stage);
  for (const { name: group, parameters } of stage.parameters) {
    for (const [name, parameter] of parameters) {
      const gradient = gradients.get(`${group}/${name}`);
      if (gradient) parameter.write(parameter.toFloats().map((value, i) => value - lr * gradient[i]!));
    }
  }
}

export const constantRate = (lr: number) =>
  ({ lr, schedule: 'constant', warmupSteps: 0, minLrRatio: 1, decayRatio: 0 }) as const;

export const trainerDefaults: TrainerOptions = {
  steps: 10,
  ...constantRate(1e-3),
  optimizer: { eps: 1e-5, weightDecay: 0 },
  spikeThreshold: 1e6,
  evalEvery: 0,
  saveEvery: 0,
};

/** Trains without writing a model, and returns the records of the steps. */
export async function train(stage: PolicyStage, options: Partial<TrainerOptions>) {
  const { out = temporaryFolder() } = options;
  stage.writeModel = async () => [];
  const trainer = new Trainer(stage, { ...trainerDefaults, ...options, out });
  try {
    await trainer.run();
    const { records } = readMetrics(out);
    return {
      steps: records.filter(({ event }) => event === undefined) as unknown as Record<string, number>[],
      events: records.filter(({ event }) => event !== undefined),
    };
  } finally {
    trainer.dispose();
  }
}

export function weights(parameters: Iterable<readonly [string, Tensor]>): Map<string, Float32Array> {
  return new Map([...parameters].map(([name, value]) => [name, value.toFloats()]));
}

/** A response of these tokens to a prompt of `promptLength` tokens. */
export function sequenceOf(
  promptLength: number,
  response: readonly number[],
  finished = true,
): ResponseSequence {
  const prompt = Array.from({ length: promptLength }, (_, i) => i + 1);
  return { prompt: 0, tokens: Int32Array.from([...prompt, ...response]), promptLength, finished };
}
