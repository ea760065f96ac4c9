/**
 * Which feedback is trained on and which is held out. No sender and no prompt is on both sides, nor
 * are two prompts that are nearly the same.
 */
import { type Ballot, voterOf } from './ballots.ts';
import { hashOf, LEAST_CLIENTS } from './senders.ts';
import type { FeedbackRowSettings } from './settings.ts';

export type Side = 'train' | 'heldOut';

const LEAST_SENDERS = 3;

export class Sides {
  readonly #heldSenders: ReadonlySet<string> | undefined;
  readonly #heldGroups = new Set<number>();
  readonly #senderOf: (ballot: Ballot) => string;

  /**
   * A hash of the sender decides, so that it stays on its side in later rounds. Prompts follow the
   * senders that they come from; of those from both sides, the share is held out. With fewer than
   * three senders the prompts alone decide.
   */
  constructor(ballots: readonly Ballot[], { heldOut, seed }: Pick<FeedbackRowSettings, 'heldOut' | 'seed'>) {
    const clients = new Set(ballots.map(({ sender }) => sender.client));
    this.#senderOf =
      clients.size < LEAST_CLIENTS
        ? ({ sender }) => voterOf(sender)
        : ({ sender }) => JSON.stringify(sender.client);
    this.#heldSenders = heldOut > 0 ? this.#chooseSenders(ballots, heldOut, seed) : undefined;
    if (heldOut === 0) return;
    const groups = new Map<number, { key: string; sides: Set<Side> }>();
    for (const ballot of ballots) {
      const { group: number, key } = ballot.prompt;
      const group = groups.get(number) ?? { key, sides: new Set<Side>() };
      if (this.#heldSenders) group.sides.add(this.#isHeldSender(ballot) ? 'heldOut' : 'train');
      groups.set(number, group);
    }
    for (const [group, { key, sides }] of groups) {
      const isHeld = sides.size === 1 ? sides.has('heldOut') : shareOf(key, seed) < heldOut;
      if (isHeld) this.#heldGroups.add(group);
    }
  }

  /** Undefined for a ballot whose sender is on one side and whose prompt is on the other. */
  of(ballot: Ballot): Side | undefined {
    const promptSide = this.ofGroup(ballot.prompt.group);
    if (this.#heldSenders === undefined) return promptSide;
    const senderSide = this.#isHeldSender(ballot) ? 'heldOut' : 'train';
    return senderSide === promptSide ? promptSide : undefined;
  }

  /** The side of a group of prompts. */
  ofGroup(group: number): Side {
    return this.#heldGroups.has(group) ? 'heldOut' : 'train';
  }

  #isHeldSender(ballot: Ballot): boolean {
    return this.#heldSenders!.has(this.#senderOf(ballot));
  }

  #chooseSenders(ballots: readonly Ballot[], heldOut: number, seed: number): Set<string> | undefined {
    const senders = [...new Set(ballots.map((ballot) => this.#senderOf(ballot)))];
    if (senders.length < LEAST_SENDERS) return undefined;
    const order = senders.map((sender) => ({ sender, share: shareOf(sender, seed) }));
    order.sort((a, b) => a.share - b.share);
    const wanted = order.filter(({ share }) => share < heldOut).length;
    const count = Math.min(Math.max(1, wanted), senders.length - 1);
    return new Set(order.slice(0, count).map(({ sender }) => sender));
  }
}

/** A hash of a text, from 0 to 1. */
function shareOf(text: string, seed: number): number {
  return hashOf(text, seed) / 2 ** 32;
}
