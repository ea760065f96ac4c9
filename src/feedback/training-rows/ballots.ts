/** Votes, ratings and corrections in one form, so that they are cleaned by the same rules. */
import type { ComparisonRecord, FeedbackRecord, Sender } from '../records.ts';
import type { Conversations, Exchange, RowPrompt } from './conversations.ts';
import type { FeedbackDropReason, Funnel, RecordKind } from './funnel.ts';

/** What one sender said of one subject. */
export interface Ballot {
  kind: Exclude<RecordKind, 'safety event'>;
  /** Id of the record. */
  id: string;
  sender: Sender;
  prompt: RowPrompt;
  /** Equal for what can contradict each other: a pair of texts to a prompt, or one text to it. */
  subject: string;
  /** For a pair: which of `texts` is better, or `tie`. For an answer: `up` or `down`. */
  value: string;
  /** The texts of a pair in a fixed order; the answer; the answer and its correction. */
  texts: readonly string[];
  /** Keys of the answers. */
  answers: readonly string[];
}

/** A sender as one text. All who are not named are one sender. */
export function voterOf({ client, user }: Sender): string {
  return JSON.stringify([client, user]);
}

/** What a comparison says, or why it says nothing. */
export function comparisonBallot(
  record: ComparisonRecord,
  conversations: Conversations,
): Ballot | FeedbackDropReason {
  const [first, second] = [conversations.of(record.first), conversations.of(record.second)];
  if (typeof first === 'string') return first;
  if (typeof second === 'string') return second;
  if (first.prompt.key !== second.prompt.key) return 'other_prompt';
  if (first.text.trim() === second.text.trim()) return 'same_text';
  const ordered = [first, second].sort((a, b) => (a.text < b.text ? -1 : 1));
  const preferred = { first, second, tie: undefined, neither: undefined }[record.preferred];
  const texts = ordered.map(({ text }) => text);
  return {
    kind: 'comparison',
    id: record.id,
    sender: record,
    prompt: first.prompt,
    subject: JSON.stringify(['pair', first.prompt.key, ...texts]),
    value: preferred ? String(ordered.indexOf(preferred)) : 'tie',
    texts,
    answers: ordered.map(({ key }) => key),
  };
}

function answerBallot(record: FeedbackRecord, { prompt, text, key }: Exchange) {
  return { id: record.id, sender: record, prompt, answers: [key], texts: [text] };
}

export function ratingBallot(record: FeedbackRecord, exchange: Exchange): Ballot {
  return {
    ...answerBallot(record, exchange),
    kind: 'rating',
    subject: JSON.stringify(['answer', exchange.prompt.key, exchange.text]),
    value: record.rating === 1 ? 'up' : 'down',
  };
}

export function correctionBallot(record: FeedbackRecord, exchange: Exchange): Ballot | FeedbackDropReason {
  const correction = record.correction!;
  if (!/\S/.test(correction)) return 'malformed';
  if (correction.trim() === exchange.text.trim()) return 'unchanged';
  return {
    ...answerBallot(record, exchange),
    kind: 'correction',
    texts: [exchange.text, correction],
    subject: JSON.stringify(['correction', exchange.key]),
    value: correction,
  };
}

/** Leaves out what a sender said twice, and all of what it said both ways. */
export function withoutContradictions(ballots: readonly Ballot[], funnel: Funnel): Ballot[] {
  const bySubject = new Map<string, Ballot[]>();
  for (const ballot of ballots) {
    const key = JSON.stringify([voterOf(ballot.sender), ballot.subject]);
    const group = bySubject.get(key);
    if (group) group.push(ballot);
    else bySubject.set(key, [ballot]);
  }
  const kept = new Set<Ballot>();
  for (const group of bySubject.values()) {
    const { kind } = group[0]!;
    const isUnanimous = group.every(({ value }) => value === group[0]!.value);
    if (isUnanimous) {
      kept.add(group[0]!);
      funnel.drop(kind, 'duplicate', group.length - 1);
    } else if (kind === 'correction') {
      kept.add(group.at(-1)!);
      funnel.drop(kind, 'replaced', group.length - 1);
    } else {
      funnel.drop(kind, 'contradictory', group.length);
    }
  }
  return ballots.filter((ballot) => kept.has(ballot));
}
