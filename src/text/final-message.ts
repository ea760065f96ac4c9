/**
 * Leaves the last message of a dialogue open, so that a model goes on with it, as
 * `continue_final_message` of transformers does: a tag behind its words shows where they end.
 */
import type { JsonObject, JsonValue } from '../base/json.ts';
import { strip, stripRight } from './jinja/python-text.ts';
import { RefusedMessages } from './refused-messages.ts';

const TAG = 'CONTINUE_FINAL_MESSAGE_TAG ';
const BARE_TAG = TAG.trimEnd();

/** A dialogue whose last message ends with the tag. */
export interface TaggedDialogue {
  messages: JsonObject[];
  /** The words before the tag. */
  said: string;
}

/**
 * @param field the field of the last message that is gone on with
 * @param source the template; throws ERR_CONFIG when it does not read the field, or when the
 *   message has no text there
 */
export function tagged(
  messages: readonly JsonObject[],
  field: string,
  source: string,
  where?: string,
): TaggedDialogue {
  const last = messages.at(-1);
  const value = last?.[field] ?? null;
  // A message of calls alone has no words, and its calls would be cut off.
  const isCallsOnly = value === '' && (last?.tool_calls ?? null) !== null;
  if (value === null || isCallsOnly)
    throw refused(`the last message has no \`${field}\` to go on with`, where);
  if (!source.includes(field)) {
    throw refused(`the chat template reads no \`${field}\` that could be gone on with`, where);
  }
  const { said, open } = opened(value, where);
  return { messages: [...messages.slice(0, -1), { ...last, [field]: open }], said };
}

function opened(value: JsonValue, where?: string): { said: string; open: JsonValue } {
  if (typeof value === 'string') return { said: value, open: value + TAG };
  const parts = Array.isArray(value) ? value : [];
  const at = parts.findLastIndex((part) => isPart(part) && part.text !== undefined);
  const part = parts[at];
  if (!isPart(part) || typeof part.text !== 'string') {
    throw refused('the last message has no text to go on with', where);
  }
  return { said: part.text, open: parts.with(at, { ...part, text: part.text + TAG }) };
}

function isPart(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The place in a rendered text at which the model goes on.
 * @param text without marks
 */
export function openEnd(text: string, said: string, where?: string): number {
  const at = text.lastIndexOf(BARE_TAG);
  if (at < 0 || !text.includes(strip(said, undefined, 'both'))) {
    throw refused(
      'the chat template changes or leaves out the last message, which could be gone on with',
      where,
    );
  }
  // A template that trims the words would have trimmed the space at their end too.
  return text.startsWith(TAG, at) ? at : stripRight(text.slice(0, at)).length;
}

function refused(reason: string, where?: string): RefusedMessages {
  return new RefusedMessages(
    where,
    reason,
    'end the dialogue with a message that the template writes as it is',
  );
}
