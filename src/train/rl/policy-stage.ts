/**
 * Reinforcement learning as a stage: nextBatch() samples a rollout when the last one is used up, and each step is one
 * minibatch of it. PPO and GRPO differ in where advantages come from and in what holds the policy to its reference.
 */
import { tensorSources } from '../../checkpoint/gpt-folder.ts';
import type { TensorData, TensorSource } from '../../checkpoint/tensor-data.ts';
import { ShuffledCycle } from '../../data/cycle.ts';
import type { TokenLoader } from '../../data/token-loader.ts';
import { native } from '../../native/addon.ts';
import { AthanorError } from '../../native/errors.ts';
import type { JsonObject, JsonValue } from '../../native/json.ts';
import { flopsPerToken } from '../../nn/config.ts';
import type { Gpt } from '../../nn/gpt.ts';
import { mean } from '../../report/statistics.ts';
import { add } from '../../tensor/ops/elementwise.ts';
import { policyLoss, valueLoss } from '../../tensor/ops/policy.ts';
import { keep, type Tensor, tensor } from '../../tensor/tensor.ts';
import type { Evaluation, ParameterGroup, Sample, StageEvent, TrainStage } from '../stage.ts';
import type { TrainableModel } from '../trainable-model.ts';
import {
  type GroupBaseline,
  gaeAdvantages,
  groupAdvantages,
  type KlEstimator,
  tokenKl,
} from './advantages.ts';
import type { Critic } from './critic.ts';
import { episodeInput, responseLength, responseStarts } from './episode.ts';
import type { KlController } from './kl-controller.ts';
import { overEpisodes, policyOutput, responseLogProbs } from './policy.ts';
import { explainedVariance, sumsByResponse } from './rewards.ts';
import { Rollout } from './rollout.ts';
import type { SampledResponses, Sampler } from './sampler.ts';
import { StepStatistics } from './step-statistics.ts';

/** Advantages from a critic, with the KL penalty inside the reward. */
export interface CriticAlgorithm {
  kind: 'critic';
  critic: Critic;
  gamma: number;
  lambda: number;
  klEstimator: KlEstimator;
  whitenRewards: boolean;
  valueClip: number;
  valueCoef: number;
}

/** Advantages within the responses to one prompt, with the KL penalty (k3) inside the loss. */
export interface GroupAlgorithm {
  kind: 'group';
  baseline: GroupBaseline;
}

export interface PolicyStageOptions {
  name: 'ppo' | 'grpo';
  algorithm: CriticAlgorithm | GroupAlgorithm;
  kl: KlController;
  /** Responses in a batch, and batches in a minibatch. */
  batchSize: number;
  gradAccum: number;
  /** Passes over each rollout. */
  epochs: number;
  clipLow: number;
  clipHigh: number;
  /** Bound on what a negative advantage can cost, a multiple of it (Ye et al., 2020); undefined for none. */
  dualClip: number | undefined;
  entropyCoef: number;
  /** Mean squared log-ratio, halved, beyond which the rest of a rollout is dropped; undefined for never. */
  maxApproxKl: number | undefined;
  /** Decay a rollout of the weights' moving average, which is then what is saved; 0 for none. */
  ema: number;
  /** Next-token loss on pretraining text, with this weight on its mean a token (InstructGPT's PPO-ptx). */
  ptx: { loader: TokenLoader; coef: number } | undefined;
  /** Prompts of evaluations, by index; none of them is trained on. */
  validation: readonly number[];
  training: number;
  seed: number;
  /** What importance ratios may deviate from 1 before the first update: 0 on the CPU, whose kernels agree exactly. */
  ratioTolerance: number;
}

export type EpisodeBatch = readonly number[];

export class PolicyStage implements TrainStage<EpisodeBatch> {
  readonly name: string;
  readonly groups: readonly ParameterGroup[];
  readonly tokensPerBatch: number;
  readonly flopsPerToken: number;
  /** Only where there are prompts to evaluate on. */
  readonly evaluate?: () => Promise<Evaluation>;
  readonly #policy: TrainableModel<Gpt>;
  readonly #sampler: Sampler;
  readonly #options: PolicyStageOptions;
  readonly #prompts: ShuffledCycle;
  readonly #statistics = new StepStatistics();
  readonly #average: Map<string, Tensor> | undefined;
  #rollout: Rollout | undefined;
  #iteration = 0;
  #verified = false;
  #warnings: string[] = [];

