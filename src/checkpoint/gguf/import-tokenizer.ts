/** The tokenizer of a GGUF file as the files of a Hugging Face folder. */
import { AthanorError } from '../../base/errors.ts';
import type { JsonObject, JsonValue } from '../../base/json.ts';
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

/** The types of tokens in GGUF. */
const [NORMAL, CONTROL, USER_DEFINED] = [1, 3, 4];

/**
 * Throws ERR_FORMAT for a tokenizer of another kind than byte-level BPE and for a split pattern
 * that is not known.
 */
export function importedTokenizer(file: GgufFile): ImportedTokenizer {
  const { metadata, path } = file;
  const fail = (problem: string, remedy: string) =>
    new AthanorError('ERR_FORMAT', `${path}: ${problem}`, remedy);
  const own = (key: string) => metadata.get(`tokenizer.ggml.${key}`);
  if (own('model') !== 'gpt2') {
    const remedy = 'use the Hugging Face folder that the file was made from';
    throw fail(`the tokenizer ${String(own('model'))} is not byte-level BPE`, remedy);
  }
  const splitter = splitters[String(own('pre') ?? 'gpt-2')];
  if (!splitter) {
    const known = `known: ${Object.keys(splitters).join(', ')}`;
    throw fail(`the split pattern ${String(own('pre'))} is not known`, known);
  }
  const tokens = texts(own('tokens'));
  const types = numbers(own('token_type'));
  const merges = texts(own('merges'));
  if (tokens.length === 0 || (types.length > 0 && types.length !== tokens.length)) {
    throw fail('its tokens and their types do not fit each other', 'write the file again');
  }
  const typeOf = (id: number) => types[id] ?? NORMAL;
  const name = (key: string) => {
    const id = own(key);
    return typeof id === 'number' ? tokens[id] : undefined;
  };
  const [bos, eos, pad] = ['bos_token_id', 'eos_token_id', 'padding_token_id'].map(name);
  const frame = {
    bos: own('add_bos_token') === true ? bos : undefined,
    eos: own('add_eos_token') === true ? eos : undefined,
  };
  const template = metadata.get('tokenizer.chat_template');
  return {
    files: {
      'tokenizer.json': tokenizerJson({ tokens, typeOf, merges, splitter, ...frameOf(frame, tokens) }),
      'tokenizer_config.json': {
        tokenizer_class: 'PreTrainedTokenizerFast',
        ...(bos !== undefined && { bos_token: bos }),
        ...(eos !== undefined && { eos_token: eos }),
        ...(pad !== undefined && { pad_token: pad }),
        ...(typeof template === 'string' && { chat_template: template }),
      },
    },
    generationConfig: generation(own),
  };
}

function texts(value: GgufMetadata | undefined): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function numbers(value: GgufMetadata | undefined): number[] {
  return Array.isArray(value) ? value.map(Number) : [];
}

function generation(own: (key: string) => GgufMetadata | undefined): JsonObject {
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

/** What stands around a text. */
function frameOf(
  { bos, eos }: { bos?: string | undefined; eos?: string | undefined },
  tokens: readonly string[],
) {
  if (bos === undefined && eos === undefined) return { postProcessor: null };
  const special = (id: string): JsonValue => ({ SpecialToken: { id, type_id: 0 } });
  const around = (sequence: JsonValue): JsonValue[] => [
    ...(bos === undefined ? [] : [special(bos)]),
    sequence,
    ...(eos === undefined ? [] : [special(eos)]),
  ];
  const named = [bos, eos].flatMap((id) => (id === undefined ? [] : [id]));
  const sequence = (id: string, type: number): JsonValue => ({ Sequence: { id, type_id: type } });
  const postProcessor: JsonValue = {
    type: 'TemplateProcessing',
    single: around(sequence('A', 0)),
    pair: [...around(sequence('A', 0)), ...around(sequence('B', 1))],
    special_tokens: Object.fromEntries(
      named.map((id) => [id, { id, ids: [tokens.indexOf(id)], tokens: [id] }]),
    ),
  };
  return { postProcessor };
}

interface TokenizerParts {
  tokens: readonly string[];
  typeOf: (id: number) => number;
  merges: readonly string[];
  splitter: Splitter;
  postProcessor: JsonValue;
}

function tokenizerJson({ tokens, typeOf, merges, splitter, postProcessor }: TokenizerParts): JsonObject {
  const isAdded = (id: number) => typeOf(id) === CONTROL || typeOf(id) === USER_DEFINED;
  const added = tokens.flatMap((content, id): JsonValue[] =>
    isAdded(id)
      ? [
          {
            ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false },
            special: typeOf(id) === CONTROL,
          },
        ]
      : [],
  );
  const vocab: [string, number][] = tokens.flatMap((token, id) =>
    typeOf(id) === NORMAL ? [[token, id]] : [],
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
