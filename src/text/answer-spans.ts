/** Where the answers of the assistant stand in a rendered dialogue. */
import type { Span } from './jinja/run.ts';
import type { Rendering } from './jinja/template.ts';

/** A control token that the template wrote. */
export interface Control {
  token: string;
  /** Its place in the text. */
  index: number;
  length: number;
}

/** What a template wrote for one message; undefined if it is in no loop, or in several. */
export function spanOf({ turnSpans }: Rendering, turn: number): Span | undefined {
  const own = turnSpans.filter((span) => span.turn === turn);
  return own.length === 1 ? own[0] : undefined;
}

/**
 * The place behind the words that open an answer, for one that does not stand behind its prompt:
 * these words are what the prompt has after its last message, as far as the answer has them too.
 * Undefined where they are not known.
 * @param plain a text without marks
 */
export function openedAt(
  text: string,
  { begin, end }: Span,
  prompt: Rendering,
  controls: readonly Control[],
  plain: (text: string) => string,
): number | undefined {
  const last = prompt.turnSpans.at(-1);
  if (last === undefined) return undefined;
  const [opening, own] = [plain(prompt.text.slice(last.end)), plain(text.slice(begin, end))];
  let shared = 0;
  while (shared < opening.length && own[shared] === opening[shared]) ++shared;
  const at = begin + shared;
  // Tokens that begin alike are not the same token.
  return controls.find(({ index, length }) => index < at && at < index + length)?.index ?? at;
}

/**
 * The end of an answer: behind the stop token with which its message closes. Other control tokens
 * may stand there too; without a stop token the last of them ends the answer. If the message closes
 * with none, it is the first stop token from `begin` on, unless words of others come before it.
 * Undefined where nothing ends the answer.
 */
export function answerEnd(
  text: string,
  begin: number,
  span: Span | undefined,
  controls: readonly Control[],
  isStop: (token: string) => boolean,
): number | undefined {
  const later = controls.filter(({ index }) => index >= begin);
  const closing = span ? closingTokens(text, span.end, later) : [];
  const end = closing.find(({ token }) => isStop(token)) ?? closing.at(-1);
  if (end) return end.index + end.length;
  const stop = later.find(({ token }) => isStop(token));
  if (stop === undefined || (span && /\S/.test(text.slice(span.end, stop.index)))) return undefined;
  return stop.index + stop.length;
}

/** The control tokens at the end of a part, with only white space between and behind them. */
function closingTokens(text: string, end: number, controls: readonly Control[]): Control[] {
  const closing: Control[] = [];
  let from = end;
  for (const control of controls.filter(({ index }) => index < end).reverse()) {
    if (/\S/.test(text.slice(control.index + control.length, from))) break;
    closing.unshift(control);
    from = control.index;
  }
  return closing;
}
