/**
 * PPO and GRPO as a stage of the Trainer. It chooses the next rollout and batch, and logs,
 * evaluates and saves. ppo-iteration.ts has the steps of an iteration.
 */

import { AthanorError } from '../../base/errors.ts';
import type { JsonObject, JsonValue } from '../../base/json.ts';
import { mean } from '../../base/statistics.ts';
import type { TensorData, TensorSource } from '../../checkpoint/tensor-data.ts';
import { ShuffledCycle } from '../../data/rows/cycle.ts';
import { requireSameRows, rowDigest } from '../../data/rows/row-digest.ts';
import { flopsPerToken } from '../../nn/config.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Evaluation, ParameterGroup, Sample, StageEvent, TrainStage } from '../loop/stage.ts';
import { lossShare } from './loss-aggregation.ts';
import type { PolicyLossSettings } from './policy-loss.ts';
import { batchLoss, makeRollout, type PpoParts, respond } from './ppo-iteration.ts';
import type { PromptSet } from './prompts.ts';
import { RatioCheck } from './ratio-check.ts';
import { withoutSignal } from './reward-signal.ts';
import { Rollout, type RolloutBatch } from './rollout.ts';
import { negativeKlWarning } from './rollout-metrics.ts';
import type { SampledResponses } from './sampled-responses.ts';
import { StepStatistics } from './step-statistics.ts';
import { WeightAverage } from './weight-average.ts';

export interface PolicyStageOptions extends PolicyLossSettings {
  name: 'ppo' | 'grpo';
  /** Responses per batch; `gradAccum` batches are a minibatch. */
  batchSize: number;
  /** Passes over each rollout. */
  epochs: number;
  /**
   * The rest of a rollout is dropped once half the mean squared log-ratio is above
   * this; undefined: never.
   */
  maxApproxKl: number | undefined;
  /**
   * Decay per rollout of an average of the weights, which is evaluated and saved; 0: no average.
   */
  emaDecay: number;
  seed: number;
  /** Largest deviation from 1 of importance ratios before the first update (ratioTolerance). */
  ratioTolerance: number;
}

/** Responses of each rollout that are logged as samples. */
const SHOWN_RESPONSES = 4;

export class PolicyStage implements TrainStage<RolloutBatch> {
  readonly name: string;
  readonly parameters: readonly ParameterGroup[];
  readonly frozen: ReadonlyMap<string, Tensor>;
  readonly tokensPerBatch: number;
  readonly flopsPerToken: number;
  /** Steps per rollout. */
  readonly stepsPerPass: number;
  /** Undefined when there are no prompts to evaluate on. */
  readonly evaluate?: () => Promise<Evaluation>;
  readonly #parts: PpoParts;
  readonly #prompts: PromptSet;
  readonly #options: PolicyStageOptions;
  /** Chooses the prompts of each rollout. */
  readonly #cycle: ShuffledCycle;
  readonly #ratioCheck: RatioCheck;
  readonly #statistics = new StepStatistics();
  readonly #average: WeightAverage | undefined;
  #rollout: Rollout | undefined;
  #iteration = 0;
  #warnings: string[] = [];
  /** Why the rewards of the rollout teach nothing. */
  #idle: string | undefined;
  #promptDigest: string | undefined;

