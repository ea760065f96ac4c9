/**
 * Reads and writes tokenizer.json of Hugging Face tokenizers with BPE. An unsupported feature that
 * would change ids is refused by name. Encoding here does no truncation and no padding, so these
 * fields have no effect.
 */
import { type JsonObject, type JsonValue, parseJson, quoted } from '../base/json.ts';
import { native } from '../native/addon.ts';
import type { NativeNormalizerStep } from '../native/binding/text.ts';
import { FileReader } from './file-reader.ts';
import type { Pipeline } from './pipeline.ts';
import { readDecoder, type TokenDecoder } from './read-decoder.ts';
import { readNormalizer } from './read-normalizer.ts';
import { readPreTokenizer } from './read-pre-tokenizer.ts';
import { type AddedToken, flagNames, flagsOf } from './tokenizer-config.ts';
import {
  type CharacterModel,
  TokenFlag,
  TokenKind,
  TokenTable,
  tokenText,
  type Vocabulary,
} from './vocabulary.ts';

export interface TokenizerFile {
  vocabulary: Vocabulary;
  /** Verbatim; undefined where the file has none. */
  postProcessor: JsonValue | undefined;
  /** The token of `padding`, if there is one. */
  padToken?: string | undefined;
}

/**
 * Parses the text of a tokenizer.json. Throws ERR_FORMAT.
 * @param path of the file, for messages
 * @param more added tokens by other files; those that this file lacks get the ids after its own
 */
export function parseTokenizerJson(
  text: string,
  path: string,
  more: readonly AddedToken[] = [],
): TokenizerFile {
  const reader: FileReader = new FileReader(path);
  let parsed: JsonValue;
  try {
    parsed = parseJson(text);
  } catch (error) {
    reader.fail(`it is not JSON: ${(error as Error).message}`);
  }
  const file = reader.object(parsed, 'the file');
  const model = reader.object(file.model, 'model');
  checkModel(reader, model);
  const { steps, isByteLevel } = readPreTokenizer(reader, file.pre_tokenizer);
  const normalizer = readNormalizer(reader, file.normalizer);
  const decoder = readDecoder(reader, file.decoder, isByteLevel);
  const [only] = steps;
  const isPattern = isByteLevel && steps.length === 1 && only?.kind === 'pattern' && normalizer.length === 0;
  const pipeline: Pipeline = {
    normalizer,
    pieces: steps,
    textStart: decoder.textStart,
    json: {
      normalizer: file.normalizer ?? null,
      pre_tokenizer: file.pre_tokenizer ?? null,
      decoder: file.decoder ?? null,
    },
    ...(isPattern && { pattern: only.named }),
  };
  const added = addedTokens(reader, file.added_tokens);
  const table = readTokens(reader, model, { added, more, decoder, normalizer, isByteLevel });
  const merges = readMerges(reader, model, table);
  const ignoreMerges = reader.boolean(model.ignore_merges, 'model.ignore_merges', false);
  const characters = isByteLevel ? undefined : characterModel(reader, model, table);
  const { padding } = file;
  const isPadding = typeof padding === 'object' && padding !== null && !Array.isArray(padding);
  return {
    vocabulary: table.build(merges, { pipeline, ignoreMerges, characters }),
    postProcessor: file.post_processor,
    ...(isPadding && typeof padding.pad_token === 'string' && { padToken: padding.pad_token }),
  };
}

function checkModel(reader: FileReader, model: JsonObject): void {
  // Old files have no type.
  if (model.type !== undefined && model.type !== 'BPE')
    reader.unsupported(`a model of type ${quoted(model.type)}`);
  for (const key of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix']) {
    const value = model[key];
    if (value !== undefined && value !== null && value !== '' && value !== 0) {
      reader.unsupported(`model.${key} ${quoted(value)}`);
    }
  }
}

/** What becomes of characters that are no token, where the symbols are characters. */
function characterModel(
  reader: FileReader,
  model: JsonObject,
  table: TokenTable,
): Omit<CharacterModel, 'texts' | 'textOffsets'> {
  const { unk_token: unknown } = model;
  const name =
    unknown === undefined || unknown === null ? undefined : reader.string(unknown, 'model.unk_token');
  const id = name === undefined ? -1 : table.idOf(name);
  if (id === undefined) reader.fail(`model.unk_token ${quoted(name)} is not in model.vocab`);
  return {
    byteFallback: reader.boolean(model.byte_fallback, 'model.byte_fallback', false),
    unknown: id,
    fuseUnknown: reader.boolean(model.fuse_unk, 'model.fuse_unk', false),
  };
}

