/** Counts of records on their way to rows: what was read, dropped and why, and written. */
import type { JsonObject } from '../../base/json.ts';

/** The kinds of records. */
export type RecordKind = 'comparison' | 'rating' | 'correction' | 'safety event';

/** Why a record or a row was left out, in words for people. */
export const dropReasons = {
  unknown_answer: 'its answer is not in the store',
  not_chat: 'its answer is not to a conversation',
  malformed: 'a message or a text cannot be used',
  other_prompt: 'the two answers have different prompts',
  moderated: 'a check found its prompt or answer harmful',
  unchanged: 'the correction is the answer itself',
  same_text: 'the two answers are the same text',
  duplicate: 'the same sender said it before',
  replaced: 'the same sender corrected the answer again',
  contradictory: 'the same sender said both',
  unreliable_sender: 'the sender is against the majority most of the time',
  flood: 'the sender has more votes than count',
  tie: 'no answer was preferred',
  no_majority: 'too few agree',
  mixed_sides: 'it would join the trained and the held-out part',
  for_evaluation: 'its prompt tests for refusals',
  near_duplicate: 'a row before it says nearly the same',
} as const;
export type FeedbackDropReason = keyof typeof dropReasons;

export class Funnel {
  readonly read: Partial<Record<RecordKind | 'answer', number>> = {};
  readonly dropped = new Map<RecordKind, Partial<Record<FeedbackDropReason, number>>>();
  /** By file. */
  readonly written: Record<string, number> = {};

  count(kind: RecordKind | 'answer'): void {
    this.read[kind] = (this.read[kind] ?? 0) + 1;
  }

  drop(kind: RecordKind, reason: FeedbackDropReason, count = 1): void {
    if (count === 0) return;
    const counts = this.dropped.get(kind) ?? {};
    counts[reason] = (counts[reason] ?? 0) + count;
    this.dropped.set(kind, counts);
  }

  /** With snake_case names, for files and commands. */
  record(): JsonObject {
    const named = (kind: string) => kind.replaceAll(' ', '_');
    const read = Object.entries(this.read).map(([kind, count]) => [named(kind), count] as const);
    const dropped = [...this.dropped].map(([kind, counts]) => [named(kind), { ...counts }] as const);
    return {
      read: Object.fromEntries(read),
      dropped: Object.fromEntries(dropped) as JsonObject,
      rows: { ...this.written },
    };
  }

  /** One line per count, for people. */
  lines(): string[] {
    const read = Object.entries(this.read).map(
      ([kind, count]) => `read ${count} ${kind}${count === 1 ? '' : 's'}`,
    );
    const dropped = [...this.dropped].flatMap(([kind, counts]) =>
      Object.entries(counts).map(([reason, count]) => {
        const why = dropReasons[reason as FeedbackDropReason];
        return `left out ${count} ${kind}${count === 1 ? '' : 's'}: ${why}`;
      }),
    );
    const written = Object.entries(this.written).map(
      ([file, count]) => `wrote ${count} row${count === 1 ? '' : 's'} to ${file}`,
    );
    return [...read, ...dropped, ...written];
  }
}