  /**
   * Owns the models and the estimator of `parts`: dispose() frees them. Throws ERR_OPTION for sizes
   * that do not divide each other.
   */
  constructor(parts: PpoParts, prompts: PromptSet, options: PolicyStageOptions) {
    this.name = options.name;
    this.#parts = parts;
    this.#prompts = prompts;
    this.#options = options;
    checkDivides(parts.sampler.rolloutSize, options);
    const { models, sampler, estimator } = parts;
    const { model, trainable } = models.policy;
    this.parameters = estimator.parameterGroups(trainable);
    this.frozen = models.policy.frozen;
    const typicalPrompt = mean(prompts.encoded.map(({ tokens }) => tokens.length));
    const typical = Math.round(typicalPrompt + sampler.options.maxResponseLength);
    this.tokensPerBatch = options.batchSize * typical;
    this.flopsPerToken = estimator.trainedModels * flopsPerToken(model.config, typical);
    this.stepsPerPass = (options.epochs * sampler.rolloutSize) / (options.batchSize * options.gradAccum);
    this.#cycle = new ShuffledCycle(prompts.trainingCount, options.seed);
    this.#ratioCheck = new RatioCheck(options.ratioTolerance);
    if (options.emaDecay > 0) this.#average = new WeightAverage(trainable, options.emaDecay);
    if (prompts.heldOut.length > 0) this.evaluate = () => this.#withSaved(() => this.#evaluate());
  }

