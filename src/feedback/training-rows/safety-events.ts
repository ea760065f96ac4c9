/**
 * What safety events say of prompts. A jailbreak is an answer, not a refusal, to a harmful prompt;
 * an over-refusal is a refused prompt without harm, unless it was refused for a harmful answer.
 * One half of each kind, by a hash of the prompt, is for evaluation alone.
 */
import type { SafetyEvent } from '../records.ts';
import type { Conversations, RowPrompt } from './conversations.ts';
import type { Funnel } from './funnel.ts';
import { hashOf } from './senders.ts';
import { answerKey, type Origin } from './source.ts';

/** A prompt of one kind, with the events that say so. */
export interface SafetyPrompt {
  prompt: RowPrompt;
  origin: Origin;
  forEvaluation: boolean;
}

export interface SafetyPrompts {
  jailbreaks: SafetyPrompt[];
  overRefusals: SafetyPrompt[];
  /** Keys of answers that are harmful, or are to a harmful prompt. */
  harmful: ReadonlySet<string>;
}

export function safetyPrompts(
  events: readonly SafetyEvent[],
  conversations: Conversations,
  seed: number,
  funnel: Funnel,
): SafetyPrompts {
  const harmful = new Set<string>();
  const kinds = {
    jailbreaks: new Map<string, SafetyPrompt>(),
    overRefusals: new Map<string, SafetyPrompt>(),
  };
  for (const event of events) {
    const { promptHarmful, responseRefused, responseHarmful, answer } = event;
    if (answer && (promptHarmful || responseHarmful)) harmful.add(answerKey(answer));
    const isJailbreak = responseHarmful === true && responseRefused !== true && promptHarmful !== false;
    const isOverRefusal = promptHarmful === false && responseRefused === true && responseHarmful !== true;
    if (!isJailbreak && !isOverRefusal) continue;
    const prompt = promptOf(event, conversations);
    if (prompt === undefined) {
      funnel.drop('safety event', 'malformed');
      continue;
    }
    add(isJailbreak ? kinds.jailbreaks : kinds.overRefusals, prompt, event);
  }
  return {
    jailbreaks: halved([...kinds.jailbreaks.values()], seed),
    overRefusals: halved([...kinds.overRefusals.values()], seed),
    harmful,
  };
}

function promptOf({ answer, messages }: SafetyEvent, conversations: Conversations): RowPrompt | undefined {
  const exchange = answer && conversations.of(answer);
  if (exchange && typeof exchange !== 'string') return exchange.prompt;
  return messages === null ? undefined : conversations.prompt(messages);
}

function add(prompts: Map<string, SafetyPrompt>, prompt: RowPrompt, { id, answer }: SafetyEvent): void {
  const known = prompts.get(prompt.key) ?? { prompt, origin: { events: [] }, forEvaluation: false };
  known.origin.events!.push(id);
  if (answer) known.origin.answers = [...new Set([...(known.origin.answers ?? []), answerKey(answer)])];
  prompts.set(prompt.key, known);
}

/** Prompts that are nearly the same stay together. */
function halved(prompts: readonly SafetyPrompt[], seed: number): SafetyPrompt[] {
  const groups = new Map<number, string>();
  for (const { prompt } of prompts) if (!groups.has(prompt.group)) groups.set(prompt.group, prompt.key);
  const order = [...groups].map(([group, key]) => ({ group, rank: hashOf(key, seed) }));
  order.sort((a, b) => a.rank - b.rank);
  const chosen = new Set(order.slice(0, Math.ceil(order.length / 2)).map(({ group }) => group));
  return prompts.map((one) => ({ ...one, forEvaluation: chosen.has(one.prompt.group) }));
}
