/**
 * The prompts of a run as the policy reads them: those that it trains on and those that are held
 * out.
 */
import { AthanorError } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { fittingPrompts, type Prompt } from '../../data/rows/prompts.ts';
import { holdOutPrompts } from '../../data/rows/row-split.ts';
import type { ChatTemplate } from '../../text/chat-template.ts';

export interface EncodedPrompt {
  /** The row that it comes from, for messages. */
  id: string;
  /** The dialogue up to where the assistant's answer begins. */
  tokens: Int32Array;
  /** The last user message. */
  text: string;
  /** The whole row of the data, which a reward function gets. */
  row: JsonObject;
}

/** A prompt is known by its index in `encoded`. */
export interface PromptSet {
  /** Those to train on come first, then those that are held out. */
  encoded: readonly EncodedPrompt[];
  trainingCount: number;
  /** Indices of the prompts that evaluations use and training does not. */
  heldOut: readonly number[];
  /** Prompts that were left out because they are too long. */
  tooLong: number;
}

export interface PromptOptions {
  /** File or folder of the prompts, for messages. */
  data: string;
  /** Tokens of a prompt at most; a longer one is left out. */
  maxPromptLength: number;
  /** How many prompts are held out. */
  evalPrompts: number;
  seed: number;
}

/** Throws ERR_ARGUMENT if no prompt is left to train on. */
export function encodePrompts(
  rows: readonly Prompt[],
  template: ChatTemplate,
  { data, maxPromptLength, evalPrompts, seed }: PromptOptions,
): PromptSet {
  const { fitting, tooLong } = fittingPrompts(rows, template, maxPromptLength);
  const split = holdOutPrompts(fitting, ({ prompt }) => prompt.messages, evalPrompts, seed);
  if (split.train.length === 0) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `${data} has no prompt of at most ${maxPromptLength} tokens to train on`,
      'raise `maxPromptLength`, or give more prompts',
    );
  }
  const encoded = [...split.train, ...split.validation].map(
    ({ prompt, tokens }): EncodedPrompt => ({
      id: prompt.id,
      tokens,
      text: prompt.messages.findLast(({ role }) => role === 'user')!.content,
      row: prompt.row,
    }),
  );
  const trainingCount = split.train.length;
  const heldOut = split.validation.map((_, i) => trainingCount + i);
  return { encoded, trainingCount, heldOut, tooLong };
}
