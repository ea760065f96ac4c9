/**
 * The loop that every stage shares: accumulate, guard, clip, update, log, save, evaluate. A
 * checkpoint is on disk before an evaluation starts, and it holds everything that later bits depend
 * on. So a run that is killed at any moment and resumed ends with the same weights and metrics as
 * one that was left alone.
 */
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { AthanorError } from '../../base/errors.ts';
import type { CheckpointContents } from '../../checkpoint/checkpoint-folder.ts';
import type { CheckpointStore, LoadedCheckpoint } from '../../checkpoint/store.ts';
import type { TensorData, TensorSource } from '../../checkpoint/tensor-data.ts';
import { GradientBuckets } from '../../comm/buckets.ts';
import { createRunContext, type RunContext } from '../../comm/run-context.ts';
import { learningRate } from '../../optim/schedule.ts';
import { backward } from '../../tensor/autograd.ts';
import { scope } from '../../tensor/tensor.ts';
import { ofAllBatches } from './batch-figures.ts';
import { BatchQueue, disposeOf } from './batch-queue.ts';
import { Budget } from './budget.ts';
import type { TrainEvent } from './events.ts';
import { Guard } from './guard.ts';
import { heldMemory } from './held-memory.ts';
import { IdleUpdates, stillUpdate } from './idle-updates.ts';
import { finishedText, newLengthText } from './length-texts.ts';
import { Optimizers } from './optimizers.ts';
import { Patience } from './patience.ts';
import { RunOutput } from './run-output.ts';
import { damagedState, misfit, type TrainerState } from './saved-state.ts';
import { parameterGroups, type TrainStage } from './stage.ts';
import { type TrainerSettings, trainerSettings } from './trainer-settings.ts';

/**
 * Settings (see trainerDefaults), parts of a run's context (see createRunContext), and a listener.
 * With `out` the trainer writes the metrics log and checkpoints there.
 */
export interface TrainerOptions extends Partial<TrainerSettings>, Partial<RunContext> {
  /** Called on the main rank. */
  onEvent?: ((event: TrainEvent) => void) | undefined;
  /** The caller holds the lock of `out`. Default false: run() takes it. */
  isLocked?: boolean | undefined;
}

/** How a run is resumed. */
export interface ResumeOptions {
  /**
   * The run ends where `steps`, `tokens`, `passes` or `seconds` say now, and not where the
   * checkpoint says. Default false.
   */
  newLength?: boolean;
}

/** The state of a run when it ends. */
export interface TrainResult {
  step: number;
  /** Steps at which the run ends; undefined while a time budget still measures. */
  totalSteps: number | undefined;
  tokens: number;
  loss: number;
  evaluation: Record<string, number> | undefined;
  /** The stage's own metrics of the last step. */
  metrics: Record<string, number>;
  seconds: number;
  tokensPerSecond: number;
  interrupted: boolean;
  /** Updates of the whole run that had nothing to learn from. */
  idleUpdates: number;
}

/** What a step learns from. */
interface NextBatches<Batch> {
  /** Those of this rank. */
  batches: Batch[];
  /** The losses that all ranks' batches sum, and the tokens that they feed through the model. */
  counted: number;
  tokens: number;
}

/** Trains one stage. */
export class Trainer<Batch> {
  readonly #stage: TrainStage<Batch>;
  readonly #optimizers: Optimizers;
  readonly #settings: TrainerSettings;
  readonly #context: RunContext;
  readonly #output: RunOutput;
  readonly #buckets: GradientBuckets;
  readonly #queue: BatchQueue<Batch>;
  readonly #budget: Budget;
  readonly #guard: Guard;
  readonly #patience: Patience;
  readonly #idle = new IdleUpdates();
  #step = 0;
  /** Step of the newest checkpoint of this process. */
  #savedStep: number | undefined;
  #tokens = 0;
  #loss = Number.NaN;
  #secondsBefore = 0;
  #evaluation: Record<string, number> | undefined;
  #stageMetrics: Record<string, number> = {};

