/** Rewards from a user's function, for tasks whose answers a program can check. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { AthanorError } from '../base/errors.ts';
import { packageRoot } from '../base/package-root.ts';
import { callAll, messageOf, type RewardFunction } from './reward-calls.ts';
import type { Answer, RewardSource } from './reward-source.ts';
import { type FailedCall, RewardWatch } from './reward-watch.ts';
import type { WorkerMessage } from './reward-worker.ts';

export interface RewardLimits {
  /** Seconds that one answer may take. */
  seconds: number;
  /** Once aborted, an answer may take a few seconds. */
  signal?: AbortSignal | undefined;
}

/** A stop should not wait for a function that hangs. */
const SECONDS_AFTER_STOP = 5;

async function hurried(watch: RewardWatch, signal?: AbortSignal): Promise<Float32Array | FailedCall> {
  const hurry = () => watch.hurry(SECONDS_AFTER_STOP);
  if (signal?.aborted) hurry();
  signal?.addEventListener('abort', hurry, { once: true });
  try {
    return await watch.result;
  } finally {
    signal?.removeEventListener('abort', hurry);
  }
}

/** Calls a function of the caller's program. A call that never returns cannot be ended. */
export class RewardFunctionSource implements RewardSource {
  readonly #reward: RewardFunction;
  readonly #limits: RewardLimits;

  constructor(reward: RewardFunction, limits: RewardLimits) {
    this.#reward = reward;
    this.#limits = limits;
  }

  /**
   * Throws ERR_CONFIG, with the row and the response, if the function throws, is late, or returns
   * anything but a finite number.
   */
  async score(answers: readonly Answer[]): Promise<Float32Array> {
    const watch = new RewardWatch(answers.length, this.#limits.seconds);
    callAll(this.#reward, answers, watch);
    return rewardsOf(await hurried(watch, this.#limits.signal), '`rewardFn`', answers);
  }

  dispose(): void {}
}

/** Calls the function of a file, which runs in a thread of its own. */
export class RewardFileSource implements RewardSource {
  readonly #file: string;
  readonly #limits: RewardLimits;
  readonly #worker: Worker;
  #watch: RewardWatch | undefined;
  /** Why the thread has ended. */
  #ended: AthanorError | undefined;

  private constructor(file: string, limits: RewardLimits, worker: Worker) {
    this.#file = file;
    this.#limits = limits;
    this.#worker = worker;
    worker.on('message', (message: WorkerMessage) => this.#hear(message));
    worker.on('error', (error) => this.#end(`failed outside of a call: ${messageOf(error)}`));
    worker.on('exit', () => this.#end('ended its thread, for example with process.exit()'));
  }

  /**
   * Imports a JavaScript module that exports a function. Throws ERR_FILE_MISSING, and ERR_CONFIG if
   * it fails to load in time or exports no function.
   * @param loading seconds that loading may take
   */
  static async load(file: string, limits: RewardLimits, loading = 60): Promise<RewardFileSource> {
    if (!existsSync(file)) {
      throw new AthanorError('ERR_FILE_MISSING', `${file} does not exist`, 'check `rewardFn`');
    }
    const worker = new Worker(join(packageRoot, 'dist', 'scoring', 'reward-worker.js'), {
      workerData: { url: pathToFileURL(resolve(file)).href },
    });
    const source = new RewardFileSource(file, limits, worker);
    try {
      await source.#ready(loading);
    } catch (error) {
      source.dispose();
      throw error;
    }
    return source;
  }

  /** Throws as RewardFunctionSource does, and ERR_CONFIG if the file has ended its thread. */
  async score(answers: readonly Answer[]): Promise<Float32Array> {
    const asked = answers.map(({ prompt, response, row }) => ({ prompt, response, row }));
    if (this.#ended) throw this.#ended;
    const watch = new RewardWatch(answers.length, this.#limits.seconds);
    const result = await this.#waiting(watch, () => this.#worker.postMessage(asked));
    return rewardsOf(result, this.#file, answers);
  }

  dispose(): void {
    this.#worker.removeAllListeners();
    void this.#worker.terminate();
  }

  /** Waits until the file is loaded, which counts as a call. */
  async #ready(seconds: number): Promise<void> {
    const result = await this.#waiting(new RewardWatch(1, seconds, 'did not load'), () => {});
    if (result instanceof Float32Array) return;
    throw new AthanorError(
      'ERR_CONFIG',
      `${this.#file} ${result.problem}`,
      'export default function (prompt, response, row) { return 0; }',
    );
  }

  /** The outcome of calls that `start` begins. The thread keeps the process alive meanwhile. */
  async #waiting(watch: RewardWatch, start: () => void): Promise<Float32Array | FailedCall> {
    this.#watch = watch;
    this.#worker.ref();
    try {
      start();
      return await hurried(watch, this.#limits.signal);
    } finally {
      this.#watch = undefined;
      this.#worker.unref();
    }
  }

  #hear(message: WorkerMessage): void {
    if (message.type === 'ready') this.#watch?.end(0, { reward: 0 });
    else if (message.type === 'refused') this.#watch?.end(0, { problem: message.problem });
    else if (message.type === 'begin') this.#watch?.begin(message.index);
    else this.#watch?.end(message.index, message.outcome);
  }

  #end(what: string): void {
    this.#ended ??= new AthanorError(
      'ERR_CONFIG',
      `${this.#file} ${what}`,
      'a reward file must only answer calls, and catch its own errors',
    );
    this.#watch?.abort(this.#ended);
  }
}

/** Throws ERR_CONFIG for a call without a reward. */
function rewardsOf(
  result: Float32Array | FailedCall,
  name: string,
  answers: readonly Answer[],
): Float32Array {
  if (result instanceof Float32Array) return result;
  const { id, response } = answers[result.index]!;
  const text = JSON.stringify(response.length > 80 ? `${response.slice(0, 79)}…` : response);
  throw new AthanorError(
    'ERR_CONFIG',
    `${name} ${result.problem} for the response ${text} to ${id}`,
    'make the function return a number for any response, or raise `rewardTimeout`',
  );
}
