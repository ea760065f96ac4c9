/** What the HTTP thread and the thread of the feedback store say to each other. */
import type { SafetyEvent } from '../../feedback/records.ts';
import type { NewAnswer } from '../../feedback/rows.ts';
import type { Added, NewComparison, NewFeedback, RecordCounts } from '../../feedback/store.ts';
import type { SentError } from '../protocol/messages.ts';

/** What the thread is started with. */
export interface StoreSettings {
  path: string;
  /** Records older than this are deleted, at the start and once an hour; undefined: none. */
  days: number | undefined;
}

/** Numbers of safety events, and the last of each kind. */
export interface SafetySummary {
  events: number;
  jailbreaks: number;
  overRefusals: number;
  lastJailbreaks: SafetyEvent[];
  lastOverRefusals: SafetyEvent[];
}

/** Requests that are answered, and what with. */
export interface StoreCalls {
  feedback: { value: NewFeedback; result: Added };
  comparison: { value: NewComparison; result: Added };
  deleteUser: { value: string; result: RecordCounts };
  /** The most events of each kind. */
  safety: { value: number; result: SafetySummary };
  /** Writes what is left, and closes the store. */
  close: { value: null; result: null };
}

export type CallName = keyof StoreCalls;
export type StoreCall = { [N in CallName]: { call: N; id: number; value: StoreCalls[N]['value'] } }[CallName];
export type CallResult = StoreCalls[CallName]['result'];

/** Records that nobody waits for. */
export type StoreRecord = { record: 'answer'; value: NewAnswer } | { record: 'safety'; value: SafetyEvent };

export type ToStore = StoreCall | StoreRecord;

export type FromStore =
  | { type: 'ready' }
  /** The store cannot be opened. */
  | { type: 'unusable'; error: SentError }
  | { type: 'result'; id: number; result: CallResult }
  | { type: 'failed'; id: number; error: SentError }
  /** The next so many records are done with; `error`: they could not be written. */
  | { type: 'recorded'; count: number; error?: SentError }
  | { type: 'pruned'; counts: RecordCounts };
