/** Conversations as files: rows for training, and Markdown for people. */
import {
  type AnswerTurn,
  type ChatMessage,
  type Conversation,
  isComplete,
  messagesOf,
  pathTo,
  shownPath,
  type Turn,
} from './conversation.ts';

/** A row as `athanor sft` reads it. */
export interface MessageRow {
  messages: ChatMessage[];
}

/** Whether a row can end with it: what was cut off is nothing to learn from. */
function isWhole(turn: Turn): turn is AnswerTurn {
  return isComplete(turn) && turn.text !== '';
}

/** The shown branch up to its last whole answer: one row, or none without an answer. */
export function shownRows(conversation: Conversation): MessageRow[] {
  const path = shownPath(conversation);
  const end = path.findLastIndex(isWhole);
  return end < 0 ? [] : [{ messages: messagesOf(conversation.system, path.slice(0, end + 1)) }];
}

/** A row for each branch, up to its last whole answer. */
export function branchRows(conversation: Conversation): MessageRow[] {
  const whole = conversation.turns.filter(isWhole);
  // An answer ends a branch unless another one follows it.
  const inner = new Set(
    whole.flatMap((turn) =>
      pathTo(conversation, turn)
        .slice(0, -1)
        .map(({ id }) => id),
    ),
  );
  return whole
    .filter(({ id }) => !inner.has(id))
    .map((turn) => ({ messages: messagesOf(conversation.system, pathTo(conversation, turn)) }));
}

export function jsonLines(rows: readonly MessageRow[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

/** The shown branch as Markdown. */
export function markdownOf(conversation: Conversation): string {
  const parts = [`# ${conversation.title || 'Conversation'}`];
  if (conversation.system.trim() !== '') parts.push('## System prompt', conversation.system.trim());
  for (const turn of shownPath(conversation)) {
    parts.push(turn.kind === 'user' ? '## User' : `## ${turn.model ?? 'Assistant'}`, turn.text.trim());
  }
  return `${parts.join('\n\n')}\n`;
}

/** A name for a file, from a title. */
export function fileName(title: string, ending: string): string {
  const words = title
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-+|-+$/g, '');
  return `${words.slice(0, 50) || 'conversation'}.${ending}`;
}