/** How an added token is found. */
interface AddedFlags {
  special: boolean;
  /** Bits of TokenFlag. */
  flags: number;
}

/**
 * The added tokens by their text. Of one that is there twice, the first place and the last flags
 * count, as in the tokenizers library.
 */
function addedTokens(reader: FileReader, list: JsonValue | undefined): Map<string, AddedFlags> {
  const added = new Map<string, AddedFlags>();
  if (list === undefined || list === null) return added;
  for (const [i, value] of reader.array(list, 'added_tokens').entries()) {
    const where = `added_tokens[${i}]`;
    const token = reader.object(value, where);
    const content = reader.string(token.content, `${where}.content`);
    if (typeof token.id !== 'number')
      reader.fail(`expected ${where}.id to be a number but it is ${quoted(token.id)}`);
    const is = (flag: string) => reader.boolean(token[flag], `${where}.${flag}`, false);
    const special = is('special');
    const flags = flagsOf(is);
    // It can be found nowhere.
    if (content === '') continue;
    added.set(content, { special, flags });
  }
  return added;
}

function isMerged(merges: JsonValue | undefined, token: string): boolean {
  if (!Array.isArray(merges)) return false;
  return merges.some((pair) => {
    return (
      (typeof pair === 'string' ? pair.replace(' ', '') : Array.isArray(pair) && pair.join('')) === token
    );
  });
}

/**
 * The ids are those of model.vocab. As in the tokenizers library, a token that it lacks gets the
 * next id behind as many tokens as model.vocab has, whatever id the file names.
 */
function readTokens(reader: FileReader, model: JsonObject, options: TokenOptions): TokenTable {
  const { added, more, decoder, normalizer, isByteLevel } = options;
  const vocab = new Map(Object.entries(reader.object(model.vocab, 'model.vocab')));
  const missing = new Map<string, AddedFlags>();
  for (const { content, overrides, isNew, ...found } of more) {
    if (added.has(content)) {
      if (overrides) added.set(content, found);
    } else if (typeof vocab.get(content) === 'number') {
      // Merges can make ordinary tokens only.
      if (!isMerged(model.merges, content)) added.set(content, found);
    } else if (isNew && content !== '' && !missing.has(content)) {
      missing.set(content, found);
    }
  }
  const table = new TokenTable(reader.path);
  const addWhole = (content: string, { special, flags }: AddedFlags, id: number) => {
    // Byte-level merges make added tokens only as they made them.
    const ofModel = !isByteLevel && vocab.has(content) ? TokenFlag.ofModel : 0;
    table.addWhole(id, content, special ? TokenKind.special : TokenKind.added, {
      flags: flags | ofModel,
      bytes: decoder.bytesOfAdded(writtenForm(content, flags, normalizer)),
    });
  };
  let next = vocab.size;
  let last = -1;
  for (const [content, found] of added) {
    const own = vocab.get(content);
    const id = typeof own === 'number' ? own : next++;
    addWhole(content, found, id);
    last = Math.max(last, id);
  }
  for (const [token, id] of vocab) {
    if (typeof id !== 'number')
      reader.fail(`expected the id of ${JSON.stringify(token)} to be a number but it is ${quoted(id)}`);
    if (added.has(token)) continue;
    const bytes = decoder.bytesOf(token);
    if (!bytes) reader.fail(`the token ${JSON.stringify(token)} is not in byte-level spelling`);
    table.addOrdinary(id, bytes, token);
  }
  next = Math.max(last + 1, vocab.size);
  for (const [content, found] of missing) addWhole(content, found, next++);
  return table;
}

/** Where the tokens of a vocabulary come from. */
interface TokenOptions {
  added: Map<string, AddedFlags>;
  more: readonly AddedToken[];
  decoder: TokenDecoder;
  normalizer: readonly NativeNormalizerStep[];
  isByteLevel: boolean;
}

/** tokenizers decodes a token that it finds after normalization as normalized text. */
function writtenForm(content: string, flags: number, normalizer: readonly NativeNormalizerStep[]): string {
  if (normalizer.length === 0 || (flags & TokenFlag.normalized) === 0) return content;
  const [bytes] = native.normalizeTexts([content], normalizer);
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes) || content;
}

