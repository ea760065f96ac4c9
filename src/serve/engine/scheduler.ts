/**
 * The engine thread without its thread: takes messages, runs one batch step at a time, and gives
 * messages back. Requests join and leave between any two steps.
 */
import { randomInt } from 'node:crypto';
import { Batch, type BatchEvent } from '../../generate/batch.ts';
import type { SamplingOptions } from '../../generate/sampling.ts';
import type { EngineSettings, FromEngine, Job, JobOutput, ToEngine } from '../protocol/messages.ts';
import { packOutputs } from '../protocol/packed-outputs.ts';
import { sentError } from '../protocol/sent-error.ts';
import { RunningJob } from './running-job.ts';
import type { ServedModel } from './served-model.ts';

/** Seeds below 2^47 are what randomInt draws. */
const SEEDS = 2 ** 47;
const STREAMS = 2 ** 31;

export class Scheduler {
  readonly #served: ServedModel;
  readonly #batch: Batch;
  readonly #post: (message: FromEngine) => void;
  /** By the id in the batch. */
  readonly #jobs = new Map<number, { id: number; running: RunningJob }>();
  /** From the job's id to the batch's. */
  readonly #places = new Map<number, number>();
  /**
   * Jobs without a seed share one random seed and have a stream each: rows with equal
   * settings are drawn in one call.
   */
  readonly #seed = randomInt(SEEDS);
  #streams = 0;
  #steps = 0;

  constructor(
    served: ServedModel,
    { slots, prefillTokens }: Pick<EngineSettings, 'slots' | 'prefillTokens'>,
    post: (message: FromEngine) => void,
  ) {
    this.#served = served;
    this.#post = post;
    const slotTokens = served.info.contextLength;
    const suppressTokens = served.tokenizer.unusedIds(served.model.config.vocabSize);
    const sizes = { slots, slotTokens, prefillTokens };
    this.#batch = new Batch(served.model, { ...sizes, reusePrefixes: true, suppressTokens });
  }

  /** Whether there is a step to run. */
  get isBusy(): boolean {
    return this.#batch.size > 0;
  }

  /** The number of steps so far. */
  get steps(): number {
    return this.#steps;
  }

  handle(message: ToEngine): void {
    switch (message.type) {
      case 'encode':
        this.#answer(message.id, (id) => {
          this.#post({
            type: 'encoded',
            id,
            prompts: message.prompts.map((one) => this.#served.encode(one)),
          });
        });
        break;
      case 'decode':
        this.#answer(message.id, (id) => {
          this.#post({ type: 'decoded', id, text: this.#served.decode(message.tokens) });
        });
        break;
      case 'start':
        this.#start(message.id, message.job);
        break;
      case 'cancel':
        this.#cancel(message.id);
        break;
    }
  }

  #answer(id: number, body: (id: number) => void): void {
    try {
      body(id);
    } catch (error) {
      this.#post({ type: 'refused', id, error: sentError(error) });
    }
  }

  #start(id: number, job: Job): void {
    const { prompt, maxTokens, sampling, stream, reportPrompt } = job;
    const random = this.#randomOf(sampling, stream);
    // The batch itself has log-probabilities at the temperature of the draw, the store those at 1:
    // only those of greedy draws and of draws at 1 are the same.
    const { temperature = 1 } = sampling;
    const isReported = job.record && temperature !== 0 && temperature !== 1;
    const topLogProbs = job.topLogProbs ?? (isReported ? 0 : undefined);
    try {
      const place = this.#batch.add({
        ...{ prompt, maxTokens, topLogProbs, reportPrompt },
        ...sampling,
        ...random,
        stopTokens: this.#served.endsOf(job),
        constraint: this.#served.constraintOf(job),
        name: 'the request',
      });
      this.#jobs.set(place, { id, running: new RunningJob(id, job, this.#served, random) });
      this.#places.set(id, place);
    } catch (error) {
      this.#post({ type: 'failed', id, error: sentError(error) });
    }
  }

  #randomOf({ seed, temperature }: SamplingOptions, stream: number): { seed: number; stream: number } {
    // Greedy draws need no seed: with one they could not share a call.
    if (temperature === 0) return { seed: 0, stream: 0 };
    if (seed !== undefined) return { seed, stream };
    return { seed: this.#seed, stream: this.#streams++ % STREAMS };
  }

  #cancel(id: number): void {
    const place = this.#places.get(id);
    if (place === undefined) return;
    const tokens = this.#jobs.get(place)!.running.tokens;
    this.#batch.cancel(place);
    this.#forget(place, id);
    this.#post({ type: 'cancelled', id, tokens });
  }

  #forget(place: number, id: number): void {
    this.#jobs.delete(place);
    this.#places.delete(id);
  }

  /** Runs a step. One that fails ends all jobs, since nobody knows whose fault it is. */
  step(): void {
    const outputs: JobOutput[] = [];
    try {
      for (const event of this.#batch.step()) this.#take(event, outputs);
    } catch (error) {
      for (const [place, { id }] of [...this.#jobs]) this.#fail(place, id, error);
    }
    this.#post({ type: 'step', number: ++this.#steps, outputs: packOutputs(outputs) });
  }

  #take(event: BatchEvent, outputs: JobOutput[]): void {
    const { id, running } = this.#jobs.get(event.id)!;
    try {
      const output = running.take(event);
      outputs.push(output);
      if (!output.finish) return;
      if (!event.completion) this.#batch.cancel(event.id);
      this.#forget(event.id, id);
    } catch (error) {
      this.#fail(event.id, id, error);
    }
  }

  #fail(place: number, id: number, error: unknown): void {
    this.#batch.cancel(place);
    this.#forget(place, id);
    this.#post({ type: 'failed', id, error: sentError(error) });
  }
}
