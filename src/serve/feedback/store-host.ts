/**
 * The feedback store as the HTTP thread sees it. SQLite waits for the disk, and for other processes
 * that write; so it has a thread of its own.
 */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { AthanorError } from '../../base/errors.ts';
import { packageRoot } from '../../base/package-root.ts';
import type { SafetyEvent } from '../../feedback/records.ts';
import type { NewAnswer } from '../../feedback/rows.ts';
import { ApiError } from '../protocol/api-error.ts';
import type { FeedbackEvent } from '../protocol/events.ts';
import type {
  CallName,
  CallResult,
  FromStore,
  StoreCalls,
  StoreRecord,
  StoreSettings,
  ToStore,
} from './messages.ts';

// The thread runs compiled code: Node 20 cannot start a thread from TypeScript.
const PROGRAM = join(packageRoot, 'dist/serve/feedback/store-worker.js');
/** Records and calls that wait for a slow disk; more are lost or refused. */
const MOST_WAITING = 10_000;
/** Ids of answers that are known not to be in the store. */
const MOST_LOST_IDS = 100_000;
const RESTART_MS = 1000;
/** A disk that is full loses records many times per second. */
const MS_BETWEEN_LOSSES = 10_000;
const CLOSE_MS = 10_000;

export interface StoreHostOptions extends StoreSettings {
  onEvent?: ((event: FeedbackEvent) => void) | undefined;
  /** The program of the thread; tests give others. */
  program?: URL | string | undefined;
}

/** Whether a server records its answers at the moment, and how much it could not record. */
export interface RecordingState {
  recording: boolean;
  /** Answers and safety events that were not written since the start. */
  lost: number;
}

interface Waiting {
  resolve(result: CallResult): void;
  reject(error: ApiError): void;
}

