/** The records that rows are made from. A FeedbackStore is one source. */
import type { AnswerRecord, AnswerRef, ComparisonRecord, FeedbackRecord, SafetyEvent } from '../records.ts';

/** Records, the oldest first. */
export interface FeedbackSource {
  answers(): Iterable<AnswerRecord>;
  feedback(): Iterable<FeedbackRecord>;
  comparisons(): Iterable<ComparisonRecord>;
  safetyEvents(): Iterable<SafetyEvent>;
}

/** The ids of the records that a row was made from. */
export type Origin = {
  /** Each as `ID/CHOICE`. */
  answers?: string[];
  feedback?: string[];
  comparisons?: string[];
  events?: string[];
};

/** An answer as one text: `ID/CHOICE`. */
export function answerKey({ id, choice }: AnswerRef): string {
  return `${id}/${choice}`;
}