  /**
   * Writes nothing to disk. Throws ERR_OPTION unless one of steps, tokens, passes and seconds is
   * given.
   */
  constructor(stage: TrainStage<Batch>, options: TrainerOptions) {
    this.#stage = stage;
    this.#context = createRunContext(options);
    this.#settings = trainerSettings(options);
    const { optimizer, gradAccum, zero, keepCheckpoints, patience } = this.#settings;
    const { seed = this.#context.seed } = optimizer;
    const { isLocked = false, onEvent } = options;
    this.#output = new RunOutput(this.#context, { keepCheckpoints, isLocked, onEvent });
    const { communicator } = this.#context;
    const groups = parameterGroups(stage);
    const all = groups.flatMap(({ parameters }) => [...parameters.values()]);
    this.#buckets = new GradientBuckets(all, communicator, {
      ...{ batches: gradAccum, zero },
      frozen: [...(stage.frozen?.values() ?? [])],
    });
    const shared = { buckets: this.#buckets, communicator };
    this.#optimizers = new Optimizers(groups, { ...optimizer, seed }, shared);
    this.#queue = new BatchQueue(stage, gradAccum, this.#buckets.batches);
    const tokensPerStep = gradAccum * (stage.tokensPerBatch ?? 0);
    this.#budget = new Budget(this.#settings, { tokensPerStep, stepsPerPass: stage.stepsPerPass });
    this.#guard = new Guard(this.#settings);
    this.#patience = new Patience(patience);
  }

  /** The checkpoints of the run; undefined without `out`. */
  get store(): CheckpointStore | undefined {
    return this.#output.store;
  }

  /**
   * Continues from a checkpoint; default: the latest one in `out`. Returns its step, or undefined
   * when there is no checkpoint. A stage that writes its model also loads its weights. Throws the
   * errors of opening the checkpoint, ERR_MISMATCH when it is of another model, ERR_OPTION when it
   * is beyond the new end of the run, and ERR_FILE_DAMAGED when its state does not fit the run.
   */
  resume(checkpoint?: LoadedCheckpoint, { newLength = false }: ResumeOptions = {}): number | undefined {
    const { store } = this;
    if (!checkpoint && !store?.latest()) return undefined;
    const loaded = checkpoint ?? store!.load();
    const state = loaded.state as TrainerState;
    try {
      const problem = misfit(loaded.state, this.#state(0));
      if (problem) throw damagedState(loaded.path, problem);
      this.#restore(state, (name) => loaded.tensors.read(name));
    } catch (error) {
      // Checksums fit a state that was written by another program.
      if (error instanceof TypeError || error instanceof RangeError)
        throw damagedState(loaded.path, error.message, error);
      throw error;
    } finally {
      if (!checkpoint) loaded.close();
    }
    this.#output.emit({ type: 'note', text: `resumed at step ${this.#step}` });
    if (newLength) this.#changeLength(state.total_steps ?? undefined);
    else this.#budget.restore(state.total_steps ?? undefined);
    return this.#step;
  }

  /** Leaves the budget as it was given now. @param before the steps of the run until now */
  #changeLength(before: number | undefined): void {
    const done = { step: this.#step, tokens: this.#tokens, seconds: this.#secondsBefore };
    this.#budget.spend({ ...done, passes: this.#stage.passesDone?.() });
    const { totalSteps: now } = this.#budget;
    if (now === undefined || now === before) return;
    if (now < this.#step) {
      throw new AthanorError(
        'ERR_OPTION',
        `the run has done ${this.#step} steps and would end at step ${now}`,
        'give it a later end, or leave that out',
      );
    }
    const text = newLengthText(this.#settings, { step: this.#step, before, now });
    this.#output.emit({ type: 'note', text });
  }

  #restore(saved: TrainerState, read: (name: string) => TensorData): void {
    this.#optimizers.restoreMoments(saved.optimizer_steps, read);
    if (!this.#stage.writeModel) this.#optimizers.restoreWeights(read);
    this.#stage.restore?.(saved.stage, (name) => read(`stage/${name}`));
    this.#guard.restore(saved.guard);
    this.#patience.restore(saved.patience);
    // Checkpoints of older versions have none.
    const { idle } = saved as Partial<TrainerState>;
    if (idle) this.#idle.restore(idle);
    this.#step = saved.step;
    this.#savedStep = saved.step;
    this.#tokens = saved.tokens;
    this.#secondsBefore = saved.seconds;
  }

  /** Trains until the budget is used up, the patience has run out or the signal is aborted. */
  async run(): Promise<TrainResult> {
    this.#output.open(this.#step);
    try {
      this.#buckets.weights?.shareOut();
      const result = await this.#train();
      await this.#buckets.weights?.bringBack();
      return result;
    } finally {
      this.#output.close();
      await this.#queue.dispose();
    }
  }

  async #train(): Promise<TrainResult> {
    const startedAt = performance.now();
    const elapsed = () => this.#secondsBefore + (performance.now() - startedAt) / 1000;
    let interrupted = false;
    const held = await heldMemory(this.#context.communicator, this.#optimizers.held, [
      ...(this.#stage.frozen?.values() ?? []),
    ]);
    if (held !== undefined) this.#output.emit({ type: 'note', text: held });
    if (this.#step > 0 && this.#finished()) this.#sayFinished();
    // A run that was killed between a checkpoint and its evaluation must still evaluate.
    if (this.#step > 0) await this.#withWeights(() => this.#afterSave());
    while (!this.#finished()) {
      if (!(await this.#trainStep(elapsed))) {
        interrupted = true;
        break;
      }
      interrupted = await this.#agree();
      const last = this.#step === this.#budget.totalSteps;
      if (interrupted || last || this.#due(this.#settings.saveEvery) || this.#due(this.#settings.evalEvery)) {
        await this.#withWeights(async () => {
          await this.#save(elapsed());
          if (!interrupted) await this.#afterSave();
        });
        if (interrupted) break;
      } else if (this.#due(this.#settings.sampleEvery)) {
        await this.#withWeights(() => this.#sample());
      }
    }
    if (!interrupted) this.#warn(this.#idle.atEnd());
    const seconds = elapsed();
    return {
      step: this.#step,
      totalSteps: this.#budget.totalSteps,
      tokens: this.#tokens,
      loss: this.#loss,
      evaluation: this.#evaluation,
      metrics: this.#stageMetrics,
      seconds,
      tokensPerSecond: this.#tokens / seconds,
      interrupted,
      idleUpdates: this.#idle.count,
    };
  }

  #sayFinished(): void {
    const text = finishedText(this.#step, this.#budget.totalSteps, this.#patience.exhausted);
    this.#output.emit({ type: 'note', text });
  }

  /** Runs body while each rank has all weights. */
  async #withWeights<T>(body: () => Promise<T>): Promise<T> {
    const { weights } = this.#buckets;
    return weights ? await weights.whole(body) : await body();
  }

  /** Whether the stage reads weights in a method that is called next. */
  #readsWeights(method: 'nextBatch' | 'afterUpdate'): boolean {
    return this.#stage.weightsReadBy?.includes(method) ?? false;
  }

