/**
 * Log-probabilities in the two shapes of the OpenAI API. A number in JSON is the shortest decimal
 * of a double, so an f32 log-probability arrives with all of its bits.
 */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { NamedReport, NamedToken } from '../protocol/messages.ts';

/** JSON has no infinities. The API writes this for a token that cannot be. */
const IMPOSSIBLE = -9999;

function finite(logProb: number): number {
  return Math.max(logProb, IMPOSSIBLE);
}

/** `choices[].logprobs` of chat. Control tokens are no part of it. */
export function chatLogProbs(reports: readonly NamedReport[]): JsonObject {
  const named = ({ text, logProb, bytes }: NamedToken) => ({ token: text, logprob: finite(logProb), bytes });
  const content = reports
    .filter(({ isHidden }) => !isHidden)
    .map((report) => ({ ...named(report), top_logprobs: report.top.map(named) }));
  return { content, refusal: null };
}

/**
 * `choices[].logprobs` of completions, with the token that ended the text. Nothing predicts the
 * first token of a prompt: it has null.
 */
export function completionLogProbs(reports: readonly NamedReport[]): JsonObject {
  return {
    tokens: reports.map(tokenKey),
    token_logprobs: reports.map(({ logProb }) => (Number.isNaN(logProb) ? null : finite(logProb))),
    top_logprobs: reports.map(topOf),
    text_offset: reports.map(({ offset }) => offset),
  };
}

/** By text. It has the token itself too, with the same number as in token_logprobs. */
function topOf(report: NamedReport): JsonValue {
  if (Number.isNaN(report.logProb)) return null;
  const top: JsonObject = {};
  const tokens = report.top.some(({ token }) => token === report.token)
    ? report.top
    : [...report.top, report];
  for (const named of tokens) {
    const key = tokenKey(named);
    // Two tokens of the same text would be one entry.
    top[Object.hasOwn(top, key) ? `token_id:${named.token}` : key] = finite(named.logProb);
  }
  return top;
}

/** The text of a token; its bytes where they are no text alone. */
function tokenKey({ text, bytes }: NamedToken): string {
  if (Buffer.from(text).equals(Uint8Array.from(bytes))) return text;
  return `bytes:${bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`;
}
