/**
 * Reinforcement learning as a stage: nextBatch() samples a rollout when the last one is used up, and each step is one
 * minibatch of it. PPO and GRPO differ in where advantages come from and in what holds the policy to its reference.
 */

import { AthanorError } from '../../base/errors.ts';
import type { JsonObject, JsonValue } from '../../base/json.ts';
import { mean } from '../../base/statistics.ts';
import type { TensorData, TensorSource } from '../../checkpoint/tensor-data.ts';
import { ShuffledCycle } from '../../data/rows/cycle.ts';
import { native } from '../../native/addon.ts';
import { flopsPerToken } from '../../nn/config.ts';
import type { Gpt } from '../../nn/gpt.ts';
import { type EpisodeInput, episodeInput, responseLength } from '../../scoring/episode.ts';
import { type PolicyOutput, policyOutput } from '../../scoring/log-probs.ts';
import { add } from '../../tensor/ops/elementwise.ts';
import { type PolicyLossResult, policyLoss, valueLoss } from '../../tensor/ops/policy.ts';
import { type Tensor, tensor } from '../../tensor/tensor.ts';
import type { Evaluation, ParameterGroup, Sample, StageEvent, TrainStage } from '../loop/stage.ts';
import type { TrainableModel } from '../loop/trainable-model.ts';
import {
  type Algorithm,
  type CriticAlgorithm,
  makeRollout,
  negativeKlWarning,
  responseKl,
} from './experience.ts';
import type { KlController } from './kl-controller.ts';
import type { PretrainingMix } from './pretraining-mix.ts';
import { checkRatios, ratioDeviation } from './ratio-check.ts';
import { Rollout, type TokenValues } from './rollout.ts';
import type { Sampler } from './sampler.ts';
import { StepStatistics } from './step-statistics.ts';
import { WeightAverage } from './weight-average.ts';

export interface PolicyStageOptions {
  name: 'ppo' | 'grpo';
  algorithm: Algorithm;
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
  /** Pretraining text beside the rollouts; undefined for none. */
  ptx: PretrainingMix | undefined;
  /** Prompts of evaluations, by index; none of them is trained on. */
  validation: readonly number[];
  training: number;
  seed: number;
  /** What importance ratios may deviate from 1 before the first update (ratioTolerance). */
  ratioTolerance: number;
}

export type EpisodeBatch = readonly number[];

export class PolicyStage implements TrainStage<EpisodeBatch> {
  readonly name: string;
  readonly parameters: readonly ParameterGroup[];
  readonly tokensPerBatch: number;
  readonly flopsPerToken: number;
  /** Only where there are prompts to evaluate on. */
  readonly evaluate?: () => Promise<Evaluation>;
  readonly #policy: TrainableModel<Gpt>;
  readonly #sampler: Sampler;
  readonly #options: PolicyStageOptions;
  readonly #prompts: ShuffledCycle;
  readonly #statistics = new StepStatistics();
  readonly #average: WeightAverage | undefined;
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
    const { algorithm, batchSize, gradAccum } = options;
    const { prompts, policy: model } = sampler.parts;
    const responses = sampler.options.prompts * sampler.options.responsesPerPrompt;
    if (responses % (batchSize * gradAccum) !== 0) {
      throw new AthanorError(
        'ERR_OPTION',
        `a rollout of ${responses} responses does not divide into minibatches of ${batchSize * gradAccum}`,
        'choose --rollout as a multiple of --batch-size times --grad-accum',
      );
    }
    const parameters = policy.trainable;
    this.parameters =
      algorithm.kind === 'critic'
        ? [{ name: 'policy', parameters }, algorithm.critic.group]
        : [{ name: '', parameters }];
    const typicalPrompt = mean(prompts.map(({ tokens }) => tokens.length));
    const typical = Math.round(typicalPrompt + sampler.options.maxResponse);
    this.tokensPerBatch = batchSize * typical;
    const models = algorithm.kind === 'critic' && !algorithm.critic.sharesTrunk ? 2 : 1;
    this.flopsPerToken = models * flopsPerToken(model.config, typical);
    if (options.ema > 0) this.#average = new WeightAverage(parameters, options.ema);
    if (options.validation.length > 0) this.evaluate = () => this.#withSaved(() => this.#evaluate());
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
    const { algorithm, ptx, gradAccum } = this.#options;
    const { model } = this.#policy;
    const input = episodeInput(batch.map((i) => this.#rollout!.episodes[i]!));
    const output = policyOutput(model, input, this.#sampler.options.temperature);
    const policy = this.#policyLoss(batch, output, scale);
    const value =
      algorithm.kind === 'critic' ? this.#valueLoss(batch, input, output, algorithm, scale) : undefined;
    this.#statistics.add({
      tokens: output.logProbs.size,
      entropy: native.sum(output.entropies.handle),
      policyLoss: policy.loss.item(),
      policy: policy.stats,
      value: value && { loss: value.unweighted, clipped: value.clipped },
    });
    let loss = value ? add(policy.loss, value.loss) : policy.loss;
    if (ptx) {
      const text = ptx.loss(model, gradAccum);
      this.#statistics.addPretraining(text.perToken);
      loss = add(loss, text.loss);
    }
    return loss;
  }

