/**
 * The engine thread as the HTTP thread sees it: starts it, queues jobs until a slot is free, and
 * starts it again when it crashes. A crash costs the jobs that run; those that wait stay.
 */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { AthanorError } from '../../base/errors.ts';
import { packageRoot } from '../../base/package-root.ts';
import { overloaded } from '../protocol/api-error.ts';
import type { CancelledEvent, EngineEvent, QuantizationEvent } from '../protocol/events.ts';
import type {
  EngineSettings,
  FromEngine,
  Job,
  JobOutput,
  ModelInfo,
  PromptInput,
  SentError,
  ToEngine,
} from '../protocol/messages.ts';
import { unpackOutputs } from '../protocol/packed-outputs.ts';

/** Hears of one job. */
export interface JobListener {
  onOutput(output: JobOutput): void;
  /** The last call: the job is lost. */
  onError(error: AthanorError): void;
}

export interface HostOptions extends Omit<EngineSettings, 'handled' | 'measuresCost'> {
  /** A thread that works on a step for this long counts as stalled. */
  stallSeconds: number;
  onEvent?: ((event: EngineEvent | QuantizationEvent | CancelledEvent) => void) | undefined;
  /** The program of the thread; tests give others. */
  program?: URL | string | undefined;
}

interface QueuedJob {
  job: Job;
  listener: JobListener;
}

interface Question {
  resolve(answer: FromEngine): void;
  reject(error: Error): void;
}

// The engine thread runs compiled code: Node 20 cannot start a thread from TypeScript.
const PROGRAM = join(packageRoot, 'dist/serve/engine/worker.js');
/** Texts that wait for their tokens hold whole bodies in memory. */
const MAX_QUESTIONS = 256;
const MAX_RESTART_MS = 10_000;

export class EngineHost {
  readonly #options: HostOptions;
  readonly #jobs = new Map<number, QueuedJob>();
  /** Ids of jobs without a slot, the oldest first. */
  readonly #waiting = new Set<number>();
  readonly #running = new Set<number>();
  readonly #questions = new Map<number, Question>();
  #worker: Worker | undefined;
  #model: ModelInfo | undefined;
  #isReady = false;
  #isClosed = false;
  #isRetired = false;
  #nextId = 0;
  #restartMs = 100;
  #handled = newCounter();
  #lastSign = performance.now();
  readonly #watch: NodeJS.Timeout;
  /** Numbers for the metrics. */
  readonly counts = { steps: 0, restarts: 0, cancelled: 0 };

  private constructor(options: HostOptions) {
    this.#options = options;
    const watchMs = Math.min(1000, options.stallSeconds * 250);
    this.#watch = setInterval(() => this.#checkStall(), watchMs).unref();
  }

  /** Starts the thread and loads the model. Throws as the ServedModel does. */
  static async start(options: HostOptions): Promise<EngineHost> {
    const host = new EngineHost(options);
    try {
      await host.#launch();
    } catch (error) {
      await host.close();
      throw error;
    }
    return host;
  }

  /** The model that is loaded, or was before a crash. */
  get model(): ModelInfo {
    return this.#model!;
  }

  /** Whether requests are worked on. */
  get isReady(): boolean {
    return this.#isReady && !this.#isStalled();
  }

  /** Jobs in a slot. */
  get running(): number {
    return this.#running.size;
  }

  /** Jobs without a slot. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * The tokens of prompts. Throws AthanorError, ERR_STATE when the thread is not running, and
   * ApiError of status 503 when too many texts wait.
   */
  async encode(prompts: readonly PromptInput[]): Promise<Int32Array[]> {
    const answer = await this.#ask((id) => ({ type: 'encode', id, prompts }));
    if (answer.type !== 'encoded') throw new AthanorError('ERR_INTERNAL', `encode got ${answer.type}`);
    return answer.prompts;
  }

  /** The text of tokens. Throws as encode. */
  async decode(tokens: readonly number[]): Promise<string> {
    const answer = await this.#ask((id) => ({ type: 'decode', id, tokens }));
    if (answer.type !== 'decoded') throw new AthanorError('ERR_INTERNAL', `decode got ${answer.type}`);
    return answer.text;
  }

  /** Queues a job. Returns its id. */
  submit(job: Job, listener: JobListener): number {
    const id = this.#nextId++;
    this.#jobs.set(id, { job, listener });
    this.#waiting.add(id);
    this.#dispatch();
    return id;
  }

