/** Log-probabilities for people: which tokens form a readable piece, and how likely it was. */
import type { TokenReport } from './conversation.ts';

export interface Piece {
  text: string;
  /** Nats; the sum over its tokens. */
  logProb: number;
  /** More than one where a character is spread over tokens. */
  tokens: number;
  /** What else the model had in mind, of a piece of one token. */
  others: readonly { text: string; logProb: number }[];
}

/** From the likeliest. Each has a look of its own that is not its color alone. */
export const LEVELS = [
  { name: 'sure', least: 0.9, label: '90 % and more' },
  { name: 'likely', least: 0.5, label: '50 to 90 %' },
  { name: 'unsure', least: 0.1, label: '10 to 50 %' },
  { name: 'unlikely', least: 0, label: 'under 10 %' },
] as const;

export type LevelName = (typeof LEVELS)[number]['name'];

export function levelOf(logProb: number): LevelName {
  const chance = Math.exp(logProb);
  return LEVELS.find(({ least }) => chance >= least)?.name ?? 'unlikely';
}

/** Tokens, joined where only together they are text. */
export function piecesOf(reports: readonly TokenReport[]): Piece[] {
  const pieces: Piece[] = [];
  let open: TokenReport[] = [];
  const close = () => {
    if (open.length > 0) pieces.push(pieceOf(open));
    open = [];
  };
  for (const report of reports) {
    // What no longer can become a character ends before this token.
    if (stateOf([...open, report]) === 'broken') close();
    open.push(report);
    if (stateOf(open) !== 'begun') close();
  }
  close();
  return pieces;
}

function pieceOf(reports: readonly TokenReport[]): Piece {
  const [first] = reports;
  const others =
    reports.length === 1 ? first!.top_logprobs.filter(({ token }) => token !== first!.token) : [];
  return {
    text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytesOf(reports)),
    logProb: reports.reduce((sum, { logprob }) => sum + logprob, 0),
    tokens: reports.length,
    others: others.map(({ token, logprob }) => ({ text: token, logProb: logprob })),
  };
}

function bytesOf(reports: readonly TokenReport[]): Uint8Array {
  const encoder = new TextEncoder();
  return Uint8Array.from(reports.flatMap(({ token, bytes }) => [...(bytes ?? encoder.encode(token))]));
}

/** Whether the bytes are text, or the beginning of a text whose last character is not complete. */
function stateOf(reports: readonly TokenReport[]): 'text' | 'begun' | 'broken' {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  try {
    decoder.decode(bytesOf(reports), { stream: true });
  } catch {
    return 'broken';
  }
  try {
    decoder.decode();
    return 'text';
  } catch {
    return 'begun';
  }
}

/** Such as "87 %". */
export function percent(logProb: number): string {
  const share = Math.exp(logProb) * 100;
  if (share >= 99.95) return '100 %';
  if (share < 0.01) return 'under 0.01 %';
  return `${share >= 10 ? share.toFixed(share >= 99 ? 1 : 0) : share.toPrecision(2)} %`;
}

/** A token in a line of text: what cannot be seen gets a sign. */
export function visible(text: string): string {
  return text.replaceAll('\n', '↵').replaceAll('\t', '⇥').replaceAll(' ', '␣') || '(empty)';
}
