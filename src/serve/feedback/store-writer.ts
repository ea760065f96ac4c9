/**
 * The thread of the feedback store without its thread. What comes together is written together:
 * one transaction, and one wait for the disk. Records that nobody waits for are gathered for a few
 * milliseconds; a call writes them first, so feedback finds its answer.
 */
import { AthanorError } from '../../base/errors.ts';
import type { FeedbackStore } from '../../feedback/store.ts';
import { sentError } from '../protocol/sent-error.ts';
import type { CallResult, FromStore, StoreCall, StoreRecord, ToStore } from './messages.ts';

/** Milliseconds that a record waits for others. */
const GATHER_MS = 20;
/** Records of one transaction. */
const MOST_TOGETHER = 256;

export class StoreWriter {
  readonly #store: FeedbackStore;
  readonly #post: (message: FromStore) => void;
  #waiting: StoreRecord[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(store: FeedbackStore, post: (message: FromStore) => void) {
    this.#store = store;
    this.#post = post;
  }

  /** Takes all messages that have come. */
  handle(messages: readonly ToStore[]): void {
    let calls: StoreCall[] = [];
    for (const message of messages) {
      if ('record' in message) {
        // Those that wait for a call before it are written with it.
        this.#waiting.push(message);
        if (this.#waiting.length >= MOST_TOGETHER) calls = this.#write(calls);
      } else if (message.call === 'feedback' || message.call === 'comparison') {
        calls.push(message);
      } else {
        calls = this.#write(calls);
        this.#answer(message);
      }
    }
    if (calls.length > 0) this.#write(calls);
    if (this.#waiting.length > 0) this.#timer ??= setTimeout(() => this.#write([]), GATHER_MS);
  }

  /** Deletes what is older than so many days. */
  prune(days: number): void {
    this.#write([]);
    try {
      this.#post({ type: 'pruned', counts: this.#store.prune(Date.now() - days * 86_400_000) });
    } catch (error) {
      this.#post({ type: 'recorded', count: 0, error: sentError(error) });
    }
  }

  /** Writes what waits, and then the calls; each call is answered when it is on the disk. */
  #write(calls: readonly StoreCall[]): [] {
    const records = this.#waiting;
    this.#waiting = [];
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      this.#report(
        this.#store.transaction(() => this.#outcomes(records, calls)),
        records,
        calls,
      );
    } catch (error) {
      // One that cannot be written must not cost the others. Waiting for another process once is
      // enough.
      const isBusy = error instanceof AthanorError && error.code === 'ERR_STATE';
      if (records.length + calls.length === 1 || isBusy) this.#fail(records, calls, error);
      else {
        for (const record of records) this.#alone([record], []);
        for (const call of calls) this.#alone([], [call]);
      }
    }
    return [];
  }

  #alone(records: readonly StoreRecord[], calls: readonly StoreCall[]): void {
    try {
      this.#report(this.#outcomes(records, calls), records, calls);
    } catch (error) {
      this.#fail(records, calls, error);
    }
  }

  #outcomes(records: readonly StoreRecord[], calls: readonly StoreCall[]): CallResult[] {
    for (const record of records) {
      if (record.record === 'answer') this.#store.recordAnswers([record.value]);
      else this.#store.addSafetyEvent(record.value);
    }
    return calls.map((call) => this.#resultOf(call));
  }

  #report(
    results: readonly CallResult[],
    records: readonly StoreRecord[],
    calls: readonly StoreCall[],
  ): void {
    if (records.length > 0) this.#post({ type: 'recorded', count: records.length });
    for (const [i, { id }] of calls.entries()) this.#post({ type: 'result', id, result: results[i]! });
  }

  #fail(records: readonly StoreRecord[], calls: readonly StoreCall[], error: unknown): void {
    const sent = sentError(error);
    if (records.length > 0) this.#post({ type: 'recorded', count: records.length, error: sent });
    for (const { id } of calls) this.#post({ type: 'failed', id, error: sent });
  }

  #answer(call: StoreCall): void {
    try {
      this.#post({ type: 'result', id: call.id, result: this.#resultOf(call) });
    } catch (error) {
      this.#fail([], [call], error);
    }
  }

  #resultOf(message: StoreCall): CallResult {
    const store = this.#store;
    switch (message.call) {
      case 'feedback':
        return store.addFeedback(message.value);
      case 'comparison':
        return store.addComparison(message.value);
      case 'deleteUser':
        return store.deleteUser(message.value);
      case 'safety': {
        const { safetyEvents: events, jailbreaks, overRefusals } = store.stats();
        const last = (kind: 'jailbreak' | 'over_refusal') => store.lastSafetyEvents(kind, message.value);
        const [lastJailbreaks, lastOverRefusals] = [last('jailbreak'), last('over_refusal')];
        return { events, jailbreaks, overRefusals, lastJailbreaks, lastOverRefusals };
      }
      case 'close':
        store.close();
        return null;
    }
  }
}