/** Of a merge that is there twice, the last place counts, as in the tokenizers library. */
function readMerges(reader: FileReader, model: JsonObject, table: TokenTable): Int32Array {
  const list = reader.array(model.merges, 'model.merges');
  const merges = new Map<string, number[]>();
  for (const [i, value] of list.entries()) {
    // The first line of merges.txt, which some programs copied.
    if (i === 0 && typeof value === 'string' && value.startsWith('#version')) continue;
    const parts = typeof value === 'string' ? value.split(' ') : value;
    if (!Array.isArray(parts) || parts.length !== 2) {
      reader.fail(`expected model.merges[${i}] to be two tokens but it is ${quoted(value)}`);
    }
    const left = reader.string(parts[0], `model.merges[${i}][0]`);
    const right = reader.string(parts[1], `model.merges[${i}][1]`);
    const ids = [left, right, left + right].map((token) => {
      const id = table.idOf(token);
      if (id !== undefined) return id;
      return reader.fail(
        `model.merges[${i}] ${quoted(value)} needs the token ${JSON.stringify(token)}, which model.vocab lacks`,
      );
    });
    const pair = `${ids[0]} ${ids[1]}`;
    merges.delete(pair);
    merges.set(pair, ids);
  }
  return Int32Array.from([...merges.values()].flat());
}

/**
 * The text of a tokenizer.json, with one token and one merge per line, the tokens in the order
 * of their ids.
 */
export function formatTokenizerJson({ vocabulary, postProcessor }: TokenizerFile): string {
  const { kinds, flags, merges, pipeline } = vocabulary;
  const outside = idsOutsideModel(vocabulary);
  const entries: string[] = [];
  const added: JsonObject[] = [];
  for (let id = 0; id < kinds.length; id++) {
    const content = tokenText(vocabulary, id);
    if (content === undefined) continue;
    if (!outside.has(id)) entries.push(`      ${JSON.stringify(content)}: ${id}`);
    if (kinds[id] === TokenKind.ordinary) continue;
    added.push({ id, content, ...namedFlags(flags[id]!), special: kinds[id] === TokenKind.special });
  }
  const pairs: string[] = [];
  for (let i = 0; i < merges.length; i += 3) {
    const pair = [tokenText(vocabulary, merges[i]!)!, tokenText(vocabulary, merges[i + 1]!)!];
    pairs.push(`      ${JSON.stringify(pair)}`);
  }
  const { characters, ignoreMerges } = vocabulary;
  const unknown = characters === undefined ? undefined : tokenText(vocabulary, characters.unknown);
  const model = [
    '{',
    '    "type": "BPE",',
    '    "dropout": null,',
    `    "unk_token": ${JSON.stringify(unknown ?? null)},`,
    '    "continuing_subword_prefix": null,',
    '    "end_of_word_suffix": null,',
    `    "fuse_unk": ${characters?.fuseUnknown ?? false},`,
    `    "byte_fallback": ${characters?.byteFallback ?? false},`,
    `    "ignore_merges": ${ignoreMerges},`,
    `    "vocab": {\n${entries.join(',\n')}\n    },`,
    `    "merges": [\n${pairs.join(',\n')}\n    ]`,
    '  }',
  ].join('\n');
  const fields: [string, JsonValue][] = [
    ['version', '1.0'],
    ['truncation', null],
    ['padding', null],
    ['added_tokens', added],
    ['normalizer', pipeline.json.normalizer],
    ['pre_tokenizer', pipeline.json.pre_tokenizer],
    ['post_processor', postProcessor ?? null],
    ['decoder', pipeline.json.decoder],
  ];
  const lines = fields.map(([key, value]) => `  ${JSON.stringify(key)}: ${indent(value)},`);
  return `{\n${lines.join('\n')}\n  "model": ${model}\n}\n`;
}

/**
 * Added tokens of a model of characters that stay out of model.vocab, where they would be symbols.
 * A reader counts their ids from the end of it.
 */
function idsOutsideModel({ kinds, flags, characters }: Vocabulary): Set<number> {
  const isAdded = (id: number) => kinds[id] === TokenKind.special || kinds[id] === TokenKind.added;
  const ids = Array.from(kinds, (_, id) => id).filter((id) => kinds[id] !== TokenKind.hole);
  const outside = ids.filter((id) => characters && isAdded(id) && (flags[id]! & TokenFlag.ofModel) === 0);
  const first = ids.length - outside.length;
  return new Set(outside.every((id, i) => id === first + i) ? outside : []);
}

/** The flags of an added token in the order of tokenizer.json. */
function namedFlags(flags: number): JsonObject {
  return Object.fromEntries(flagNames.map(([name, bit]) => [name, (flags & bit) !== 0]));
}

function indent(value: JsonValue): string {
  return JSON.stringify(value, null, 2).replaceAll('\n', '\n  ');
}
