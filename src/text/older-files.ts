/** Tokenizers in the files that were before tokenizer.json, as a tokenizer.json. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { largest, readBytes, readText } from '../base/files/read-file.ts';
import type { JsonObject, JsonValue } from '../base/json.ts';
import { type SentencePiece, sentencePieceJson } from './sentence-pieces.ts';
import { parseSentencePieceFile } from './sentencepiece-file.ts';
import { parseConfigFile } from './tokenizer-config.ts';

const SENTENCE_PIECE = 'tokenizer.model';

/** Whether a folder has such files. */
export function hasOlderFiles(folder: string): boolean {
  return existsSync(join(folder, SENTENCE_PIECE)) || mergeFiles(folder) !== undefined;
}

/**
 * The text of a tokenizer.json that is not there, of the files beside it. Undefined where it is
 * there, or nothing older is.
 * @param config tokenizer_config.json, which says what stands around a text
 */
export function olderTokenizerJson(path: string, config: JsonObject | undefined): string | undefined {
  if (existsSync(path)) return undefined;
  const folder = dirname(path);
  const sentencePiece = join(folder, SENTENCE_PIECE);
  if (existsSync(sentencePiece)) return JSON.stringify(sentencePieceTokenizer(sentencePiece, config ?? {}));
  const files = mergeFiles(folder);
  return files && JSON.stringify(mergeTokenizer(files));
}

function sentencePieceTokenizer(path: string, config: JsonObject): JsonObject {
  const { pieces, addsSpace } = parseSentencePieceFile(readBytes(path, { most: largest.tokenizer }), path);
  const [begin, end] = ['bos', 'eos'].map((role) =>
    config[`add_${role}_token`] === true ? idOf(config[`${role}_token`], pieces) : undefined,
  );
  return sentencePieceJson({ path, pieces, addsSpace, postProcessor: framing(pieces, begin, end) });
}

/** The id of a token of tokenizer_config.json, which has its text, or an object with it. */
function idOf(token: JsonValue | undefined, pieces: readonly SentencePiece[]): number | undefined {
  const isObject = typeof token === 'object' && token !== null && !Array.isArray(token);
  const content = isObject ? token.content : token;
  const id = pieces.findIndex(({ text }) => text === content);
  return id < 0 ? undefined : id;
}

/** A post-processor that puts a token before a text, and one after it. */
export function framing(
  pieces: readonly Pick<SentencePiece, 'text'>[],
  begin: number | undefined,
  end: number | undefined,
): JsonValue {
  if (begin === undefined && end === undefined) return null;
  const special = (id: number): JsonValue => ({ SpecialToken: { id: pieces[id]!.text, type_id: 0 } });
  const around = (id: string, type: number): JsonValue[] => [
    ...(begin === undefined ? [] : [special(begin)]),
    { Sequence: { id, type_id: type } },
    ...(end === undefined ? [] : [special(end)]),
  ];
  const named = [begin, end].flatMap((id) => (id === undefined ? [] : [id]));
  return {
    type: 'TemplateProcessing',
    single: around('A', 0),
    pair: [...around('A', 0), ...around('B', 1)],
    special_tokens: Object.fromEntries(
      named.map((id) => [pieces[id]!.text, { id: pieces[id]!.text, ids: [id], tokens: [pieces[id]!.text] }]),
    ),
  };
}

interface MergeFiles {
  vocab: string;
  merges: string;
}

/** The files that GPT-2's tokenizer has in older folders, if both are there. */
function mergeFiles(folder: string): MergeFiles | undefined {
  const [vocab, merges] = [join(folder, 'vocab.json'), join(folder, 'merges.txt')];
  return existsSync(vocab) && existsSync(merges) ? { vocab, merges } : undefined;
}

function mergeTokenizer(files: MergeFiles): JsonObject {
  const most = largest.tokenizer;
  const vocab = parseConfigFile(readText(files.vocab, { most }), files.vocab);
  const lines = readText(files.merges, { most }).split(/\r?\n/);
  const merges = lines.filter((line, i) => line !== '' && !(i === 0 && line.startsWith('#version')));
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false };
  return { model: { type: 'BPE', vocab, merges }, pre_tokenizer: byteLevel };
}
