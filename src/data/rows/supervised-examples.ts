/** Turns dialogues into supervised examples: token ids, and for each the id to predict after it. */
import type { ChatTemplate } from '../../text/chat-template.ts';
import type { RefusedMessages } from '../../text/refused-messages.ts';
import { encodeRows, type RefusalOptions } from './encoded-rows.ts';
import type { Instruction } from './instructions.ts';

/** One example, `[n]`. */
export interface SupervisedExample {
  tokens: Int32Array;
  /** `targets[i]` follows `tokens[i]`, or is -100 where the model does not learn it. */
  targets: Int32Array;
}

const IGNORED = -100;

/** How long examples may be. */
export interface SupervisedOptions extends RefusalOptions {
  /** The most tokens in an example. */
  context: number;
  /** What to do with a longer one: cut it, or leave it out. */
  overLong: 'truncate' | 'drop';
}

/** Examples, and how many were cut or left out. */
export interface SupervisedSet {
  examples: SupervisedExample[];
  /** Examples that were cut. */
  truncated: number;
  /** Examples that were left out because of their length. */
  dropped: number;
  /**
   * Examples that were left out because the cut removed all their targets: they have no mean loss.
   */
  unsupervised: number;
  /** Dialogues in which the template wrote answers elsewhere than behind their prompts. */
  rewritten: number;
  /** The template's first refusal of a row that was left out for it. */
  refusal: RefusedMessages | undefined;
}

/**
 * Encodes instructions with a chat template. Throws ERR_CONFIG naming the row when the
 * template refuses it, unless `onBadLine` is skip.
 */
export function supervisedExamples(
  instructions: readonly Instruction[],
  template: ChatTemplate,
  { context, overLong, ...options }: SupervisedOptions,
): SupervisedSet {
  const { encoded, refusal } = encodeRows(
    instructions,
    ({ id, messages, inputs }) => template.encodeDialogue(messages, id, inputs),
    options,
  );
  const set: SupervisedSet = {
    examples: [],
    truncated: 0,
    dropped: 0,
    unsupervised: 0,
    rewritten: 0,
    refusal,
  };
  for (const dialogue of encoded) {
    if (dialogue.rewritten.length > 0) set.rewritten += 1;
    // The last token is a target only, so a dialogue one longer than the context fits.
    const tooLong = dialogue.tokens.length > context + 1;
    if (tooLong && overLong === 'drop') {
      set.dropped += 1;
      continue;
    }
    const example = shifted(dialogue.tokens.subarray(0, context + 1), dialogue.supervised);
    if (!example.targets.some((target) => target !== IGNORED)) {
      set.unsupervised += 1;
      continue;
    }
    if (tooLong) set.truncated += 1;
    set.examples.push(example);
  }
  return set;
}

function shifted(ids: Int32Array, supervised: Uint8Array): SupervisedExample {
  const targets = ids.slice(1).map((id, i) => (supervised[i + 1] ? id : IGNORED));
  return { tokens: ids.slice(0, -1), targets };
}
