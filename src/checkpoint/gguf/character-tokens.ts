/**
 * A tokenizer whose symbols are characters, as llama.cpp's SentencePiece tokenizer has it. That one
 * knows no merges: it joins two neighbours whenever their text is a token, the token with the
 * highest score first. So it gives the same ids only where the merges are those of scores.
 */
import { AthanorError } from '../../base/errors.ts';
import type { NativePieceStep } from '../../native/binding/text.ts';
import type { Pipeline } from '../../text/pipeline.ts';
import { byteOfToken } from '../../text/read-decoder.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import { TokenKind, tokenText, type Vocabulary } from '../../text/vocabulary.ts';

/** What llama.cpp needs beside the texts of the tokens. */
export interface CharacterTokens {
  /** `[tokens]` */
  scores: number[];
  /** Whether a space stands before each text. */
  addsSpace: boolean;
  unknown: number | undefined;
  isByte: (id: number) => boolean;
  /** Where llama.cpp cuts some texts in another way. */
  notes: string[];
}

/** The character for a space. */
export const WORD_MARK = '\u2581';

function refuse(what: string): never {
  throw new AthanorError(
    'ERR_FORMAT',
    `llama.cpp has no tokenizer with ${what}`,
    'export a model with another tokenizer',
  );
}

/** Throws ERR_FORMAT for what llama.cpp does not have. */
export function characterTokens(tokenizer: Tokenizer): CharacterTokens {
  const { vocabulary } = tokenizer;
  const { characters, kinds, pipeline } = vocabulary;
  const tokens = Array.from(kinds, (_, id) => tokenText(vocabulary, id));
  if (!characters?.byteFallback) refuse('characters that are no token, and no bytes in their place');
  const bytes = new Set(tokens.flatMap((text) => (text === undefined ? [] : (byteOfToken(text) ?? []))));
  if (bytes.size < 256) refuse(`tokens of ${bytes.size} bytes out of 256`);
  const space = spaceOf(pipeline, tokens);
  return {
    scores: scoresOf(vocabulary, tokens),
    addsSpace: space !== 'none',
    unknown: characters.unknown < 0 ? undefined : characters.unknown,
    isByte: (id) => kinds[id] === TokenKind.ordinary && byteOfToken(tokens[id]!) !== undefined,
    notes: space === 'first' ? [firstNote] : [],
  };
}

const firstNote =
  'llama.cpp puts a space before every text, also where it begins with a space or follows a special token';

/**
 * Which texts get a space in front: none, all, or those that begin a text and have none. The last
 * is no setting of llama.cpp, which then puts one before all.
 */
function spaceOf({ normalizer, pieces }: Pipeline, tokens: readonly (string | undefined)[]) {
  const kinds = normalizer.map(({ kind }) => kind).join();
  const isMarked = normalizer.every(
    (step) =>
      step.content === WORD_MARK && (step.kind === 'prepend' || (step.literal && step.pattern === ' ')),
  );
  if (kinds !== '' && isMarked && (kinds === 'replace' || kinds === 'prepend,replace')) {
    // Without spaces nothing is cut at them.
    const isIdle = pieces.every(({ kind, text }) => kind === 'literal' && text === ' ');
    if (isIdle) return kinds === 'replace' ? 'none' : 'all';
  }
  if (kinds === '') {
    const [replace, ...rest] = pieces;
    const cuts = ({ kind, text }: NativePieceStep) => kind === 'literal' && text === WORD_MARK;
    const prefix = rest.filter((step) => !cuts(step));
    // Tokens that hold a mark within them could not be made of cut pieces.
    const isCut = rest.some(cuts) && tokens.some((text) => (text?.lastIndexOf(WORD_MARK) ?? 0) > 0);
    const isKnown = prefix.every(({ kind, text }) => /refix$/.test(kind) && text === WORD_MARK);
    if (replace?.kind === 'replace' && replace.content === WORD_MARK && isKnown && !isCut) {
      return prefix.length === 0 ? 'none' : 'first';
    }
  }
  return refuse(
    `these steps before its merges: ${JSON.stringify({ normalizer: kinds, pieces: pieces.map(({ kind }) => kind) })}`,
  );
}

/** Scores that give the order of the merges: the later a token is made, the lower. */
function scoresOf(vocabulary: Vocabulary, tokens: readonly (string | undefined)[]): number[] {
  const { merges } = vocabulary;
  const scores = tokens.map(() => 0);
  let group = 0;
  for (const { results } of groupsOf(merges)) {
    group++;
    const isRun = (id: number) => new Set(tokens[id]).size === 1;
    if (results.size > 1 && ![...results].every(isRun)) {
      refuse('merges in another order than that of the tokens that they make');
    }
    for (const id of results) scores[id] = -group;
  }
  const known = new Set<number>();
  for (let i = 0; i < merges.length; i += 3) known.add(pairKey(merges[i]!, merges[i + 1]!));
  refuseMissing(vocabulary, tokens, known);
  return scores;
}

function pairKey(left: number, right: number): number {
  return left * 2 ** 25 + right;
}

/** Tokens in the order in which merges make them; those with merges among each other together. */
function groupsOf(merges: Int32Array): { last: number; results: Set<number> }[] {
  const lastOf = new Map<number, number>();
  for (let i = 2; i < merges.length; i += 3) lastOf.set(merges[i]!, i);
  const groups: { last: number; results: Set<number> }[] = [];
  for (let i = 2; i < merges.length; i += 3) {
    const [id, group] = [merges[i]!, groups.at(-1)];
    const last = lastOf.get(id)!;
    if (!group || i > group.last) groups.push({ last, results: new Set([id]) });
    else {
      group.last = Math.max(group.last, last);
      group.results.add(id);
    }
  }
  return groups;
}

/** Refuses a token that llama.cpp would make of two parts that no merge joins. */
function refuseMissing(
  { kinds }: Vocabulary,
  tokens: readonly (string | undefined)[],
  known: ReadonlySet<number>,
): void {
  const ids = new Map<string, number>();
  // Added tokens are found before others are joined, except where they are spaces.
  const isPart = (id: number) =>
    kinds[id] === TokenKind.added
      ? tokens[id]!.includes(WORD_MARK)
      : kinds[id] === TokenKind.ordinary && byteOfToken(tokens[id]!) === undefined;
  tokens.forEach((text, id) => {
    if (text !== undefined && isPart(id)) ids.set(text, id);
  });
  for (const text of ids.keys()) {
    const points = [...text];
    for (let at = 1, length = 0; at < points.length; at++) {
      length += points[at - 1]!.length;
      const [left, right] = [text.slice(0, length), text.slice(length)];
      const [first, second] = [ids.get(left), ids.get(right)];
      if (first === undefined && at > 1) continue;
      if (second === undefined && at < points.length - 1) continue;
      if (first === undefined || second === undefined || !known.has(pairKey(first, second))) {
        const pair = `${JSON.stringify(left)} and ${JSON.stringify(right)}`;
        refuse(`merges that leave ${pair} apart, whose text is a token`);
      }
    }
  }
}
