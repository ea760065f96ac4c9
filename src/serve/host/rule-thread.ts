/**
 * Rules of requests are checked in a thread of their own: a schema that is made to take long holds
 * up no other request of HTTP. The thread starts with the first rule.
 */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { packageRoot } from '../../base/package-root.ts';
import { ApiError, badValue, overloaded } from '../protocol/api-error.ts';
import type { FromRules, RuleCheck, RuleFailure, ToRules } from '../protocol/rule-messages.ts';

// The thread runs compiled code: Node 20 cannot start a thread from TypeScript.
const PROGRAM = join(packageRoot, 'dist/serve/host/rule-worker.js');
/** Requests whose rules wait; more are refused. */
const MOST_WAITING = 256;

interface Waiting {
  resolve(failure: RuleFailure | undefined): void;
  reject(error: unknown): void;
}

export class RuleThread {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #nextId = 0;

  /**
   * Throws ApiError of status 400 for a rule that the engine would refuse, 503 when too many wait
   * or the thread ends, and the reason of the signal.
   */
  async check(checks: readonly RuleCheck[], signal: AbortSignal): Promise<void> {
    if (checks.length === 0) return;
    signal.throwIfAborted();
    if (this.#waiting.size >= MOST_WAITING) throw overloaded();
    const worker = this.#launched();
    const id = this.#nextId++;
    const stop = () => {
      this.#take(id)?.reject(signal.reason);
      worker.postMessage({ cancel: id } satisfies ToRules);
    };
    signal.addEventListener('abort', stop, { once: true });
    try {
      const failure = await new Promise<RuleFailure | undefined>((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject });
        worker.postMessage({ id, checks } satisfies ToRules);
      });
      if (failure) throw badValue(failure.param, failure.message, 'invalid_schema');
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #launched(): Worker {
    if (this.#worker) return this.#worker;
    const worker = new Worker(PROGRAM);
    worker.on('message', ({ id, failure }: FromRules) => this.#take(id)?.resolve(failure));
    // The end of the thread says the same.
    worker.on('error', () => {});
    worker.on('exit', () => {
      this.#worker = undefined;
      for (const id of [...this.#waiting.keys()]) this.#take(id)!.reject(lost());
    });
    this.#worker = worker;
    return worker;
  }
}

function lost(): ApiError {
  return new ApiError(503, 'engine_unavailable', 'the check of the schema ended; send the request again', {
    retryAfter: 1,
  });
}
