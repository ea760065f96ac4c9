/** Why a chat template has no use for a dialogue. */
import { AthanorError } from '../base/errors.ts';

/** ERR_CONFIG for messages that a template does not take, or from which a model cannot learn. */
export class RefusedMessages extends AthanorError {
  /** The message without the place of the messages. */
  readonly reason: string;

  /** @param where begins the message, such as the row of the data */
  constructor(where: string | undefined, reason: string, remedy: string, options?: ErrorOptions) {
    super('ERR_CONFIG', at(where, reason), remedy, options);
    this.reason = reason;
  }
}

/** An answer begins at another place than its prompt ends. */
export function elsewhere(turn: number, where?: string): RefusedMessages {
  return new RefusedMessages(
    where,
    `the chat template is not prefix-preserving: turn ${turn + 1} does not follow the prompt that the template gives for it`,
    'use a template whose text for the first turns does not depend on later ones, or one that marks answers with {% generation %}',
  );
}

/** Nothing tells a model that its answer is over. */
export function endless(turn: number, where?: string): RefusedMessages {
  return new RefusedMessages(
    where,
    `the chat template writes no control token after the assistant's turn ${turn + 1}, so a model could not learn to stop`,
    'let the template end every answer with a special token of the tokenizer, such as eos_token',
  );
}

/** A message with the place that it is about. */
export function at(where: string | undefined, message: string): string {
  return where === undefined ? message : `${where}: ${message}`;
}