  /**
   * Reads the weights after the previous update: it samples a new rollout when the last one
   * is used up.
   */
  async nextBatch(): Promise<RolloutBatch> {
    const { batchSize, seed } = this.#options;
    const rollout = await this.#currentRollout();
    return rollout.take(batchSize, seed, this.#parts.ptx?.next());
  }

  /** A new rollout is sampled, or the average of the weights goes on. */
  get weightsReadBy() {
    const isUsedUp = !this.#rollout || this.#rollout.isUsedUp(this.#options.epochs);
    return [
      ...(isUsedUp ? (['nextBatch'] as const) : []),
      ...(this.#average ? (['afterUpdate'] as const) : []),
    ];
  }

  async skipBatch(): Promise<void> {
    const rollout = await this.#currentRollout();
    rollout.skip(this.#options.batchSize);
    this.#parts.ptx?.skip();
  }

  async #currentRollout(): Promise<Rollout> {
    if (!this.#rollout || this.#rollout.isUsedUp(this.#options.epochs)) {
      this.#rollout = await this.#nextRollout();
    }
    return this.#rollout;
  }

  async #nextRollout(): Promise<Rollout> {
    const rollout = await makeRollout(this.#parts, this.#iteration, this.#cycle, (sampled) =>
      this.#check(sampled),
    );
    this.#iteration += 1;
    return rollout;
  }

  #check(sampled: SampledResponses): void {
    const { models, sampler, scorer } = this.#parts;
    this.#ratioCheck.verify(models.policy.model, sampled, sampler.options.temperature);
    const warning = negativeKlWarning(sampled);
    if (warning !== undefined) this.#warnings.push(warning);
    this.#idle = withoutSignal(sampled, {
      groupSize: this.name === 'grpo' ? sampler.options.responsesPerPrompt : sampled.count,
      missingEos: scorer.options.missingEos,
      maxResponseLength: sampler.options.maxResponseLength,
    });
  }

  passesDone(): number {
    const rollout = this.#rollout;
    return rollout ? this.#iteration - 1 + rollout.shareDone(this.#options.epochs) : this.#iteration;
  }

  batchTokens(batch: RolloutBatch): number {
    return batch.inputTokens;
  }

  lossTokens(batch: RolloutBatch): number {
    return lossShare(this.#options.loss, batch, this.#parts.sampler.options.maxResponseLength);
  }

  loss(batch: RolloutBatch, scale: number): Tensor {
    return batchLoss(this.#parts, batch, scale, this.#options, this.#statistics);
  }

  batchFigures(): readonly number[] {
    return this.#statistics.figures;
  }

  observe(figures: readonly (readonly number[])[]): void {
    this.#statistics.observe(figures);
  }

  afterUpdate(): void {
    const { maxApproxKl, epochs } = this.#options;
    const rollout = this.#rollout!;
    // The first minibatch comes before any update on the rollout, so its ratios must be 1.
    rollout.metrics.ratio_max_deviation ??= this.#statistics.ratioMaxDeviation;
    if (maxApproxKl !== undefined && this.#statistics.approxKl > maxApproxKl) rollout.finish();
    if (rollout.isUsedUp(epochs)) this.#average?.update();
  }

  idleReason(): string | undefined {
    return this.#idle;
  }

  stepMetrics(): Record<string, number> {
    return { ...this.#rollout!.metrics, ...this.#statistics.metrics() };
  }

  stepEvents(): StageEvent[] {
    const events = this.#warnings.map((text) => ({ event: 'warning', text }));
    this.#warnings = [];
    return events;
  }

  /**
   * Uses the same prompts and random streams each time, so that only the policy
   * differs between evaluations.
   */
  async #evaluate(): Promise<Evaluation> {
    const sampled = await respond(this.#parts, this.#prompts.heldOut, this.#options.seed);
    const reward = mean(sampled.scores);
    return { metrics: { val_reward: reward, val_kl: sampled.meanKl }, score: -reward };
  }

  async sample(): Promise<Sample[]> {
    const { sampler, scorer } = this.#parts;
    const { responsesPerPrompt } = sampler.options;
    const onePerPrompt = (this.#rollout?.sequences ?? []).filter((_, i) => i % responsesPerPrompt === 0);
    return onePerPrompt.slice(0, SHOWN_RESPONSES).map((sequence) => ({
      prompt: scorer.promptText(sequence),
      text: scorer.responseText(sequence),
    }));
  }

  state(): JsonValue {
    const { kl, ptx } = this.#parts;
    const state: JsonObject = {
      prompts: this.#cycle.state(),
      rows: this.#promptRows(),
      iteration: this.#iteration,
      ...kl.state(),
      rollout: this.#rollout ? this.#rollout.state() : null,
      idle: this.#idle ?? null,
    };
    if (ptx) state.ptx = ptx.state();
    return state;
  }

  #promptRows(): string {
    this.#promptDigest ??= rowDigest(
      this.#prompts.encoded.flatMap(({ tokens, row }) => [tokens, JSON.stringify(row)]),
    );
    return this.#promptDigest;
  }

  tensors(): [string, TensorSource][] {
    const { models, estimator } = this.#parts;
    return [
      ...models.policy.tensors(),
      ...estimator.tensors(),
      ...(this.#rollout?.tensors() ?? []),
      ...(this.#average?.tensors() ?? []),
    ];
  }

  restore(state: JsonValue, tensors: (name: string) => TensorData): void {
    const saved = state as JsonObject;
    const { models, estimator, kl, ptx } = this.#parts;
    this.#cycle.restore(saved.prompts!);
    requireSameRows(saved.rows, this.#promptRows());
    this.#iteration = saved.iteration as number;
    kl.restore(saved);
    ptx?.restore(saved.ptx as JsonObject);
    models.policy.restore(tensors);
    estimator.restore(tensors);
    this.#average?.restore(tensors);
    this.#idle = (saved.idle as string | null | undefined) ?? undefined;
    this.#rollout = saved.rollout ? Rollout.restore(saved.rollout as JsonObject, tensors) : undefined;
  }

  writeModel(folder: string) {
    return this.#withSaved(() => this.#parts.models.policy.write(folder));
  }

  /** Runs body with the weights that are saved: the average if there is one, else the policy's. */
  #withSaved<T>(body: () => Promise<T>): Promise<T> {
    return this.#average ? this.#average.inPlace(body) : body();
  }

  dispose(): void {
    this.#average?.dispose();
    this.#parts.estimator.dispose();
    this.#parts.models.dispose();
  }
}

/** Throws ERR_OPTION unless a rollout is a whole number of minibatches. */
export function checkDivides(
  rolloutSize: number,
  { batchSize, gradAccum }: Pick<PolicyStageOptions, 'batchSize' | 'gradAccum'>,
): void {
  if (rolloutSize % (batchSize * gradAccum) === 0) return;
  throw new AthanorError(
    'ERR_OPTION',
    `a rollout of ${rolloutSize} responses does not divide into minibatches of ${batchSize * gradAccum}`,
    'choose `rolloutSize` as a multiple of `batchSize` times `gradAccum`',
  );
}