export class StoreHost {
  readonly #options: StoreHostOptions;
  readonly #calls = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #nextId = 0;
  /** Records that are not on the disk, in the order of writing: ids of answers, null for events. */
  #pending: (string | null)[] = [];
  /** The oldest first. */
  readonly #lostIds = new Set<string>();
  #lostRecords = 0;
  /** Whether the last write failed. */
  #isFailing = false;
  /** Since the last event. */
  #lost = 0;
  #reason = '';
  #lossTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  private constructor(options: StoreHostOptions) {
    this.#options = options;
  }

  /** Opens the store in its thread. Throws as FeedbackStore.open and check do. */
  static async start(options: StoreHostOptions): Promise<StoreHost> {
    const host = new StoreHost(options);
    await host.#launch();
    return host;
  }

  get state(): RecordingState {
    return { recording: this.#worker !== undefined && !this.#isFailing, lost: this.#lostRecords };
  }

  /** Whether an answer could not be recorded, so that there can be no feedback on it. */
  hasLost(id: string): boolean {
    return this.#lostIds.has(id);
  }

  /** Writes an answer soon. A crash of the process within the next milliseconds loses it. */
  recordAnswer(value: NewAnswer): void {
    this.#record({ record: 'answer', value });
  }

  /** Writes a safety event soon. */
  recordSafetyEvent(value: SafetyEvent): void {
    this.#record({ record: 'safety', value });
  }

  /**
   * Resolves when the disk has it. Rejects with ApiError of status 503 when the store cannot be
   * written or read, and 400 for a value that it cannot hold.
   */
  call<N extends CallName>(call: N, value: StoreCalls[N]['value']): Promise<StoreCalls[N]['result']> {
    return new Promise<CallResult>((resolve, reject) => {
      if (!this.#worker || this.#calls.size >= MOST_WAITING) return reject(unavailable());
      const id = this.#nextId++;
      this.#calls.set(id, { resolve, reject });
      this.#worker.postMessage({ call, id, value });
    });
  }

  /** Writes what is left, and ends the thread. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const late = new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref());
    await Promise.race([this.call('close', null).catch(() => {}), late]);
    clearTimeout(this.#lossTimer);
    this.#tellLoss();
    await this.#worker?.terminate();
  }

  #record(record: StoreRecord): void {
    const id = record.record === 'answer' ? record.value.id : null;
    if (!this.#worker) this.#loseRecords([id], 'the thread of the store starts again');
    else if (this.#pending.length >= MOST_WAITING) this.#loseRecords([id], 'the disk is too slow');
    else {
      this.#pending.push(id);
      this.#worker.postMessage(record satisfies ToStore);
    }
  }

  #launch(): Promise<void> {
    const { path, days, program = PROGRAM } = this.#options;
    const worker = new Worker(program, { workerData: { path, days } satisfies StoreSettings });
    return new Promise((resolve, reject) => {
      let reason = 'it ended';
      worker.on('message', (message: FromStore) => {
        if (message.type === 'ready') {
          this.#worker = worker;
          return resolve();
        }
        if (message.type !== 'unusable') return this.#take(message);
        const { code, message: problem, remedy } = message.error;
        reject(new AthanorError(code, problem, remedy));
        reason = problem;
        void worker.terminate();
      });
      worker.on('error', (error) => {
        reason = error.message;
      });
      worker.on('exit', () => {
        reject(new AthanorError('ERR_INTERNAL', `the thread of the feedback store ended: ${reason}`));
        if (this.#worker === worker) this.#onEnd(reason);
      });
    });
  }

  #take(message: Exclude<FromStore, { type: 'ready' | 'unusable' }>): void {
    switch (message.type) {
      case 'result':
        this.#isFailing = false;
        this.#callOf(message.id)?.resolve(message.result);
        return;
      case 'failed': {
        const { code, message: problem } = message.error;
        const isRefused = code === 'ERR_ARGUMENT';
        if (!isRefused) {
          this.#isFailing = true;
          this.#lose(1, problem);
        }
        const error = isRefused ? new ApiError(400, 'invalid_value', problem) : unavailable();
        this.#callOf(message.id)?.reject(error);
        return;
      }
      case 'recorded': {
        const records = this.#pending.splice(0, message.count);
        this.#isFailing = message.error !== undefined;
        if (message.error) this.#loseRecords(records, message.error.message);
        return;
      }
      case 'pruned': {
        const records = Object.values(message.counts).reduce((sum, count) => sum + count, 0);
        if (records > 0) this.#options.onEvent?.({ type: 'feedback', state: 'pruned', records });
        return;
      }
    }
  }

  #callOf(id: number): Waiting | undefined {
    const waiting = this.#calls.get(id);
    this.#calls.delete(id);
    return waiting;
  }

  #onEnd(reason: string): void {
    this.#worker = undefined;
    const records = this.#pending.length + this.#calls.size;
    this.#forget(this.#pending);
    this.#pending = [];
    for (const [, { reject }] of this.#calls) reject(unavailable());
    this.#calls.clear();
    if (this.#isClosed) return;
    this.#options.onEvent?.({ type: 'feedback', state: 'crashed', records, reason });
    this.#restart();
  }

  #restart(): void {
    const again = () => {
      if (!this.#isClosed) this.#launch().catch(() => this.#restart());
    };
    setTimeout(again, RESTART_MS).unref();
  }

  #loseRecords(ids: readonly (string | null)[], reason: string): void {
    this.#forget(ids);
    this.#lose(ids.length, reason);
  }

  #forget(ids: readonly (string | null)[]): void {
    this.#lostRecords += ids.length;
    for (const id of ids) {
      if (id === null) continue;
      this.#lostIds.add(id);
      if (this.#lostIds.size > MOST_LOST_IDS) this.#lostIds.delete(this.#lostIds.values().next().value!);
    }
  }

  /** Tells of the first loss at once, and of later ones together. */
  #lose(count: number, reason: string): void {
    this.#lost += count;
    this.#reason = reason;
    if (this.#lossTimer) return;
    this.#tellLoss();
    this.#lossTimer = setTimeout(() => {
      this.#lossTimer = undefined;
      this.#tellLoss();
    }, MS_BETWEEN_LOSSES).unref();
  }

  #tellLoss(): void {
    const [records, reason] = [this.#lost, this.#reason];
    this.#lost = 0;
    if (records > 0) this.#options.onEvent?.({ type: 'feedback', state: 'lost', records, reason });
  }
}

function unavailable(): ApiError {
  const problem = 'the feedback store cannot be used at the moment; the log of the server says why';
  return new ApiError(503, 'feedback_unavailable', problem, { retryAfter: 5 });
}
