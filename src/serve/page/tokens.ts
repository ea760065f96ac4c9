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
  const close = (text: string) => {
    const [first] = open;
    const others = open.length === 1 ? first!.top_logprobs.filter(({ token }) => token !== first!.token) : [];
    pieces.push({
      text,
      logProb: open.reduce((sum, { logprob }) => sum + logprob, 0),
      tokens: open.length,
      others: others.map(({ token, logprob }) => ({ text: token, logProb: logprob })),
    });
    open = [];
  };
  for (const report of reports) {
    open.push(report);
    const text = textOf(open);
    if (text !== undefined) close(text);
    // No character of UTF-8 has more than four bytes: these are no text.
    else if (open.length >= 4) close(open.map(({ token }) => token).join(''));
  }
  if (open.length > 0) close(open.map(({ token }) => token).join(''));
  return pieces;
}

function textOf(reports: readonly TokenReport[]): string | undefined {
  if (reports.some(({ bytes }) => bytes === null)) return reports.map(({ token }) => token).join('');
  const bytes = Uint8Array.from(reports.flatMap((report) => [...report.bytes!]));
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
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
