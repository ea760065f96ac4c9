/** What one sender may weigh: limits against floods, and against senders who are mostly wrong. */
import { mix } from '../../base/random.ts';
import { wilsonInterval } from '../../base/statistics.ts';
import { type Ballot, voterOf } from './ballots.ts';
import type { Funnel } from './funnel.ts';
import type { FeedbackRowSettings } from './settings.ts';

/**
 * Leaves out senders who are against the majority of the others most of the time: the 95 % interval
 * of their agreement lies below one half.
 */
export function withoutUnreliable(
  ballots: readonly Ballot[],
  { unreliableLeast, trust }: Pick<FeedbackRowSettings, 'unreliableLeast' | 'trust'>,
  funnel: Funnel,
): Ballot[] {
  const counts = new Map<string, Map<string, number>>();
  for (const { kind, subject, value } of ballots) {
    if (kind === 'correction' || value === 'tie') continue;
    const values = counts.get(subject) ?? new Map<string, number>();
    counts.set(subject, values.set(value, (values.get(value) ?? 0) + 1));
  }
  const records = new Map<string, { shared: number; agreed: number }>();
  for (const { subject, value, sender } of ballots) {
    const own = counts.get(subject)?.get(value);
    if (own === undefined) continue;
    const all = [...counts.get(subject)!.values()].reduce((sum, count) => sum + count, 0);
    const [withIt, against] = [own - 1, all - own];
    if (withIt === against) continue;
    const voter = voterOf(sender);
    const record = records.get(voter) ?? { shared: 0, agreed: 0 };
    record.shared += 1;
    if (withIt > against) record.agreed += 1;
    records.set(voter, record);
  }
  const isUnreliable = ({ sender }: Ballot) => {
    const { shared, agreed } = records.get(voterOf(sender)) ?? { shared: 0, agreed: 0 };
    if (shared < unreliableLeast || isTrusted(sender.client, trust)) return false;
    return wilsonInterval(agreed, shared).high < 0.5;
  };
  return ballots.filter((ballot) => {
    if (!isUnreliable(ballot)) return true;
    funnel.drop(ballot.kind, 'unreliable_sender');
    return false;
  });
}

/**
 * Leaves out what a sender has beyond its share: so a flood weighs no more than a busy sender. What
 * stays of a sender is chosen by the seed. Users of one client are limited each, and where three
 * clients or more have keys, the clients too: a client may make up users.
 */
export function withoutFloods(
  ballots: readonly Ballot[],
  settings: FeedbackRowSettings,
  funnel: Funnel,
): Ballot[] {
  const byVoter = limited(ballots, ({ sender }) => voterOf(sender), settings, funnel);
  const clients = new Set(byVoter.map(({ sender }) => sender.client));
  if (clients.size < LEAST_CLIENTS) return byVoter;
  return limited(byVoter, ({ sender }) => JSON.stringify(sender.client), settings, funnel);
}

/** From this number on the API keys are taken for the senders, as when votes are held out. */
export const LEAST_CLIENTS = 3;

function limited(
  ballots: readonly Ballot[],
  senderOf: (ballot: Ballot) => string,
  { floodLeast, floodFactor, floodShare, trust, seed }: FeedbackRowSettings,
  funnel: Funnel,
): Ballot[] {
  const groups = new Map<string, Ballot[]>();
  for (const ballot of ballots) {
    const sender = senderOf(ballot);
    const group = groups.get(sender);
    if (group) group.push(ballot);
    else groups.set(sender, [ballot]);
  }
  const counts = [...groups.values()].map(({ length }) => length).sort((a, b) => a - b);
  const dropped = new Set<Ballot>();
  for (const own of groups.values()) {
    if (groups.size === 1 || isTrusted(own[0]!.sender.client, trust)) continue;
    const most = floodFactor * medianWithout(counts, own.length);
    // Other floods must not raise the limit of this one.
    const ordinary = cappedSum(counts, most) - Math.min(own.length, most);
    const limit = Math.floor(Math.max(floodLeast, most, (floodShare / (1 - floodShare)) * ordinary));
    if (own.length <= limit) continue;
    const order = own.map((ballot) => ({ ballot, rank: hashOf(ballot.id, seed) }));
    order.sort((a, b) => a.rank - b.rank);
    for (const { ballot } of order.slice(limit)) {
      dropped.add(ballot);
      funnel.drop(ballot.kind, 'flood');
    }
  }
  return ballots.filter((ballot) => !dropped.has(ballot));
}

function isTrusted(client: string | null, trust: readonly string[]): boolean {
  return client !== null && trust.includes(client);
}

/**
 * The median of counts in ascending order without one of them; of two in the middle the lower one.
 */
function medianWithout(sorted: readonly number[], own: number): number {
  const middle = Math.floor((sorted.length - 2) / 2);
  return sorted[middle]! < own ? sorted[middle]! : sorted[middle + 1]!;
}

function cappedSum(counts: readonly number[], most: number): number {
  return counts.reduce((sum, count) => sum + Math.min(count, most), 0);
}

/** A 32-bit hash of a text. */
export function hashOf(text: string, seed: number): number {
  let hash = mix(seed, text.length);
  for (let i = 0; i < text.length; ++i) hash = mix(hash, text.charCodeAt(i));
  return hash;
}
