/**
 * The loop that every stage shares: accumulate, guard, clip, update, log, save, evaluate. A checkpoint is always on disk
 * before an evaluation starts, and holds all that later bits depend on, so a run killed at any moment and resumed ends
 * with the same weights and metrics as one left alone.
 */
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { AthanorError } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { tensorSources } from '../../checkpoint/gpt-folder.ts';
import type { CheckpointStore } from '../../checkpoint/store.ts';
import type { TensorData } from '../../checkpoint/tensor-data.ts';
import { type Communicator, selfCommunicator } from '../../comm/communicator.ts';
import { AdamW, type AdamWOptions } from '../../optim/adamw.ts';
import { learningRate, type ScheduleOptions } from '../../optim/schedule.ts';
import type { MetricsLog } from '../../report/metrics-log.ts';
import { backward } from '../../tensor/autograd.ts';
import { scope, type Tensor } from '../../tensor/tensor.ts';
import { Budget, type BudgetOptions } from './budget.ts';
import { Guard, type GuardOptions } from './guard.ts';
import { Patience } from './patience.ts';
import type { ParameterGroup, Sample, TrainStage } from './stage.ts';

export interface TrainerOptions {
  budget: BudgetOptions;
  schedule: ScheduleOptions;
  optimizer: AdamWOptions;
  /** Batches summed into one update. */
  gradAccum: number;
  /** Largest gradient norm; larger ones are scaled down to it. 0 turns clipping off. */
  clip: number;
  guard: GuardOptions;
  /** Steps between evaluations, samples and checkpoints; 0 for the end only. */
  evalEvery: number;
  sampleEvery: number;
  saveEvery: number;
  /** Evaluations without a better score after which training ends; 0 never ends it. */
  patience: number;
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
  /** The stage's own. */
  metrics: Record<string, number>;
}

export interface TrainResult {
  step: number;
  tokens: number;
  loss: number;
  evaluation: Record<string, number> | undefined;
  /** Of the last step. */
  metrics: Record<string, number>;
  seconds: number;
  tokensPerSecond: number;
  interrupted: boolean;
}

interface OptimizedGroup extends ParameterGroup {
  optimizer: AdamW;
}

/** Everything but the tensors that a checkpoint restores. */
interface TrainerState extends JsonObject {
  step: number;
  tokens: number;
  total_steps: number | null;
  optimizer_steps: number;
  seconds: number;
  guard: JsonObject;
  patience: JsonObject;
  stage: JsonObject | string | number | null;
}

export class Trainer<Batch> {
  readonly #stage: TrainStage<Batch>;
  readonly #groups: readonly OptimizedGroup[];
  readonly #options: TrainerOptions;
  readonly #store: CheckpointStore;
  readonly #metrics: MetricsLog;
  readonly #hooks: TrainerHooks;
  readonly #communicator: Communicator;
  readonly #budget: Budget;
  readonly #guard: Guard;
  readonly #patience: Patience;
  #step = 0;
  #tokens = 0;
  #loss = Number.NaN;
  #secondsBefore = 0;
  #evaluation: Record<string, number> | undefined;
  #stageMetrics: Record<string, number> = {};