  /** Frees gradients and the state of the optimizers. The parameters belong to the stage. */
  dispose(): void {
    this.#buckets.dispose();
    this.#optimizers.dispose();
  }

  /**
   * Whether any rank was asked to stop. The ranks also agree on the steps of a time budget here.
   */
  async #agree(): Promise<boolean> {
    const { communicator, signal } = this.#context;
    const steps = this.#output.isMain ? (this.#budget.totalSteps ?? 0) : 0;
    const [aborted, totalSteps] = (await communicator.sum([signal.aborted ? 1 : 0, steps])) as [
      number,
      number,
    ];
    this.#budget.restore(totalSteps > 0 ? totalSteps : undefined);
    return aborted > 0;
  }

  #finished(): boolean {
    return this.#patience.exhausted || this.#step >= (this.#budget.totalSteps ?? Number.POSITIVE_INFINITY);
  }

  #due(every: number): boolean {
    return every > 0 && this.#step % every === 0;
  }

  /** Returns false when the run was asked to stop before it had the batches of a step. */
  async #trainStep(elapsed: () => number): Promise<boolean> {
    const startedAt = performance.now();
    const next = await this.#nextBatches(elapsed);
    if (!next) return false;
    // The mean over all tokens of the global batch. A mean of means would give the tokens of short
    // batches more weight.
    await this.#accumulate(next.batches, 1 / Math.max(1, next.counted));
    const gradNorms = await this.#optimizers.gradNorms();
    const lr = learningRate(this.#settings, this.#step, this.#budget.totalSteps ?? Number.POSITIVE_INFINITY);
    await this.#update(lr, gradNorms);
    if (this.#readsWeights('afterUpdate')) await this.#withWeights(async () => this.#stage.afterUpdate?.());
    else this.#stage.afterUpdate?.();
    this.#step += 1;
    this.#warn(this.#idle.observe(this.#stage.idleReason?.() ?? stillUpdate(lr, gradNorms)));
    this.#tokens += next.tokens;
    this.#log(lr, gradNorms, next.tokens, (performance.now() - startedAt) / 1000);
    return true;
  }

  #warn(text: string | undefined): void {
    if (text !== undefined) this.#output.warn(this.#step, text);
  }

  /**
   * The batches of this rank, and what all ranks count. When a rank cannot make its batches, for
   * example for an error of a reward function, all save the steps so far and throw. A run that was
   * asked to stop has no use for the batches: undefined.
   */
  async #nextBatches(elapsed: () => number): Promise<NextBatches<Batch> | undefined> {
    const { communicator, signal } = this.#context;
    let batches: Batch[] = [];
    let failure: { error: unknown } | undefined;
    try {
      const take = () => this.#queue.take();
      batches = await (this.#readsWeights('nextBatch') ? this.#withWeights(take) : take());
    } catch (error) {
      if (error instanceof AthanorError && error.code.startsWith('ERR_COMM')) throw error;
      failure = { error };
    }
    const [counted, tokens, failures, aborted] = (await communicator.sum(
      [
        this.#total(batches, (batch) => this.#stage.lossTokens?.(batch) ?? 1),
        this.#total(batches, (batch) => this.#stage.batchTokens?.(batch) ?? this.#stage.tokensPerBatch ?? 0),
        failure ? 1 : 0,
        signal.aborted ? 1 : 0,
      ],
      'sizes of batches',
    )) as [number, number, number, number];
    if (failures === 0) return { batches, counted, tokens };
    batches.forEach(disposeOf);
    this.#queue.putBack();
    await this.#saveBeforeFailure(failure?.error, aborted > 0, elapsed);
    return undefined;
  }

  /** Throws the error unless the run was asked to stop after at least one step. */
  async #saveBeforeFailure(error: unknown, isAborted: boolean, elapsed: () => number): Promise<void> {
    if (this.#step === 0 && isAborted) {
      throw new AthanorError('ERR_INTERRUPTED', 'stopped before the first step', 'start the run again', {
        cause: error,
      });
    }
    if (this.#step > 0) {
      if (this.#step !== this.#savedStep) await this.#withWeights(() => this.#save(elapsed()));
      if (isAborted) return;
      const text = `step ${this.#step} is saved; \`resume\` goes on from there`;
      this.#output.emit({ type: 'note', text });
    }
    throw (
      error ?? new AthanorError('ERR_RANK_FAILED', 'another rank could not make its batches', 'see its error')
    );
  }

  #total(batches: readonly Batch[], count: (batch: Batch) => number): number {
    return batches.reduce((sum, batch) => sum + count(batch), 0);
  }

  /** Computes the gradients and the loss of all batches of the update. */
  async #accumulate(batches: readonly Batch[], scale: number): Promise<void> {
    const figures: number[][] = [];
    for (const [i, batch] of batches.entries()) {
      const isLast = i === batches.length - 1;
      const loss = scope(() => {
        this.#buckets.beginPass();
        const batchLoss = this.#stage.loss(batch, scale);
        // The CPU computes in this thread, so the next batches must begin before the backward pass.
        if (isLast && this.#context.device === 'cpu') this.#prefetch();
        backward(batchLoss, { onGradient: (parameter) => this.#buckets.ready(parameter) });
        this.#buckets.endPass();
        // A GPU works through its queue while this thread makes batches.
        if (isLast) this.#prefetch();
        return batchLoss.item();
      });
      figures.push([loss, ...(this.#stage.batchFigures?.() ?? [])]);
      disposeOf(batch);
      await yieldToEvents();
    }
    await this.#buckets.finish();
    const all = await ofAllBatches(
      this.#context.communicator,
      figures,
      this.#buckets.batches,
      this.#settings.gradAccum,
    );
    this.#loss = all.reduce((sum, [loss]) => sum + loss!, 0);
    this.#stage.observe?.(all.map(([, ...rest]) => rest));
  }

  #prefetch(): void {
    if (this.#step + 1 !== this.#budget.totalSteps) this.#queue.prefetch();
  }

  async #update(lr: number, gradNorms: readonly number[]): Promise<void> {
    const verdict = this.#guard.observe(this.#step + 1, this.#loss, Math.hypot(...gradNorms));
    if (verdict.warning) this.#output.warn(this.#step + 1, verdict.warning);
    if (!verdict.skip) await this.#optimizers.step(lr, gradNorms, this.#settings.maxGradNorm);
    this.#buckets.release();
    if (verdict.stop) {
      throw new AthanorError(
        'ERR_NOT_FINITE',
        `${verdict.warning}; training stopped as configured`,
        'resume from the last checkpoint with a lower `lr`, or choose `onSpike` skip',
      );
    }
  }

  #log(lr: number, gradNorms: readonly number[], tokens: number, seconds: number): void {
    const tokensPerSecond = tokens / seconds;
    const flopsPerSecond = tokensPerSecond * (this.#stage.flopsPerToken ?? 0);
    this.#stageMetrics = this.#stage.stepMetrics?.() ?? {};
    // Events come before the record of their step, so that a run resumed at this step keeps them.
    for (const event of this.#stage.stepEvents?.() ?? []) {
      if (event.event === 'warning') this.#output.warn(this.#step, String(event.text));
      else this.#output.record({ ...event, step: this.#step });
    }
    this.#output.record({
      step: this.#step,
      tokens: this.#tokens,
      loss: this.#loss,
      lr,
      ...this.#optimizers.normMetrics(gradNorms),
      ...this.#stageMetrics,
      tokens_per_second: tokensPerSecond,
      flops_per_second: flopsPerSecond,
      seconds,
    });
    this.#budget.observe(this.#step, seconds);
    this.#output.emit({
      type: 'step',
      step: this.#step,
      totalSteps: this.#budget.totalSteps,
      tokens: this.#tokens,
      loss: this.#loss,
      lr,
      gradNorm: gradNorms[0]!,
      tokensPerSecond,
      flopsPerSecond,
      metrics: this.#stageMetrics,
    });
  }

  /**
   * Throws ERR_NOT_FINITE where the weights are broken, so that the newest checkpoint can be used.
   */
  async #save(seconds: number): Promise<void> {
    const broken = this.#optimizers.brokenParameter();
    if (broken !== undefined) {
      throw new AthanorError(
        'ERR_NOT_FINITE',
        `after step ${this.#step}, ${broken} holds a value that is NaN or infinite; the step is not saved`,
        'use a lower `lr`, from the last checkpoint or from the start',
      );
    }
    await this.#output.save(this.#step, () => this.#contents(seconds));
    if (this.store && !this.#output.isMain) await this.#optimizers.sendMoments();
    this.#savedStep = this.#step;
  }

  #contents(seconds: number): CheckpointContents {
    const { writeModel } = this.#stage;
    const extra = [...(this.#stage.tensors?.() ?? [])].map(([name, source]): [string, TensorSource] => [
      `stage/${name}`,
      source,
    ]);
    return {
      writeModel: writeModel ? (folder) => writeModel.call(this.#stage, folder) : async () => [],
      tensors: [...this.#optimizers.moments(), ...(writeModel ? [] : this.#optimizers.weights()), ...extra],
      state: this.#state(seconds),
    };
  }

  #state(seconds: number): TrainerState {
    return {
      step: this.#step,
      tokens: this.#tokens,
      total_steps: this.#budget.totalSteps ?? null,
      optimizer_steps: this.#optimizers.stepCount,
      seconds,
      guard: this.#guard.state(),
      patience: this.#patience.state(),
      idle: this.#idle.state(),
      stage: this.#queue.state(),
    };
  }

  /** Evaluation and samples, if they are due. The checkpoint of the step is already on disk. */
  async #afterSave(): Promise<void> {
    const last = this.#step === this.#budget.totalSteps;
    if (this.#stage.evaluate && (last || this.#due(this.#settings.evalEvery))) await this.#evaluate();
    if (last || this.#due(this.#settings.sampleEvery)) await this.#sample();
  }

  async #evaluate(): Promise<void> {
    const step = this.#step;
    const { metrics, score: own, events = [] } = await this.#stage.evaluate!();
    // All ranks take the main rank's score, so that they stop at the same step.
    const [score] = (await this.#context.communicator.sum([this.#output.isMain ? own : 0])) as [number];
    this.#evaluation = metrics;
    this.#output.record({ event: 'evaluation', step, tokens: this.#tokens, ...metrics });
    for (const event of events) this.#output.record({ ...event, step });
    await this.#output.setScore(step, score);
    this.#patience.observe(score);
    this.#output.emit({ type: 'evaluation', step, metrics });
  }

  async #sample(): Promise<void> {
    if (!this.#output.isMain) return;
    const samples = await this.#stage.sample?.();
    if (!samples) return;
    for (const sample of samples) this.#output.record({ event: 'sample', step: this.#step, ...sample });
    this.#output.emit({ type: 'samples', step: this.#step, samples });
  }
}
