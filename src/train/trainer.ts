/**
 * The loop that every stage shares: accumulate, guard, clip, update, log, save, evaluate. A checkpoint is always on disk
 * before an evaluation starts, and holds all that later bits depend on, so a run killed at any moment and resumed ends
 * with the same weights and metrics as one left alone.
 */
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import type { CheckpointStore } from '../checkpoint/store.ts';
import type { TensorSource } from '../checkpoint/tensor-data.ts';
import { AthanorError } from '../native/errors.ts';
import type { JsonObject } from '../native/json.ts';
import type { AdamW } from '../optim/adamw.ts';
import { learningRate, type ScheduleOptions } from '../optim/schedule.ts';
import type { MetricsLog } from '../report/metrics-log.ts';
import { backward } from '../tensor/autograd.ts';
import { scope, type Tensor } from '../tensor/tensor.ts';
import { Budget, type BudgetOptions } from './budget.ts';
import { type Communicator, selfCommunicator } from './communicator.ts';
import { Guard, type GuardOptions } from './guard.ts';
import type { Sample, TrainStage } from './stage.ts';

export interface TrainerOptions {
  budget: BudgetOptions;
  schedule: ScheduleOptions;
  /** Batches summed into one update. */
  gradAccum: number;
  /** Largest gradient norm; larger ones are scaled down to it. 0 turns clipping off. */
  clip: number;
  guard: GuardOptions;
  /** Steps between evaluations, samples and checkpoints; 0 for the end only. */
  evalEvery: number;
  sampleEvery: number;
  saveEvery: number;
}

export interface TrainerHooks {
  /** After each step, for the progress line. */
  onStep?: (step: StepMetrics) => void;
  onEvaluation?: (step: number, metrics: Record<string, number>) => void;
  onSamples?: (step: number, samples: Sample[]) => void;
  onWarning?: (text: string) => void;
  /** Asked after each step; true saves and ends the run. */
  stopRequested?: () => boolean;
}

export interface StepMetrics {
  step: number;
  totalSteps: number | undefined;
  tokens: number;
  loss: number;
  lr: number;
  gradNorm: number;
  tokensPerSecond: number;
  flopsPerSecond: number;
}

export interface TrainResult {
  step: number;
  tokens: number;
  loss: number;
  evaluation: Record<string, number> | undefined;
  seconds: number;
  tokensPerSecond: number;
  interrupted: boolean;
}

/** Everything but the tensors that a checkpoint restores. */
interface TrainerState extends JsonObject {
  step: number;
  tokens: number;
  total_steps: number | null;
  optimizer_steps: number;
  seconds: number;
  guard: JsonObject;
  stage: JsonObject | string | number | null;
}

export class Trainer<Batch> {
  readonly #stage: TrainStage<Batch>;
  readonly #optimizer: AdamW;
  readonly #options: TrainerOptions;
  readonly #store: CheckpointStore;
  readonly #metrics: MetricsLog;
  readonly #hooks: TrainerHooks;
  readonly #communicator: Communicator;
  readonly #budget: Budget;
  readonly #guard: Guard;
  #step = 0;
  #tokens = 0;
  #loss = Number.NaN;
  #secondsBefore = 0;
  #evaluation: Record<string, number> | undefined;

