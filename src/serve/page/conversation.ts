/**
 * A conversation is a tree: a message that was edited and an answer that was asked for again are
 * siblings of what was there before. One branch is shown. Turns are added and never removed.
 */

/** A token of an answer with its log-probability, as the API gives it. */
export interface TokenReport {
  token: string;
  /** Nats. */
  logprob: number;
  /** UTF-8 of the token, which alone may be no text. */
  bytes: readonly number[] | null;
  top_logprobs: readonly { token: string; logprob: number }[];
}

/** What was sent about an answer. */
export interface GivenFeedback {
  rating?: 1 | -1 | undefined;
  reason?: string | undefined;
  tags?: readonly string[] | undefined;
  correction?: string | undefined;
}

interface TurnBase {
  id: string;
  /** Null: the turn begins the conversation. */
  parent: string | null;
  text: string;
  /** Milliseconds since 1970. */
  createdAt: number;
}

export interface UserTurn extends TurnBase {
  kind: 'user';
}

export type Finish = 'stop' | 'length' | 'stopped' | 'lost' | (string & {});

export interface AnswerTurn extends TurnBase {
  kind: 'answer';
  /** Id and index by which the server knows the answer; undefined before its first chunk. */
  answer?: { id: string; choice: number } | undefined;
  model?: string | undefined;
  /** The system prompt that it was asked with. */
  system: string;
  /** Undefined while it is written. `stopped` by the user; `lost` with the connection. */
  finish?: Finish | undefined;
  tokens?: TokenReport[] | undefined;
  feedback?: GivenFeedback | undefined;
  /** The answer that was made beside it, until one of the two was chosen. */
  pair?: string | undefined;
  /** How it did in a comparison. */
  vote?: Preference | undefined;
}

export type Preference = 'better' | 'worse' | 'tie' | 'neither';

export type Turn = UserTurn | AnswerTurn;

export type Pair = readonly [AnswerTurn, AnswerTurn];

export interface Conversation {
  id: string;
  title: string;
  createdAt: number;
  updatedAt: number;
  system: string;
  turns: Turn[];
  /** The child that is shown, by the id of its parent; the empty text stands for the beginning. */
  chosen: Record<string, string>;
}

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

const MAX_TITLE = 60;

/** Random, and available on pages without TLS too. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function newConversation(system: string, now: number): Conversation {
  return { id: newId(), title: '', createdAt: now, updatedAt: now, system, turns: [], chosen: {} };
}

export function turnOf(conversation: Conversation, id: string): Turn | undefined {
  return conversation.turns.find((turn) => turn.id === id);
}

export function childrenOf({ turns }: Conversation, parent: string | null): Turn[] {
  return turns.filter((turn) => turn.parent === parent);
}

/** Adds a turn and shows it. */
export function addTurn(conversation: Conversation, turn: Turn): void {
  conversation.turns.push(turn);
  if (conversation.title === '' && turn.kind === 'user') conversation.title = titleOf(turn.text);
  choose(conversation, turn);
}

/** Shows the branch with this turn. */
export function choose(conversation: Conversation, turn: Turn): void {
  conversation.chosen[turn.parent ?? ''] = turn.id;
}

/** The turns that are shown, from the first. */
export function shownPath(conversation: Conversation): Turn[] {
  const path: Turn[] = [];
  let parent: string | null = null;
  for (;;) {
    const children: Turn[] = childrenOf(conversation, parent);
    const shown = children.find(({ id }) => id === conversation.chosen[parent ?? '']) ?? children.at(-1);
    if (!shown) return path;
    path.push(shown);
    parent = shown.id;
  }
}

/** The turns from the first to this one. */
export function pathTo(conversation: Conversation, last: Turn): Turn[] {
  const path: Turn[] = [];
  for (let turn: Turn | undefined = last; turn; ) {
    path.unshift(turn);
    turn = turn.parent === null ? undefined : turnOf(conversation, turn.parent);
  }
  return path;
}

/** The messages of a path for the API. */
export function messagesOf(system: string, path: readonly Turn[]): ChatMessage[] {
  const spoken = path.map(({ kind, text }): ChatMessage => {
    return { role: kind === 'user' ? 'user' : 'assistant', content: text };
  });
  return system.trim() === '' ? spoken : [{ role: 'system', content: system }, ...spoken];
}

/** Drops answers that never began, and ends comparisons with answers that are not complete. */
export function repair(conversation: Conversation): void {
  conversation.turns = conversation.turns.filter(
    (turn) => turn.kind === 'user' || turn.text !== '' || isComplete(turn),
  );
  for (const turn of conversation.turns) {
    if (turn.kind !== 'answer' || turn.pair === undefined) continue;
    if (!isComplete(turn) || !isComplete(turnOf(conversation, turn.pair))) turn.pair = undefined;
  }
}

/** Whether an answer came to its own end, or to that of its length. */
export function isComplete(turn: Turn | undefined): turn is AnswerTurn {
  return turn?.kind === 'answer' && (turn.finish === 'stop' || turn.finish === 'length');
}

/** Two answers, the older one first. */
export function pairOf(one: AnswerTurn, other: AnswerTurn): Pair {
  return other.createdAt < one.createdAt ? [other, one] : [one, other];
}

/** The first words of a text. */
export function titleOf(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ');
  const letters = [...line];
  if (letters.length <= MAX_TITLE) return line;
  const cut = letters.slice(0, MAX_TITLE).join('');
  return `${cut.slice(0, cut.lastIndexOf(' ') > MAX_TITLE / 2 ? cut.lastIndexOf(' ') : undefined)}…`;
}

/** Both versions of a conversation that two tabs changed: no turn is lost, and `mine` decides. */
export function merged(mine: Conversation, stored: Conversation | undefined): Conversation {
  if (!stored) return mine;
  const known = new Set(mine.turns.map(({ id }) => id));
  const others = stored.turns.filter(({ id }) => !known.has(id));
  const turns = [...mine.turns, ...others].sort((a, b) => a.createdAt - b.createdAt);
  return { ...mine, turns, chosen: { ...stored.chosen, ...mine.chosen } };
}
