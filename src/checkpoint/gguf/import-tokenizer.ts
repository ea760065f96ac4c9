/** The tokenizer of a GGUF file as the files of a Hugging Face folder. */
import { AthanorError } from '../../base/errors.ts';
import type { JsonObject, JsonValue } from '../../base/json.ts';
import { framing } from '../../text/older-files.ts';
import { PieceKind, type SentencePiece, sentencePieceJson } from '../../text/sentence-pieces.ts';
import { splitExpressions } from '../../text/split-patterns.ts';
import type { GgufFile, GgufMetadata } from './gguf-reader.ts';
import { sequences } from './gguf-tokenizer.ts';

/** The files of a tokenizer by name, and generation_config.json. */
export interface ImportedTokenizer {
  files: Record<string, JsonObject>;
  generationConfig: JsonObject;
}

interface Splitter {
  /** Steps before bytes; none is the pattern of GPT-2, which ByteLevel has itself. */
  readonly expressions?: readonly string[];
  /** Whole pieces are looked up before merges. */
  readonly ignoreMerges?: boolean;
}

const { gpt2, gpt4, gpt4o } = splitExpressions;

/** llama.cpp's names of split patterns. */
const splitters: Readonly<Record<string, Splitter>> = {
  'gpt-2': {},
  dbrx: { expressions: [gpt4] },
  'llama-bpe': { expressions: [gpt4], ignoreMerges: true },
  'llama-v3': { expressions: [gpt4], ignoreMerges: true },
  llama3: { expressions: [gpt4], ignoreMerges: true },
  'gpt-4o': { expressions: [gpt4o] },
  ...Object.fromEntries(
    sequences.map(({ name, steps }) => [
      name,
      { expressions: steps.map((step) => (step === 'gpt2' ? gpt2 : step)) },
    ]),
  ),
};

/**
 * Throws ERR_FORMAT for a tokenizer of another kind than byte-level BPE and SentencePiece's BPE,
 * and for a split pattern that is not known.
 */
export function importedTokenizer(file: GgufFile): ImportedTokenizer {
  const { metadata, path } = file;
  const fail = (problem: string, remedy: string) =>
    new AthanorError('ERR_FORMAT', `${path}: ${problem}`, remedy);
  const own = (key: string) => metadata.get(`tokenizer.ggml.${key}`);
  const isSentencePiece = own('model') === 'llama';
  const splitter = isSentencePiece ? {} : splitterOf(own, fail);
  const tokens = texts(own('tokens'));
  const types = numbers(own('token_type'));
  if (tokens.length === 0 || (types.length > 0 && types.length !== tokens.length)) {
    throw fail('its tokens and their types do not fit each other', 'write the file again');
  }
  const typeOf = (id: number) => types[id] ?? PieceKind.normal;
  const ids = ['bos_token_id', 'eos_token_id', 'padding_token_id'].map(own);
  const [bos, eos, pad] = ids.map((id) => (typeof id === 'number' && id < tokens.length ? id : undefined));
  // llama.cpp puts a begin token before texts of this tokenizer where the file does not say.
  const frames = (key: string, otherwise: boolean) => (own(key) ?? otherwise) === true;
  const pieces = tokens.map((text, id) => ({ text, kind: typeOf(id), score: 0 }));
  const postProcessor = framing(
    pieces,
    frames('add_bos_token', isSentencePiece) ? bos : undefined,
    frames('add_eos_token', false) ? eos : undefined,
  );
  const named = (role: string, id: number | undefined) => (id === undefined ? {} : { [role]: tokens[id]! });
  const template = metadata.get('tokenizer.chat_template');
  return {
    files: {
      'tokenizer.json': isSentencePiece
        ? sentencePieceJson({
            ...{ path, postProcessor, addsSpace: frames('add_space_prefix', true) },
            pieces: withScores(pieces, numbers(own('scores')), fail),
          })
        : byteLevelJson({ tokens, typeOf, merges: texts(own('merges')), postProcessor, splitter }),
      'tokenizer_config.json': {
        tokenizer_class: 'PreTrainedTokenizerFast',
        ...named('bos_token', bos),
        ...named('eos_token', eos),
        ...named('pad_token', pad),
        ...(typeof template === 'string' && { chat_template: template }),
      },
    },
    generationConfig: generation(own),
  };
}

type Own = (key: string) => GgufMetadata | undefined;
type Fail = (problem: string, remedy: string) => AthanorError;

function splitterOf(own: Own, fail: Fail): Splitter {
  if (own('model') !== 'gpt2') {
    const remedy = 'use the Hugging Face folder that the file was made from';
    throw fail(`the tokenizer ${String(own('model'))} is neither byte-level BPE nor SentencePiece's`, remedy);
  }
  const splitter = splitters[String(own('pre') ?? 'gpt-2')];
  if (splitter) return splitter;
  const known = `known: ${Object.keys(splitters).join(', ')}`;
  throw fail(`the split pattern ${String(own('pre'))} is not known`, known);
}

function withScores(
  pieces: readonly SentencePiece[],
  scores: readonly number[],
  fail: Fail,
): SentencePiece[] {
  if (scores.length !== pieces.length) {
    throw fail('its tokens and their scores do not fit each other', 'write the file again');
  }
  return pieces.map((piece, id) => ({ ...piece, score: scores[id]! }));
}

function texts(value: GgufMetadata | undefined): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function numbers(value: GgufMetadata | undefined): number[] {
  return Array.isArray(value) ? value.map(Number) : [];
}

function generation(own: Own): JsonObject {
  const id = (key: string) => {
    const value = own(key);
    return typeof value === 'number' ? [value] : [];
  };
  const ends = [...new Set([...id('eot_token_id'), ...id('eos_token_id')])];
  const [bos] = id('bos_token_id');
  const [pad] = id('padding_token_id');
  return {
    ...(bos !== undefined && { bos_token_id: bos }),
    ...(ends.length > 0 && { eos_token_id: ends.length > 1 ? ends : ends[0]! }),
    ...(pad !== undefined && { pad_token_id: pad }),
  };
}

interface TokenizerParts {
  tokens: readonly string[];
  typeOf: (id: number) => number;
  merges: readonly string[];
  splitter: Splitter;
  postProcessor: JsonValue;
}

function byteLevelJson({ tokens, typeOf, merges, splitter, postProcessor }: TokenizerParts): JsonObject {
  const isAdded = (id: number) => typeOf(id) === PieceKind.control || typeOf(id) === PieceKind.userDefined;
  const added = tokens.flatMap((content, id): JsonValue[] =>
    isAdded(id)
      ? [
          {
            ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false },
            special: typeOf(id) === PieceKind.control,
          },
        ]
      : [],
  );
  // Readers give an added token that is not here the next id behind all others, and not its own.
  const vocab: [string, number][] = tokens.flatMap((token, id) =>
    typeOf(id) === PieceKind.normal || isAdded(id) ? [[token, id]] : [],
  );
  const { expressions, ignoreMerges = false } = splitter;
  const split = (expression: string): JsonValue => ({
    type: 'Split',
    pattern: { Regex: expression },
    behavior: 'Isolated',
    invert: false,
  });
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: null,
    pre_tokenizer:
      expressions === undefined
        ? { ...bytes, use_regex: true }
        : {
            type: 'Sequence',
            pretokenizers: [...expressions.map(split), { ...bytes, use_regex: false }],
          },
    post_processor: postProcessor,
    decoder: { ...bytes, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: ignoreMerges,
      vocab: Object.fromEntries(vocab),
      merges: [...merges],
    },
  };
}