  constructor(
    stage: TrainStage<Batch>,
    options: TrainerOptions,
    sinks: { store: CheckpointStore; metrics: MetricsLog; hooks?: TrainerHooks; communicator?: Communicator },
  ) {
    this.#stage = stage;
    const { seed = 0, ...optimizer } = options.optimizer;
    this.#groups = stage.groups.map((group, i) => ({
      ...group,
      optimizer: new AdamW(group.parameters, { ...optimizer, seed: seed + i }),
    }));
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
    this.#patience = new Patience(options.patience);
  }

  /** Continues from a checkpoint's state and tensors; the weights of the model saved are the stage's to load. */
  restore(state: JsonObject, read: (name: string) => TensorData): void {
    const saved = state as TrainerState;
    for (const { name, optimizer } of this.#groups) {
      optimizer.restore(
        saved.optimizer_steps,
        (moment) => read(momentName(name, moment)).data as Float32Array,
      );
    }
    this.#stage.restore(saved.stage, (name) => read(`stage/${name}`));
    this.#guard.restore(saved.guard);
    this.#patience.restore(saved.patience);
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
    while (!this.#finished()) {
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
      metrics: this.#stageMetrics,
      seconds,
      tokensPerSecond: this.#tokens / seconds,
      interrupted,
    };
  }

  /** Frees the optimizers' state. */
  dispose(): void {
    for (const { optimizer } of this.#groups) optimizer.dispose();
  }

  #finished(): boolean {
    return this.#patience.exhausted || this.#step >= (this.#budget.totalSteps ?? Number.POSITIVE_INFINITY);
  }

  #due(every: number): boolean {
    return every > 0 && this.#step % every === 0;
  }

  async #trainStep(): Promise<void> {
    const startedAt = performance.now();
    const batches: Batch[] = [];
    for (let i = 0; i < this.#options.gradAccum; ++i) batches.push(await this.#stage.nextBatch());
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
    const gradNorms = this.#groups.map(({ optimizer }) => optimizer.gradNorm());
    const lr = learningRate(
      this.#options.schedule,
      this.#step,
      this.#budget.totalSteps ?? Number.POSITIVE_INFINITY,
    );
    this.#update(lr, gradNorms);
    this.#stage.afterUpdate?.();
    const tokens = this.#communicator.sum(
      batches.reduce(
        (sum, batch) => sum + (this.#stage.batchTokens?.(batch) ?? this.#stage.tokensPerBatch),
        0,
      ),
    );
    this.#step += 1;
    this.#tokens += tokens;
    this.#log(lr, gradNorms, tokens, (performance.now() - startedAt) / 1000);
  }

  #gradients(): Tensor[] {
    return this.#groups.flatMap(({ parameters }) =>
      [...parameters.values()].flatMap((parameter) => (parameter.grad ? [parameter.grad] : [])),
    );
  }

  #update(lr: number, gradNorms: readonly number[]): void {
    const { clip } = this.#options;
    const verdict = this.#guard.observe(this.#step + 1, this.#loss, Math.hypot(...gradNorms));
    if (verdict.warning) this.#warn(verdict.warning);
    this.#groups.forEach(({ parameters, optimizer, lrScale = 1 }, i) => {
      const gradNorm = gradNorms[i]!;
      if (!verdict.skip) optimizer.step(lr * lrScale, clip > 0 && gradNorm > clip ? clip / gradNorm : 1);
      for (const parameter of parameters.values()) {
        parameter.grad?.dispose();
        parameter.grad = undefined;
      }
    });
    if (verdict.stop) {
      throw new AthanorError(
        'ERR_NOT_FINITE',
        `${verdict.warning}; training stopped as configured`,
        'resume from the last checkpoint with a lower --lr, or choose --on-spike skip',
      );
    }
  }

  #log(lr: number, gradNorms: readonly number[], tokens: number, seconds: number): void {
    const tokensPerSecond = tokens / seconds;
    const flopsPerSecond = tokensPerSecond * this.#stage.flopsPerToken;
    this.#stageMetrics = this.#stage.stepMetrics?.() ?? {};
    // Before the step's own record, so that a run resumed at this step keeps them.
    for (const event of this.#stage.stepEvents?.() ?? []) {
      this.#metrics.append({ ...event, step: this.#step });
      if (event.event === 'warning') this.#hooks.onWarning?.(String(event.text));
    }
    const [gradNorm = 0] = gradNorms;
    const otherNorms = this.#groups.slice(1).map(({ name }, i) => [`${name}_grad_norm`, gradNorms[i + 1]!]);
    this.#metrics.append({
      step: this.#step,
      tokens: this.#tokens,
      loss: this.#loss,
      lr,
      grad_norm: gradNorm,
      ...Object.fromEntries(otherNorms),
      ...this.#stageMetrics,
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
      metrics: this.#stageMetrics,
    });
  }

  async #save(seconds: number): Promise<void> {
    const state: TrainerState = {
      step: this.#step,
      tokens: this.#tokens,
      total_steps: this.#budget.totalSteps ?? null,
      optimizer_steps: this.#groups[0]!.optimizer.stepCount,
      seconds,
      guard: this.#guard.state(),
      patience: this.#patience.state(),
      stage: this.#stage.state() as TrainerState['stage'],
    };
    this.#metrics.flush();
    const moments = this.#groups.flatMap(({ name, optimizer }) =>
      tensorSources(optimizer.state()).map(([moment, source]) => [momentName(name, moment), source] as const),
    );
    const extra = [...(this.#stage.tensors?.() ?? [])].map(
      ([name, source]) => [`stage/${name}`, source] as const,
    );
    const tensors = [...moments, ...extra];
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
      const { metrics, score, events = [] } = await this.#stage.evaluate();
      this.#evaluation = metrics;
      this.#metrics.append({ event: 'evaluation', step: this.#step, tokens: this.#tokens, ...metrics });
      for (const event of events) this.#metrics.append({ ...event, step: this.#step });
      await this.#store.setMetric(this.#step, score);
      this.#patience.observe(score);
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

/** What a moment is called in a checkpoint: its own name, behind the group's where there are several. */
function momentName(group: string, moment: string): string {
  return group === '' ? moment : `${group}/${moment}`;
}
