/** A tokenizer as GGUF describes it, with the words of llama.cpp. */
import { AthanorError } from '../../base/errors.ts';
import type { NativePieceStep, SplitPattern } from '../../native/binding/text.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import { TokenFlag, TokenKind, tokenText, type Vocabulary } from '../../text/vocabulary.ts';
import { characterTokens } from './character-tokens.ts';
import type { GgufValue } from './gguf-file.ts';

/** llama.cpp's names for a split pattern, without and with whole pieces before merges. */
const splitters: Readonly<Record<SplitPattern, readonly [plain?: string, whole?: string]>> = {
  gpt2: ['gpt-2'],
  gpt4: ['dbrx', 'llama-bpe'],
  gpt4o: ['gpt-4o'],
};

/** A step as llama.cpp's source lists it: a regular expression, or a split pattern by name. */
const stepText = ({ kind, named, text, behavior, invert }: NativePieceStep): string | undefined => {
  if (invert || behavior !== 'isolated') return undefined;
  if (kind === 'pattern') return named;
  if (kind === 'numeric') return NUMBER;
  return kind === 'regex' ? text : undefined;
};

const NUMBER = String.raw`\p{N}`;
const QWEN = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const DEEPSEEK = String.raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_${'`'}{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/** Names of llama.cpp for several steps, or for one that has no name here. */
export const sequences: readonly { name: string; steps: readonly string[] }[] = [
  { name: 'qwen2', steps: [QWEN] },
  { name: 'starcoder', steps: [NUMBER, 'gpt2'] },
  {
    name: 'deepseek-v3',
    steps: [String.raw`\p{N}{1,3}`, '[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+', DEEPSEEK],
  },
];

/** The types of tokens in GGUF, by TokenKind. */
const types: readonly number[] = (() => {
  const numbers: number[] = [];
  numbers[TokenKind.hole] = 5;
  numbers[TokenKind.ordinary] = 1;
  numbers[TokenKind.special] = 3;
  numbers[TokenKind.added] = 4;
  return numbers;
})();

/** Types of single tokens. */
const [UNKNOWN, BYTE] = [2, 6];

type Entry = [string, GgufValue];

export interface TokenizerMetadata {
  metadata: Entry[];
  /** Where llama.cpp cuts some texts in another way. */
  notes: string[];
}

export interface TextEndIds {
  begin: number | undefined;
  /** The id that ends a text. */
  end: number | undefined;
  /** The id that ends an answer of a conversation. */
  turn: number | undefined;
  pad: number | undefined;
}

/**
 * The metadata of a tokenizer. Throws ERR_FORMAT for a tokenizer that llama.cpp has no name for.
 * @param rows rows of the model's embedding; those without a token are named as unused
 */
export function tokenizerMetadata(
  tokenizer: Tokenizer,
  rows: number,
  { begin, end, turn, pad }: TextEndIds,
): TokenizerMetadata {
  const model = tokenizer.vocabulary.characters
    ? characterModel(tokenizer, rows)
    : byteModel(tokenizer, rows);
  const id = (key: string, value: number | undefined): Entry[] =>
    value === undefined ? [] : [[`tokenizer.ggml.${key}`, { u32: value }]];
  const { before, after } = tokenizer.frame;
  const { chatTemplate } = tokenizer;
  const metadata: Entry[] = [
    ...model.metadata,
    ...id('bos_token_id', begin),
    ...id('eos_token_id', end),
    ...(turn === end ? [] : id('eot_token_id', turn)),
    ...id('padding_token_id', pad),
    ['tokenizer.ggml.add_bos_token', { bool: before.length > 0 && before[0] === begin }],
    ['tokenizer.ggml.add_eos_token', { bool: after.length > 0 && after[0] === end }],
    ...(chatTemplate === undefined ? [] : [['tokenizer.chat_template', { string: chatTemplate }] as Entry]),
  ];
  return { metadata, notes: [...model.notes, ...flagNotes(tokenizer)] };
}

/** Added tokens that take the spaces beside them do not in llama.cpp. */
function flagNotes({ vocabulary }: Tokenizer): string[] {
  const strips = TokenFlag.lstrip | TokenFlag.rstrip;
  const ids = [...vocabulary.flags.keys()].filter((id) => (vocabulary.flags[id]! & strips) !== 0);
  if (ids.length === 0) return [];
  const names = ids.slice(0, 5).map((id) => tokenText(vocabulary, id));
  return [`llama.cpp keeps the spaces beside tokens that take them: ${names.join(', ')}`];
}

/** Byte-level BPE: merges, and the name of what cuts a text into pieces. */
function byteModel(tokenizer: Tokenizer, rows: number): TokenizerMetadata {
  const { kinds, merges } = tokenizer.vocabulary;
  const tokens = tokensOf(tokenizer, rows);
  const pairs = Array.from({ length: merges.length / 3 }, (_, i) => {
    const [left, right] = merges.subarray(3 * i, 3 * i + 2);
    return `${tokens[left!]} ${tokens[right!]}`;
  });
  const tokenTypes = tokens.map((_, id) => types[kinds[id] ?? TokenKind.hole]!);
  return {
    metadata: [
      ['tokenizer.ggml.model', { string: 'gpt2' }],
      ['tokenizer.ggml.pre', { string: splitterOf(tokenizer.vocabulary) }],
      ['tokenizer.ggml.tokens', { strings: tokens }],
      ['tokenizer.ggml.token_type', { i32s: tokenTypes }],
      ['tokenizer.ggml.merges', { strings: pairs }],
    ],
    notes: [],
  };
}

/** BPE of characters: SentencePiece's, with scores. */
function characterModel(tokenizer: Tokenizer, rows: number): TokenizerMetadata {
  const { scores, addsSpace, unknown, isByte, notes } = characterTokens(tokenizer);
  const { kinds } = tokenizer.vocabulary;
  const tokens = tokensOf(tokenizer, rows);
  const typeOf = (id: number) => {
    if (id === unknown) return UNKNOWN;
    return isByte(id) ? BYTE : types[kinds[id] ?? TokenKind.hole]!;
  };
  return {
    metadata: [
      ['tokenizer.ggml.model', { string: 'llama' }],
      ['tokenizer.ggml.pre', { string: 'default' }],
      ['tokenizer.ggml.tokens', { strings: tokens }],
      ['tokenizer.ggml.scores', { f32s: tokens.map((_, id) => scores[id] ?? 0) }],
      ['tokenizer.ggml.token_type', { i32s: tokens.map((_, id) => typeOf(id)) }],
      ['tokenizer.ggml.add_space_prefix', { bool: addsSpace }],
      ...(unknown === undefined ? [] : [['tokenizer.ggml.unknown_token_id', { u32: unknown }] as Entry]),
    ],
    notes,
  };
}

/** Tokens that llama.cpp looks up where the name of a model contains that of Phi-3. */
const phi3Tokens = ['</s>', '<unk>', '<s>', '<|endoftext|>'];

/**
 * The name of a model as llama.cpp can load it. With a tokenizer that lacks one of Phi-3's tokens
 * it does not open a file with `phi-3` or `phi3` in the name.
 */
export function loadableName(name: string, tokenizer: Tokenizer): string {
  if (phi3Tokens.every((token) => tokenizer.idOf(token) !== undefined)) return name;
  return name.replaceAll(/(phi)-?(3)/gi, '$1 $2');
}

function splitterOf({ pipeline, ignoreMerges }: Vocabulary): string {
  // llama.cpp has no normalizer: it takes text as composed, which text nearly always is.
  const other = pipeline.normalizer.find(({ kind }) => kind !== 'nfc');
  if (other) refuse(`the normalizer ${other.kind}`);
  const { pattern } = pipeline;
  if (pattern !== undefined) {
    const name = splitters[pattern][ignoreMerges ? 1 : 0];
    return name ?? refuse(`the split pattern ${pattern} that takes whole pieces before merges`);
  }
  const steps = pipeline.pieces.map(stepText);
  const known = sequences.find((sequence) => {
    return sequence.steps.length === steps.length && sequence.steps.every((text, i) => text === steps[i]);
  });
  if (known === undefined) refuse(`the split steps ${JSON.stringify(pipeline.json.pre_tokenizer)}`);
  if (ignoreMerges) refuse(`the split steps of ${known.name} that take whole pieces before merges`);
  return known.name;
}

function refuse(what: string): never {
  throw new AthanorError(
    'ERR_FORMAT',
    `llama.cpp has no tokenizer with ${what}`,
    'export a model with another tokenizer',
  );
}

/** The texts of the tokens; rows of the model without one have a name. */
function tokensOf(tokenizer: Tokenizer, rows: number): string[] {
  return Array.from({ length: rows }, (_, id) => tokenizer.tokenOf(id) ?? `[PAD${id}]`);
}
