/**
 * The pieces of SentencePiece's BPE, as its own files and those of llama.cpp have them, as a
 * tokenizer.json. Pieces have scores and no merges: two neighbours are joined when their text is a
 * piece, the piece with the highest score first. So the merges are all such pairs, by score.
 */
import { AthanorError } from '../base/errors.ts';
import type { JsonObject, JsonValue } from '../base/json.ts';

/** The numbers of the kinds of pieces, in both formats. */
export const PieceKind = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface SentencePiece {
  text: string;
  score: number;
  /** A number of PieceKind. */
  kind: number;
}

export interface SentencePieces {
  /** The file, for messages. */
  path: string;
  /** By id. */
  pieces: readonly SentencePiece[];
  /** Whether a space is put before a text. */
  addsSpace: boolean;
  /** Tokens around a text, as tokenizer.json has them. */
  postProcessor: JsonValue;
}

/** The character for a space. */
const WORD_MARK = '\u2581';

/** Far more than any piece has, so that a hostile file does not take hours. */
const MOST_LENGTH = 4096;

/** Throws ERR_FORMAT for pieces that repeat, and for equal scores of pieces that are joined. */
export function sentencePieceJson({ path, pieces, addsSpace, postProcessor }: SentencePieces): JsonObject {
  const added: JsonValue[] = [];
  const vocab: Record<string, number> = Object.create(null) as Record<string, number>;
  for (const [id, { text, kind }] of pieces.entries()) {
    if (kind === PieceKind.unused) continue;
    if (text.length > MOST_LENGTH) fail(path, `the piece of id ${id} has ${text.length} characters`);
    if (text in vocab) fail(path, `the piece ${JSON.stringify(text)} has two ids, ${vocab[text]} and ${id}`);
    vocab[text] = id;
    if (kind === PieceKind.normal || kind === PieceKind.byte) continue;
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
    added.push({ id, content: text, ...flags, special: kind !== PieceKind.userDefined });
  }
  const unknown = pieces.find(({ kind }) => kind === PieceKind.unknown)?.text ?? null;
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: WORD_MARK };
  const prepend = { type: 'Prepend', prepend: WORD_MARK };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: addsSpace ? { type: 'Sequence', normalizers: [prepend, replace] } : replace,
    pre_tokenizer: null,
    post_processor: postProcessor,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: WORD_MARK }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(addsSpace ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: unknown,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: pieces.some(({ kind }) => kind === PieceKind.byte),
      ignore_merges: false,
      vocab: { ...vocab },
      merges: mergesOf(path, pieces),
    },
  };
}

function fail(path: string, problem: string): never {
  throw new AthanorError('ERR_FORMAT', `${path}: ${problem}`, 'fetch or write the file again');
}

interface Merge {
  left: string;
  right: string;
  score: number;
}

function mergesOf(path: string, pieces: readonly SentencePiece[]): [string, string][] {
  const joined = pieces.filter(({ kind }) => kind === PieceKind.normal || kind === PieceKind.userDefined);
  const known = new Set(joined.map(({ text }) => text));
  const merges: Merge[] = [];
  const scores = new Map<number, string>();
  for (const { text, score, kind } of joined) {
    const before = merges.length;
    for (let at = 1; at < text.length; at++) {
      const [left, right] = [text.slice(0, at), text.slice(at)];
      if (known.has(left) && known.has(right)) merges.push({ left, right, score });
    }
    // Runs of one character, such as spaces, may share a score: they grow from the left.
    if (merges.length === before || kind !== PieceKind.normal || new Set(text).size === 1) continue;
    const other = scores.get(score);
    if (other !== undefined) {
      const pair = `${JSON.stringify(other)} and ${JSON.stringify(text)}`;
      fail(path, `${pair} have the same score, so nothing says which is made first`);
    }
    scores.set(score, text);
  }
  merges.sort((a, b) => b.score - a.score || b.left.length - a.left.length);
  return merges.map(({ left, right }) => [left, right]);
}
