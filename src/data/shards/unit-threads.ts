/** Shares units out among threads that filter them. */
import { join } from 'node:path';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { AthanorError } from '../../base/errors.ts';
import { packageRoot } from '../../base/package-root.ts';
import { FilterChain } from '../filters/filter-documents.ts';
import { filterUnit, type UnitSummary } from './filter-unit.ts';
import { PartialFolder } from './partial-folder.ts';
import { interrupted } from './plan.ts';
import type { FromUnitThread, SentError, UnitJob, UnitThreadSettings } from './unit-messages.ts';

// Compiled code: Node 20 cannot start a thread from TypeScript.
const PROGRAM = join(packageRoot, 'dist/data/shards/unit-worker.js');
/** Text after which other events get a turn. */
const YIELD_BYTES = 1 << 20;

export interface UnitRun extends UnitThreadSettings {
  threads: number;
  signal?: AbortSignal | undefined;
  /** Called with documents that were read, and their bytes of text. */
  onRead(documents: number, bytes: number): void;
  onDone(index: number, summary: UnitSummary): void;
}

/**
 * Filters units. One thread is the caller's own. Throws the error of the first unit, in the order
 * of the corpus, that has one, and ERR_INTERRUPTED when the signal aborts.
 */
export async function filterUnits(jobs: readonly UnitJob[], run: UnitRun): Promise<void> {
  if (jobs.length === 0) return;
  if (Math.min(run.threads, jobs.length) === 1) await filterHere(jobs, run);
  else await new UnitThreads(jobs, run).finished();
}

async function filterHere(jobs: readonly UnitJob[], run: UnitRun): Promise<void> {
  const { out, reading, filters, signal, onRead, onDone } = run;
  const folder = new PartialFolder(out);
  const chain = await FilterChain.create(filters);
  let bytes = 0;
  for (const { index, unit } of jobs) {
    const summary = await filterUnit(folder, index, unit, reading, chain, (read) => {
      if (signal?.aborted) throw interrupted();
      onRead(1, read);
      bytes += read;
      if (bytes < YIELD_BYTES) return undefined;
      bytes = 0;
      return yieldToEvents();
    });
    onDone(index, summary);
  }
}

class UnitThreads {
  readonly #jobs: readonly UnitJob[];
  readonly #run: UnitRun;
  readonly #workers: Worker[] = [];
  /** Units that a thread has. */
  readonly #running = new Set<number>();
  #next = 0;
  #failed: { index: number; error: SentError } | undefined;
  #settle: { resolve(): void; reject(error: Error): void } | undefined;

  constructor(jobs: readonly UnitJob[], run: UnitRun) {
    this.#jobs = jobs;
    this.#run = run;
  }

  async finished(): Promise<void> {
    const { signal, threads, out, reading, filters } = this.#run;
    const stop = () => this.#settle?.reject(interrupted());
    try {
      await new Promise<void>((resolve, reject) => {
        this.#settle = { resolve, reject };
        if (signal?.aborted) return stop();
        signal?.addEventListener('abort', stop, { once: true });
        const workerData: UnitThreadSettings = { out, reading, filters };
        for (let i = 0; i < Math.min(threads, this.#jobs.length); i++) this.#launch(workerData);
      });
    } finally {
      signal?.removeEventListener('abort', stop);
      await Promise.all(this.#workers.map((worker) => worker.terminate()));
    }
  }

  #launch(workerData: UnitThreadSettings): void {
    const worker = new Worker(PROGRAM, { workerData });
    this.#workers.push(worker);
    worker.on('message', (message: FromUnitThread) => this.#take(worker, message));
    worker.on('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'ERR_OUT_OF_MEMORY' : 'ERR_INTERNAL';
      this.#settle?.reject(
        new AthanorError(code, `a thread that filters documents ended: ${error.message}`, undefined, {
          cause: error,
        }),
      );
    });
  }

  #take(worker: Worker, message: FromUnitThread): void {
    if (message.type === 'read') {
      this.#run.onRead(message.documents, message.bytes);
      return;
    }
    if (message.type === 'done') this.#run.onDone(message.index, message.summary);
    // A later unit may fail sooner: those before it are finished, so that the first one is named.
    if (message.type === 'failed' && message.index < (this.#failed?.index ?? Number.POSITIVE_INFINITY)) {
      this.#failed = message;
    }
    if (message.type !== 'ready') this.#running.delete(message.index);
    this.#feed(worker);
  }

  #feed(worker: Worker): void {
    const job = this.#jobs[this.#next];
    if (job !== undefined && job.index < (this.#failed?.index ?? Number.POSITIVE_INFINITY)) {
      this.#next += 1;
      this.#running.add(job.index);
      worker.postMessage(job);
      return;
    }
    const { index: bound = Number.POSITIVE_INFINITY, error } = this.#failed ?? {};
    if ([...this.#running].some((index) => index < bound)) return;
    if (error) this.#settle?.reject(new AthanorError(error.code, error.message, error.remedy));
    else this.#settle?.resolve();
  }
}