  constructor(policy: TrainableModel<Gpt>, sampler: Sampler, options: PolicyStageOptions) {
    this.name = options.name;
    this.#policy = policy;
    this.#sampler = sampler;
    this.#options = options;
    this.#prompts = new ShuffledCycle(options.training, options.seed);
    const { algorithm, batchSize } = options;
    const policyGroup = { name: algorithm.kind === 'critic' ? 'policy' : '', parameters: policy.trainable };
    this.groups = [policyGroup, ...(algorithm.kind === 'critic' ? algorithm.critic.groups : [])];
    const { prompts, policy: model } = sampler.parts;
    const typicalPrompt = mean(prompts.map(({ tokens }) => tokens.length));
    const typical = Math.round(typicalPrompt + sampler.options.maxResponse);
    this.tokensPerBatch = batchSize * typical;
    const models = algorithm.kind === 'critic' && !algorithm.critic.sharesTrunk ? 2 : 1;
    this.flopsPerToken = models * flopsPerToken(model.config, typical);
    if (options.ema > 0) {
      this.#average = new Map(
        [...policy.trainable].map(([name, parameter]) => [
          name,
          keep(tensor(parameter.toFloats(), parameter.shape)),
        ]),
      );
    }
    if (options.validation.length > 0) this.evaluate = () => this.#evaluate();
    const { gradAccum } = options;
    const responses = sampler.options.prompts * sampler.options.responsesPerPrompt;
    if (responses % (batchSize * gradAccum) !== 0) {
      throw new AthanorError(
        'ERR_OPTION',
        `a rollout of ${responses} responses does not divide into minibatches of ${batchSize * gradAccum}`,
        'choose --rollout as a multiple of --batch-size times --grad-accum',
      );
    }
  }

  async nextBatch(): Promise<EpisodeBatch> {
    if (!this.#rollout || this.#usedUp(this.#rollout)) {
      this.#rollout = await this.#newRollout();
    }
    return this.#rollout.take(this.#options.batchSize, this.#options.seed);
  }

  #usedUp(rollout: Rollout): boolean {
    return rollout.taken >= rollout.episodes.length * this.#options.epochs;
  }

  batchTokens(batch: EpisodeBatch): number {
    return batch.reduce((sum, i) => sum + this.#rollout!.episodes[i]!.tokens.length - 1, 0);
  }

  lossTokens(batch: EpisodeBatch): number {
    return batch.reduce((sum, i) => sum + responseLength(this.#rollout!.episodes[i]!), 0);
  }

  loss(batch: EpisodeBatch, scale: number): Tensor {
    const { algorithm, kl, clipLow, clipHigh, dualClip, entropyCoef, ptx, gradAccum } = this.#options;
    const rollout = this.#rollout!;
    const of = (field: Parameters<Rollout['gather']>[0]) => tensor(rollout.gather(field, batch));
    const input = episodeInput(batch.map((i) => rollout.episodes[i]!));
    const { logProbs, entropies, hidden } = policyOutput(
      this.#policy.model,
      input,
      this.#sampler.options.temperature,
    );
    const inGroups = algorithm.kind === 'group';
    const policy = policyLoss(
      logProbs,
      {
        oldLogProbs: of('logProbs'),
        advantages: of('advantages'),
        ...(entropyCoef !== 0 && { entropies }),
        ...(inGroups && kl.coef !== 0 && { referenceLogProbs: of('referenceLogProbs') }),
      },
      {
        clipLow,
        clipHigh,
        ...(dualClip !== undefined && { dualClip }),
        entropyCoef,
        klCoef: inGroups ? kl.coef : 0,
        scale,
      },
    );
    let loss = policy.loss;
    let valueTerm = 0;
    let valueClipped = 0;
    if (!inGroups) {
      const value = valueLoss(
        algorithm.critic.values(input, hidden),
        { oldValues: of('values'), returns: of('returns') },
        { clip: algorithm.valueClip, scale: scale * algorithm.valueCoef },
      );
      valueTerm = value.loss.item() / algorithm.valueCoef;
      valueClipped = value.clipped;
      loss = add(loss, value.loss);
    }
    this.#statistics.add({
      tokens: logProbs.size,
      entropy: native.sum(entropies.handle),
      policyLoss: policy.loss.item(),
      valueLoss: valueTerm,
      valueClipped,
      policy: policy.stats,
    });
    return ptx ? add(loss, this.#pretrainingLoss(ptx, gradAccum)) : loss;
  }

  #pretrainingLoss({ loader, coef }: { loader: TokenLoader; coef: number }, gradAccum: number): Tensor {
    const batch = loader.next();
    const counted = batch.targets.reduce((count, target) => count + (target >= 0 ? 1 : 0), 0);
    const input = {
      tokens: tensor(batch.tokens),
      positions: tensor(batch.positions),
      cuSeqlens: tensor(batch.cuSeqlens),
    };
    const scale = coef / (Math.max(1, counted) * gradAccum);
    const { loss } = this.#policy.model.loss(input, tensor(batch.targets), { scale });
    this.#statistics.addPretraining((loss.item() * gradAccum) / coef);
    return loss;
  }

  afterUpdate(): void {
    const { maxApproxKl, ema } = this.#options;
    const rollout = this.#rollout!;
    // Ratios of the first minibatch come before any update on the rollout, so they must be 1.
    rollout.metrics.ratio_max_deviation ??= this.#statistics.ratioMaxDeviation;
    if (maxApproxKl !== undefined && this.#statistics.approxKl > maxApproxKl) rollout.finish();
    if (this.#average && this.#usedUp(rollout)) {
      for (const [name, parameter] of this.#policy.trainable) {
        native.lerpInto(this.#average.get(name)!.handle, parameter.handle, 1 - ema);
      }
    }
  }

  async #newRollout(): Promise<Rollout> {
    const { kl } = this.#options;
    const sampled = await this.#sampler.sample(this.#prompts, this.#iteration);
    const beta = kl.coef;
    const rollout = this.#makeRollout(sampled, beta);
    kl.update(rollout.metrics.kl!, sampled.episodes.length);
    this.#iteration += 1;
    if (!this.#verified) this.#verifyRatios(rollout);
    return rollout;
  }

  #makeRollout(sampled: SampledResponses, beta: number): Rollout {
    const { algorithm } = this.#options;
    const { episodes, logProbs, referenceLogProbs, scores, rawScores } = sampled;
    const starts = responseStarts(episodes);
    const klSums = sumsByResponse(tokenKl(sampled, 'k1'), starts);
    const klMean = mean(klSums);
    const startedAt = performance.now();
    let values = new Float32Array(0);
    let advantages: Float32Array;
    let returns = new Float32Array(0);
    if (algorithm.kind === 'critic') {
      values = this.#values(algorithm.critic, sampled);
      ({ advantages, returns } = gaeAdvantages(sampled, values, beta, algorithm) as {
        advantages: Float32Array<ArrayBuffer>;
        returns: Float32Array<ArrayBuffer>;
      });
    } else {
      const { responsesPerPrompt } = this.#sampler.options;
      advantages = groupAdvantages(scores, starts, responsesPerPrompt, algorithm.baseline);
    }
    const criticSeconds = (performance.now() - startedAt) / 1000;
    const lengths = episodes.map(responseLength);
    if (klMean < -1e-3 && episodes.length >= 64) {
      this.#warnings.push(
        `the KL divergence is ${klMean.toFixed(4)}, which over ${episodes.length} responses of the policy cannot be: are reference and policy of one family, and is sampling untruncated?`,
      );
    }
    const metrics = {
      reward: mean(scores),
      score: mean(rawScores),
      rlhf_reward: mean(scores) - beta * klMean,
      kl: klMean,
      kl_coef: beta,
      response_length: mean(lengths),
      eos_rate: mean(episodes.map(({ finished }) => (finished ? 1 : 0))),
      ...(algorithm.kind === 'critic' && { value_explained_variance: explainedVariance(values, returns) }),
      rollout_tokens_per_second: starts.at(-1)! / sampled.rolloutSeconds,
      rollout_seconds: sampled.rolloutSeconds,
      scoring_seconds: sampled.scoringSeconds + criticSeconds,
    };
    const perToken = { logProbs, referenceLogProbs, advantages, values, returns };
    return new Rollout(this.#iteration, episodes, perToken, metrics);
  }

  #values(critic: Critic, { episodes }: SampledResponses): Float32Array<ArrayBuffer> {
    const { temperature } = this.#sampler.options;
    const { model } = this.#policy;
    return overEpisodes(episodes, (batch) =>
      critic.values(batch, critic.sharesTrunk ? policyOutput(model, batch, temperature).hidden : undefined),
    ) as Float32Array<ArrayBuffer>;
  }

  /** Training must see the very numbers that were sampled from; otherwise every ratio after this is off. */
  #verifyRatios({ episodes, perToken }: Rollout): void {
    const { temperature } = this.#sampler.options;
    const again = responseLogProbs(this.#policy.model, episodes, temperature);
    let worst = 0;
    again.forEach((logProb, i) => {
      worst = Math.max(worst, Math.abs(Math.exp(logProb - perToken.logProbs[i]!) - 1));
    });
    if (!(worst <= this.#options.ratioTolerance)) {
      throw new AthanorError(
        'ERR_INTERNAL',
        `before any update the importance ratio of a token is off by ${worst}, and ${this.#options.ratioTolerance} is the most that is right: sampling and training disagree`,
        'please report this with the command and the output of athanor info',
      );
    }
    this.#verified = true;
  }

  stepMetrics(): Record<string, number> {
    return { ...this.#rollout!.metrics, ...this.#statistics.take() };
  }

  stepEvents(): StageEvent[] {
    const events = this.#warnings.map((text) => ({ event: 'warning', text }));
    this.#warnings = [];
    return events;
  }

  async #evaluate(): Promise<Evaluation> {
    const { validation, seed } = this.#options;
    // The same prompts and random streams each time: two evaluations differ by the policy alone.
    const sampled = await this.#sampler.respond(validation, seed);
    const starts = responseStarts(sampled.episodes);
    const reward = mean(sampled.scores);
    const kl = mean(sumsByResponse(tokenKl(sampled, 'k1'), starts));
    return { metrics: { val_reward: reward, val_kl: kl }, score: -reward };
  }

  async sample(): Promise<Sample[]> {
    const rollout = this.#rollout;
    if (!rollout) return [];
    return rollout.episodes.slice(0, 4).map((episode) => ({
      prompt: this.#sampler.parts.prompts[episode.prompt]!.text,
      text: this.#sampler.responseText(episode),
    }));
  }

  state(): JsonValue {
    const { kl, ptx } = this.#options;
    const state: JsonObject = {
      prompts: this.#prompts.state(),
      iteration: this.#iteration,
      kl_coef: kl.coef,
      rollout: this.#rollout ? this.#rollout.state() : null,
    };
    if (ptx) state.ptx = { ...ptx.loader.state() };
    return state;
  }

  tensors(): [string, TensorSource][] {
    const { algorithm } = this.#options;
    const named = (prefix: string, values: Iterable<readonly [string, Tensor]>) =>
      tensorSources(values).map(([name, source]): [string, TensorSource] => [`${prefix}/${name}`, source]);
    // With an average, that is what the model folder holds, so the live weights are stored beside it.
    const averaged = this.#average
      ? [...named('ema', this.#average), ...named('live', this.#policy.trainable)]
      : [];
    return [
      ...this.#policy.tensors(),
      ...(algorithm.kind === 'critic' ? algorithm.critic.tensors() : []),
      ...(this.#rollout?.tensors() ?? []),
      ...averaged,
    ];
  }

  restore(state: JsonValue, tensors: (name: string) => TensorData): void {
    const saved = state as JsonObject;
    const { algorithm, kl, ptx } = this.#options;
    this.#prompts.restore(saved.prompts!);
    this.#iteration = saved.iteration as number;
    kl.coef = saved.kl_coef as number;
    if (ptx) ptx.loader.restore(saved.ptx as unknown as Parameters<TokenLoader['restore']>[0]);
    this.#policy.restore(tensors);
    if (algorithm.kind === 'critic') algorithm.critic.restore(tensors);
    for (const [name, average] of this.#average ?? []) {
      average.write(tensors(`ema/${name}`).data as Float32Array);
      this.#policy.trainable.get(name)!.write(tensors(`live/${name}`).data as Float32Array);
    }
    this.#rollout = saved.rollout ? Rollout.restore(saved.rollout as JsonObject, tensors) : undefined;
  }

  /** The moving average where one is kept, else the policy. */
  async writeModel(folder: string) {
    const average = this.#average;
    if (!average) return this.#policy.write(folder);
    const live = new Map<string, Float32Array>();
    for (const [name, parameter] of this.#policy.trainable) {
      live.set(name, parameter.toFloats());
      parameter.write(average.get(name)!.toFloats());
    }
    try {
      return await this.#policy.write(folder);
    } finally {
      for (const [name, parameter] of this.#policy.trainable) parameter.write(live.get(name)!);
    }
  }

  dispose(): void {
    const { algorithm } = this.#options;
    for (const average of this.#average?.values() ?? []) average.dispose();
    if (algorithm.kind === 'critic') algorithm.critic.dispose();
    this.#sampler.parts.reward.dispose();
    this.#sampler.parts.reference?.dispose();
    this.#policy.dispose();
  }
}
