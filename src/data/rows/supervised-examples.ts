/** Dialogues as examples to learn from: token ids, and the id to predict after each of them. */
import type { ChatTemplate } from '../../text/chat-template.ts';
import type { Instruction } from './instructions.ts';

export interface SupervisedExample {
  tokens: Int32Array;
  /** `targets[i]` follows `tokens[i]`; -100 where the model should not learn it. */
  targets: Int32Array;
}

const IGNORED = -100;

export interface SupervisedOptions {
  /** Longest example in tokens; longer ones are cut, or left out. */
  context: number;
  overLong: 'truncate' | 'drop';
}

export interface SupervisedSet {
  examples: SupervisedExample[];
  truncated: number;
  dropped: number;
  /** Left out, since the cut took all targets: such an example has no mean loss. */
  unsupervised: number;
}

/** Throws ERR_CONFIG naming the row when the template refuses it. */
export function supervisedExamples(
  instructions: readonly Instruction[],
  template: ChatTemplate,
  { context, overLong }: SupervisedOptions,
): SupervisedSet {
  const set: SupervisedSet = { examples: [], truncated: 0, dropped: 0, unsupervised: 0 };
  for (const { id, messages, inputs } of instructions) {
    const dialogue = template.encodeDialogue(messages, id, inputs);
    // The last token is only predicted, so an example one longer than the context fits.
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