  /** Takes a job out, waiting or running; its listener hears nothing more. */
  cancel(id: number): void {
    if (!this.#jobs.delete(id)) return;
    if (this.#waiting.delete(id)) {
      ++this.counts.cancelled;
      this.#options.onEvent?.({ type: 'cancelled', tokens: 0 });
      return;
    }
    this.#send({ type: 'cancel', id });
  }

  /** No new requests will come. A crash then costs all jobs, since nothing starts again. */
  retire(): void {
    this.#isRetired = true;
  }

  /** Ends the thread. All jobs are lost. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#watch);
    this.#lose('the server is stopping', [...this.#jobs.keys()]);
    this.#handled[0] = 0x7fffffff;
    Atomics.notify(this.#handled, 0);
    await this.#worker?.terminate();
  }

  #send(message: ToEngine): void {
    this.#worker?.postMessage(message);
  }

  #ask(make: (id: number) => ToEngine): Promise<FromEngine> {
    return new Promise((resolve, reject) => {
      if (this.#questions.size >= MAX_QUESTIONS) return reject(overloaded());
      if (!this.#isReady) return reject(lost('the engine is not running'));
      const id = this.#nextId++;
      this.#questions.set(id, { resolve, reject });
      this.#send(make(id));
    });
  }

  #dispatch(): void {
    if (!this.#isReady) return;
    for (const id of this.#waiting) {
      if (this.#running.size >= this.#options.slots) return;
      if (this.#running.size === 0) this.#lastSign = performance.now();
      this.#waiting.delete(id);
      this.#running.add(id);
      this.#send({ type: 'start', id, job: this.#jobs.get(id)!.job });
    }
  }

  /** Starts the thread; resolves when the model is loaded. */
  #launch(): Promise<void> {
    const { onEvent: _, program = PROGRAM, stallSeconds: __, ...settings } = this.#options;
    this.#handled = newCounter();
    const workerData: EngineSettings = {
      ...settings,
      // Once: a thread that replaces another has the same weights.
      measuresCost: this.#model === undefined,
      handled: this.#handled,
    };
    const worker = new Worker(program, { workerData });
    this.#worker = worker;
    return new Promise((resolve, reject) => {
      let reason = 'it ended';
      worker.on('message', (message: FromEngine) => {
        if (this.#worker !== worker) return;
        if (message.type === 'unusable') {
          reject(received(message.error));
          reason = message.error.message;
          void worker.terminate();
        } else {
          this.#take(message);
          if (message.type === 'ready') resolve();
        }
      });
      worker.on('error', (error) => {
        reason = error.message;
      });
      worker.on('exit', () => {
        reject(lost(`the engine thread cannot start: ${reason}`));
        if (this.#worker === worker) this.#restart('crashed', reason);
      });
    });
  }

  #take(message: FromEngine): void {
    this.#lastSign = performance.now();
    switch (message.type) {
      case 'ready':
        this.#model = message.model;
        this.#isReady = true;
        this.#restartMs = 100;
        if (message.model.quantizationCost) {
          this.#options.onEvent?.({ type: 'quantization', ...message.model.quantizationCost });
        }
        this.#options.onEvent?.({ type: 'engine', state: 'ready' });
        this.#dispatch();
        return;
      case 'encoded':
      case 'decoded':
      case 'refused': {
        const question = this.#questions.get(message.id);
        this.#questions.delete(message.id);
        if (message.type === 'refused') question?.reject(received(message.error));
        else question?.resolve(message);
        return;
      }
      case 'step':
        this.#takeStep(message.number, unpackOutputs(message.outputs));
        return;
      case 'failed':
        this.#end(message.id)?.onError(received(message.error));
        this.#dispatch();
        return;
      case 'cancelled':
        ++this.counts.cancelled;
        this.#end(message.id);
        this.#options.onEvent?.({ type: 'cancelled', tokens: message.tokens });
        this.#dispatch();
        return;
    }
  }

  #takeStep(number: number, outputs: readonly JobOutput[]): void {
    ++this.counts.steps;
    for (const output of outputs) {
      const listener = this.#jobs.get(output.job)?.listener;
      if (output.finish) this.#end(output.job);
      listener?.onOutput(output);
    }
    this.#dispatch();
    // After a turn of the event loop, in which sockets that closed are noticed.
    const handled = this.#handled;
    setImmediate(() => {
      Atomics.store(handled, 0, number);
      Atomics.notify(handled, 0);
    });
  }

  #end(id: number): JobListener | undefined {
    const listener = this.#jobs.get(id)?.listener;
    this.#jobs.delete(id);
    this.#running.delete(id);
    return listener;
  }

  #lose(reason: string, ids: readonly number[]): void {
    for (const id of ids) {
      this.#waiting.delete(id);
      this.#end(id)?.onError(lost(reason));
    }
    this.#running.clear();
    for (const [, { reject }] of this.#questions) reject(lost(reason));
    this.#questions.clear();
  }

  #restart(state: 'crashed' | 'stalled', reason: string): void {
    if (this.#isClosed || this.#model === undefined) return;
    const { onEvent } = this.#options;
    this.#isReady = false;
    this.#worker = undefined;
    ++this.counts.restarts;
    onEvent?.({ type: 'engine', state, reason });
    if (this.#isRetired) {
      this.#lose(`the engine ${state}`, [...this.#jobs.keys()]);
      return;
    }
    this.#lose(`the engine ${state} and starts again`, [...this.#running]);
    const again = () => {
      if (this.#isClosed) return;
      this.#launch().catch(() => {});
    };
    setTimeout(again, this.#restartMs).unref();
    this.#restartMs = Math.min(2 * this.#restartMs, MAX_RESTART_MS);
  }

  #isStalled(): boolean {
    const isWorking = this.#running.size > 0 || this.#questions.size > 0;
    return isWorking && performance.now() - this.#lastSign > this.#options.stallSeconds * 1000;
  }

  #checkStall(): void {
    if (!this.#isReady || !this.#isStalled()) return;
    void this.#worker?.terminate();
    this.#restart('stalled', `no step in ${this.#options.stallSeconds} seconds`);
  }
}

function newCounter(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(4));
}

function lost(reason: string): AthanorError {
  return new AthanorError('ERR_STATE', reason, 'send the request again');
}

function received({ code, message, remedy }: SentError): AthanorError {
  return new AthanorError(code, message, remedy);
}