  #policyLoss(batch: EpisodeBatch, { logProbs, entropies }: PolicyOutput, scale: number): PolicyLossResult {
    const { algorithm, kl, clipLow, clipHigh, dualClip, entropyCoef } = this.#options;
    const klCoef = algorithm.kind === 'group' ? kl.coef : 0;
    const inputs = {
      oldLogProbs: this.#perToken('logProbs', batch),
      advantages: this.#perToken('advantages', batch),
      ...(entropyCoef !== 0 && { entropies }),
      ...(klCoef !== 0 && { referenceLogProbs: this.#perToken('referenceLogProbs', batch) }),
    };
    const bound = dualClip === undefined ? {} : { dualClip };
    return policyLoss(logProbs, inputs, { clipLow, clipHigh, ...bound, entropyCoef, klCoef, scale });
  }

  #valueLoss(
    batch: EpisodeBatch,
    input: EpisodeInput,
    { hidden }: PolicyOutput,
    { critic, valueClip, valueCoef }: CriticAlgorithm,
    scale: number,
  ): { loss: Tensor; unweighted: number; clipped: number } {
    const { loss, clipped } = valueLoss(
      critic.values(input, hidden),
      { oldValues: this.#perToken('values', batch), returns: this.#perToken('returns', batch) },
      { clip: valueClip, scale: scale * valueCoef },
    );
    return { loss, unweighted: loss.item() / valueCoef, clipped };
  }

  #perToken(field: keyof TokenValues, batch: EpisodeBatch): Tensor {
    return tensor(this.#rollout!.gather(field, batch));
  }

  afterUpdate(): void {
    const { maxApproxKl } = this.#options;
    const rollout = this.#rollout!;
    // Ratios of the first minibatch come before any update on the rollout, so they must be 1.
    rollout.metrics.ratio_max_deviation ??= this.#statistics.ratioMaxDeviation;
    if (maxApproxKl !== undefined && this.#statistics.approxKl > maxApproxKl) rollout.finish();
    if (this.#usedUp(rollout)) this.#average?.update();
  }

  async #newRollout(): Promise<Rollout> {
    const { kl, algorithm, ratioTolerance } = this.#options;
    const { model } = this.#policy;
    const sampled = await this.#sampler.sample(this.#prompts, this.#iteration);
    if (!this.#verified) {
      const { temperature } = this.#sampler.options;
      checkRatios(ratioDeviation(model, sampled.episodes, sampled.logProbs, temperature), ratioTolerance);
      this.#verified = true;
    }
    const rollout = makeRollout(this.#iteration, sampled, kl.coef, { policy: model, algorithm });
    kl.update(rollout.metrics.kl!, sampled.episodes.length);
    this.#iteration += 1;
    const warning = negativeKlWarning(sampled);
    if (warning !== undefined) this.#warnings.push(warning);
    return rollout;
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
    const reward = mean(sampled.scores);
    const kl = mean(responseKl(sampled));
    return { metrics: { val_reward: reward, val_kl: kl }, score: -reward };
  }

  async sample(): Promise<Sample[]> {
    const { responsesPerPrompt } = this.#sampler.options;
    const ofEachPrompt = (this.#rollout?.episodes ?? []).filter((_, i) => i % responsesPerPrompt === 0);
    return ofEachPrompt.slice(0, 4).map((episode) => ({
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
    if (ptx) state.ptx = ptx.state();
    return state;
  }

  tensors(): [string, TensorSource][] {
    const { algorithm } = this.#options;
    return [
      ...this.#policy.tensors(),
      ...(algorithm.kind === 'critic' ? algorithm.critic.tensors() : []),
      ...(this.#rollout?.tensors() ?? []),
      ...(this.#average?.tensors() ?? []),
    ];
  }

  restore(state: JsonValue, tensors: (name: string) => TensorData): void {
    const saved = state as JsonObject;
    const { algorithm, kl, ptx } = this.#options;
    this.#prompts.restore(saved.prompts!);
    this.#iteration = saved.iteration as number;
    kl.coef = saved.kl_coef as number;
    ptx?.restore(saved.ptx as JsonObject);
    this.#policy.restore(tensors);
    if (algorithm.kind === 'critic') algorithm.critic.restore(tensors);
    this.#average?.restore(tensors);
    this.#rollout = saved.rollout ? Rollout.restore(saved.rollout as JsonObject, tensors) : undefined;
  }

  writeModel(folder: string) {
    return this.#withSaved(() => this.#policy.write(folder));
  }

  /** With the weights that are saved: the moving average where one is kept, else the policy's own. */
  #withSaved<T>(body: () => Promise<T>): Promise<T> {
    return this.#average ? this.#average.inPlace(body) : body();
  }

  dispose(): void {
    const { algorithm } = this.#options;
    this.#average?.dispose();
    if (algorithm.kind === 'critic') algorithm.critic.dispose();
    this.#sampler.parts.reward.dispose();
    this.#sampler.parts.reference?.dispose();
    this.#policy.dispose();
  }
}
