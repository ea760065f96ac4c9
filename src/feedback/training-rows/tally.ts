/** What the senders together say of a pair or of an answer. */
import type { Ballot } from './ballots.ts';
import type { RowPrompt } from './conversations.ts';
import type { Funnel } from './funnel.ts';
import type { Origin } from './source.ts';

/** The ballots on one subject, and the value that won. */
export interface Verdict {
  prompt: RowPrompt;
  texts: readonly string[];
  value: string;
  ballots: readonly Ballot[];
}

/**
 * The verdict on each subject, in the order of its first ballot. Those on which too few agree are
 * left out.
 */
export function verdicts(ballots: readonly Ballot[], agreement: number, funnel: Funnel): Verdict[] {
  const subjects = new Map<string, Ballot[]>();
  for (const ballot of ballots) {
    const group = subjects.get(ballot.subject);
    if (group) group.push(ballot);
    else subjects.set(ballot.subject, [ballot]);
  }
  return [...subjects.values()].flatMap((group) => {
    const counts = new Map<string, number>();
    for (const { value } of group) counts.set(value, (counts.get(value) ?? 0) + 1);
    const ties = counts.get('tie') ?? 0;
    counts.delete('tie');
    const [first] = group as [Ballot];
    if (counts.size === 0) {
      funnel.drop(first.kind, 'tie', ties);
      return [];
    }
    const [value, most] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a));
    if ((most + ties / 2) / group.length < agreement || most * 2 === group.length - ties) {
      funnel.drop(first.kind, 'no_majority', group.length);
      return [];
    }
    return [{ prompt: first.prompt, texts: first.texts, value, ballots: group }];
  });
}

/** The records behind some ballots. */
export function originOf(ballots: readonly Ballot[]): Origin {
  const ids = (kinds: readonly string[]) =>
    ballots.filter(({ kind }) => kinds.includes(kind)).map(({ id }) => id);
  const [feedback, comparisons] = [ids(['rating', 'correction']), ids(['comparison'])];
  return {
    answers: [...new Set(ballots.flatMap(({ answers }) => answers))],
    ...(feedback.length > 0 && { feedback }),
    ...(comparisons.length > 0 && { comparisons }),
  };
}