  constructor(
    stage: TrainStage<Batch>,
    optimizer: AdamW,
    options: TrainerOptions,
    sinks: { store: CheckpointStore; metrics: MetricsLog; hooks?: TrainerHooks; communicator?: Communicator },
  ) {
    this.#stage = stage;
    this.#optimizer = optimizer;
    this.#options = options;
    this.#store = sinks.store;
    this.#metrics = sinks.metrics;
    this.#hooks = sinks.hooks ?? {};
    this.#communicator = sinks.communicator ?? selfCommunicator;
    this.#budget = new Budget(
      options.budget,
      stage.tokensPerBatch * options.gradAccum * this.#communicator.size,
    );
    this.#guard = new Guard(options.guard);
  }

  /** Continues from a checkpoint's state and optimizer tensors; the weights are the stage's to load. */
  restore(state: JsonObject, readMoment: (name: string) => Float32Array): void {
    const saved = state as TrainerState;
    this.#optimizer.restore(saved.optimizer_steps, readMoment);
    this.#stage.restore(saved.stage);
    this.#guard.restore(saved.guard);
    this.#budget.restore(saved.total_steps ?? undefined);
    this.#step = saved.step;
    this.#tokens = saved.tokens;
    this.#secondsBefore = saved.seconds;
  }

  async run(): Promise<TrainResult> {
    const startedAt = performance.now();
    const elapsed = () => this.#secondsBefore + (performance.now() - startedAt) / 1000;
    let interrupted = false;
    // A run killed between its checkpoint and its evaluation owes the evaluation.
    if (this.#step > 0) await this.#afterSave();
    while (this.#step < (this.#budget.totalSteps ?? Number.POSITIVE_INFINITY)) {
      await this.#trainStep();
      interrupted = this.#hooks.stopRequested?.() ?? false;
      const last = this.#step === this.#budget.totalSteps;
      if (interrupted || last || this.#due(this.#options.saveEvery) || this.#due(this.#options.evalEvery)) {
        await this.#save(elapsed());
        if (interrupted) break;
        await this.#afterSave();
      } else if (this.#due(this.#options.sampleEvery)) {
        await this.#sample();
      }
    }
    const seconds = elapsed();
    return {
      step: this.#step,
      tokens: this.#tokens,
      loss: this.#loss,
      evaluation: this.#evaluation,
      seconds,
      tokensPerSecond: this.#tokens / seconds,
      interrupted,
    };
  }

  #due(every: number): boolean {
    return every > 0 && this.#step % every === 0;
  }

  async #trainStep(): Promise<void> {
    const startedAt = performance.now();
    const batches = Array.from({ length: this.#options.gradAccum }, () => this.#stage.nextBatch());
    const counted = batches.reduce((sum, batch) => sum + this.#stage.lossTokens(batch), 0);
    // Over all tokens of the global batch: a mean of means would weigh a short batch's tokens more.
    const scale = 1 / Math.max(1, this.#communicator.sum(counted));
    let loss = 0;
    for (const batch of batches) {
      loss += scope(() => {
        const batchLoss = this.#stage.loss(batch, scale);
        backward(batchLoss);
        return batchLoss.item();
      });
      await yieldToEvents();
    }
    this.#communicator.allReduceSum(this.#gradients());
    this.#loss = this.#communicator.sum(loss);
    const gradNorm = this.#optimizer.gradNorm();
    const lr = learningRate(
      this.#options.schedule,
      this.#step,
      this.#budget.totalSteps ?? Number.POSITIVE_INFINITY,
    );
    this.#update(lr, gradNorm);
    const tokens = this.#stage.tokensPerBatch * batches.length * this.#communicator.size;
    this.#step += 1;
    this.#tokens += tokens;
    this.#log(lr, gradNorm, tokens, (performance.now() - startedAt) / 1000);
  }

  #gradients(): Tensor[] {
    return [...this.#stage.parameters.values()].flatMap((parameter) =>
      parameter.grad ? [parameter.grad] : [],
    );
  }

  #update(lr: number, gradNorm: number): void {
    const { clip } = this.#options;
    const verdict = this.#guard.observe(this.#step + 1, this.#loss, gradNorm);
    if (verdict.warning) this.#warn(verdict.warning);
    if (!verdict.skip) this.#optimizer.step(lr, clip > 0 && gradNorm > clip ? clip / gradNorm : 1);
    for (const parameter of this.#stage.parameters.values()) {
      parameter.grad?.dispose();
      parameter.grad = undefined;
    }
    if (verdict.stop) {
      throw new AthanorError(
        'ERR_NOT_FINITE',
        `${verdict.warning}; training stopped as configured`,
        'resume from the last checkpoint with a lower --lr, or choose --on-spike skip',
      );
    }
  }

  #log(lr: number, gradNorm: number, tokens: number, seconds: number): void {
    const tokensPerSecond = tokens / seconds;
    const flopsPerSecond = tokensPerSecond * this.#stage.flopsPerToken;
    this.#metrics.append({
      step: this.#step,
      tokens: this.#tokens,
      loss: this.#loss,
      lr,
      grad_norm: gradNorm,
      tokens_per_second: tokensPerSecond,
      flops_per_second: flopsPerSecond,
      seconds,
    });
    this.#budget.observe(this.#step, seconds);
    this.#hooks.onStep?.({
      step: this.#step,
      totalSteps: this.#budget.totalSteps,
      tokens: this.#tokens,
      loss: this.#loss,
      lr,
      gradNorm,
      tokensPerSecond,
      flopsPerSecond,
    });
  }

  async #save(seconds: number): Promise<void> {
    const state: TrainerState = {
      step: this.#step,
      tokens: this.#tokens,
      total_steps: this.#budget.totalSteps ?? null,
      optimizer_steps: this.#optimizer.stepCount,
      seconds,
      guard: this.#guard.state(),
      stage: this.#stage.state() as TrainerState['stage'],
    };
    this.#metrics.flush();
    const tensors = [...this.#optimizer.state()].map(([name, value]) => {
      const source: TensorSource = { dtype: 'f32', shape: value.shape, data: () => value.toFloats() };
      return [name, source] as const;
    });
    await this.#store.save(this.#step, {
      writeModel: (folder) => this.#stage.writeModel(folder),
      tensors,
      state,
    });
  }

  /** What is due once the step is safely on disk. */
  async #afterSave(): Promise<void> {
    const last = this.#step === this.#budget.totalSteps;
    if (this.#stage.evaluate && (last || this.#due(this.#options.evalEvery))) {
      const { metrics, score } = await this.#stage.evaluate();
      this.#evaluation = metrics;
      this.#metrics.append({ event: 'evaluation', step: this.#step, tokens: this.#tokens, ...metrics });
      await this.#store.setMetric(this.#step, score);
      this.#hooks.onEvaluation?.(this.#step, metrics);
    }
    if (last || this.#due(this.#options.sampleEvery)) await this.#sample();
  }

  async #sample(): Promise<void> {
    const samples = await this.#stage.sample?.();
    if (!samples) return;
    for (const sample of samples) this.#metrics.append({ event: 'sample', step: this.#step, ...sample });
    this.#hooks.onSamples?.(this.#step, samples);
  }

  #warn(text: string): void {
    this.#metrics.append({ event: 'warning', step: this.#step + 1, text });
    this.#hooks.onWarning?.(text);
  }
}
