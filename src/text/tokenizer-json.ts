/**
 * Reads and writes tokenizer.json of Hugging Face tokenizers with byte-level BPE. An
 * unsupported feature that would change ids is refused by name. Encoding here does no
 * truncation and no padding, so these fields have no effect.
 */
import { AthanorError } from '../base/errors.ts';
import { type JsonObject, type JsonValue, parseJson, quoted } from '../base/json.ts';
import { unspellBytes } from './byte-level.ts';
import { patternOfExpression, splitExpressions } from './split-patterns.ts';
import type { AddedToken } from './tokenizer-config.ts';
import { type SplitPattern, TokenKind, TokenTable, tokenText, type Vocabulary } from './vocabulary.ts';

export interface TokenizerFile {
  vocabulary: Vocabulary;
  /** Verbatim; undefined where the file has none. */
  postProcessor: JsonValue | undefined;
  /** The token of `padding`, if there is one. */
  padToken?: string | undefined;
}

/** Checks the values of one file. Every error names the file. */
class Reader {
  constructor(readonly path: string) {}

  fail(problem: string): never {
    throw new AthanorError(
      'ERR_FORMAT',
      `${this.path}: ${problem}`,
      'the file is damaged; fetch or write it again',
    );
  }

  unsupported(what: string): never {
    throw new AthanorError(
      'ERR_FORMAT',
      `${this.path}: ${what} is not supported`,
      "use byte-level BPE with GPT-2's, GPT-4's or GPT-4o's split pattern; athanor tokenizer train makes one",
    );
  }

  object(value: JsonValue | undefined, where: string): JsonObject {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.fail(`expected ${where} to be an object but it is ${quoted(value)}`);
    }
    return value;
  }

  array(value: JsonValue | undefined, where: string): JsonValue[] {
    if (!Array.isArray(value)) this.fail(`expected ${where} to be an array but it is ${quoted(value)}`);
    return value;
  }

  string(value: JsonValue | undefined, where: string): string {
    if (typeof value !== 'string') this.fail(`expected ${where} to be a string but it is ${quoted(value)}`);
    return value;
  }

  boolean(value: JsonValue | undefined, where: string, otherwise: boolean): boolean {
    if (value === undefined || value === null) return otherwise;
    if (typeof value !== 'boolean')
      this.fail(`expected ${where} to be true or false but it is ${quoted(value)}`);
    return value;
  }
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
  const reader: Reader = new Reader(path);
  let parsed: JsonValue;
  try {
    parsed = parseJson(text);
  } catch (error) {
    reader.fail(`it is not JSON: ${(error as Error).message}`);
  }
  const file = reader.object(parsed, 'the file');
  const model = reader.object(file.model, 'model');
  checkModel(reader, model);
  if (!isEmptyNormalizer(file.normalizer)) {
    reader.unsupported(`the normalizer ${quoted(file.normalizer)}`);
  }
  checkDecoder(reader, file.decoder);
  const pattern = readPattern(reader, file.pre_tokenizer);
  const table = readTokens(reader, model, addedTokens(reader, file.added_tokens), more);
  const merges = readMerges(reader, model, table);
  const ignoreMerges = reader.boolean(model.ignore_merges, 'model.ignore_merges', false);
  const { padding } = file;
  const isPadding = typeof padding === 'object' && padding !== null && !Array.isArray(padding);
  return {
    vocabulary: table.build(merges, pattern, ignoreMerges),
    postProcessor: file.post_processor,
    ...(isPadding && typeof padding.pad_token === 'string' && { padToken: padding.pad_token }),
  };
}

function isEmptyNormalizer(value: JsonValue | undefined): boolean {
  if (value === undefined || value === null) return true;
  if (typeof value !== 'object' || Array.isArray(value) || value.type !== 'Sequence') return false;
  return Array.isArray(value.normalizers) && value.normalizers.length === 0;
}

function checkModel(reader: Reader, model: JsonObject): void {
  // Old files have no type.
  if (model.type !== undefined && model.type !== 'BPE')
    reader.unsupported(`a model of type ${quoted(model.type)}`);
  if (model.byte_fallback === true) reader.unsupported('model.byte_fallback');
  for (const key of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix']) {
    const value = model[key];
    if (value !== undefined && value !== null && value !== '' && value !== 0) {
      reader.unsupported(`model.${key} ${quoted(value)}`);
    }
  }
}

function checkDecoder(reader: Reader, value: JsonValue | undefined): void {
  if (value === undefined || value === null) return;
  const decoder = reader.object(value, 'decoder');
  const steps = decoder.type === 'Sequence' ? reader.array(decoder.decoders, 'decoder.decoders') : [decoder];
  for (const step of steps) {
    const { type } = reader.object(step, 'a decoder');
    if (type !== 'ByteLevel') reader.unsupported(`the decoder ${quoted(type)}`);
  }
}

/** The steps one after another; a step may be a sequence of steps. */
function preTokenizers(reader: Reader, value: JsonValue, depth = 0): JsonObject[] {
  const step = reader.object(value, 'a pre_tokenizer');
  if (step.type !== 'Sequence') return [step];
  // The reader of the tokenizers library stops there too.
  if (depth > 100) reader.fail('its pre_tokenizers are too deep in each other');
  const steps = reader.array(step.pretokenizers, 'pre_tokenizer.pretokenizers');
  return steps.flatMap((inner) => preTokenizers(reader, inner, depth + 1));
}

function readPattern(reader: Reader, value: JsonValue | undefined): SplitPattern {
  if (value === undefined || value === null) reader.unsupported('a tokenizer without pre_tokenizer');
  const steps = preTokenizers(reader, value);
  let pattern: SplitPattern | undefined;
  let byteLevel = false;
  for (const step of steps) {
    if (byteLevel) reader.unsupported(`the pre_tokenizer ${quoted(step.type)} after ByteLevel`);
    if (step.type === 'Split' && pattern === undefined) {
      pattern = readSplit(reader, step);
    } else if (step.type === 'ByteLevel') {
      byteLevel = true;
      if (reader.boolean(step.add_prefix_space, 'add_prefix_space', true)) {
        reader.unsupported('a ByteLevel pre_tokenizer with add_prefix_space');
      }
      if (reader.boolean(step.use_regex, 'use_regex', true)) {
        if (pattern !== undefined && pattern !== 'gpt2') {
          reader.unsupported('a ByteLevel pre_tokenizer with use_regex after Split');
        }
        pattern = 'gpt2';
      }
    } else {
      reader.unsupported(`the pre_tokenizer ${quoted(step.type)} in this place`);
    }
  }
  if (!byteLevel) reader.unsupported('a pre_tokenizer without ByteLevel');
  if (pattern === undefined) reader.unsupported('a ByteLevel pre_tokenizer with use_regex off and no Split');
  return pattern;
}

function readSplit(reader: Reader, step: JsonObject): SplitPattern {
  const { Regex: expression } = reader.object(step.pattern, 'the pattern of Split');
  if (typeof expression !== 'string') reader.unsupported(`the Split pattern ${quoted(step.pattern)}`);
  const pattern = patternOfExpression(expression);
  if (pattern === undefined) reader.unsupported(`the Split pattern ${JSON.stringify(expression)}`);
  if (reader.boolean(step.invert, 'invert', false)) reader.unsupported('Split with invert');
  // The patterns match every character, so with Removed nothing would be left of a text.
  if (step.behavior !== 'Isolated') reader.unsupported(`the Split behavior ${quoted(step.behavior)}`);
  return pattern;
}

/**
 * The added tokens by their text, and whether they are special. Of one that is there twice, the
 * first place and the last flags count, as in the tokenizers library.
 */
function addedTokens(reader: Reader, list: JsonValue | undefined): Map<string, boolean> {
  const added = new Map<string, boolean>();
  if (list === undefined || list === null) return added;
  for (const [i, value] of reader.array(list, 'added_tokens').entries()) {
    const where = `added_tokens[${i}]`;
    const token = reader.object(value, where);
    const content = reader.string(token.content, `${where}.content`);
    if (typeof token.id !== 'number')
      reader.fail(`expected ${where}.id to be a number but it is ${quoted(token.id)}`);
    for (const flag of ['single_word', 'lstrip', 'rstrip']) {
      if (reader.boolean(token[flag], `${where}.${flag}`, false)) {
        reader.unsupported(`${flag} of the added token ${JSON.stringify(content)}`);
      }
    }
    const special = reader.boolean(token.special, `${where}.special`, false);
    // It can be found nowhere.
    if (content === '') continue;
    added.set(content, special);
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
function readTokens(
  reader: Reader,
  model: JsonObject,
  added: Map<string, boolean>,
  more: readonly AddedToken[],
): TokenTable {
  const vocab = new Map(Object.entries(reader.object(model.vocab, 'model.vocab')));
  const missing = new Map<string, boolean>();
  for (const { content, special, overrides, isNew } of more) {
    if (added.has(content)) {
      if (overrides) added.set(content, special);
    } else if (typeof vocab.get(content) === 'number') {
      // Merges can make ordinary tokens only.
      if (!isMerged(model.merges, content)) added.set(content, special);
    } else if (isNew && content !== '' && !missing.has(content)) {
      missing.set(content, special);
    }
  }
  const table = new TokenTable(reader.path);
  const addWhole = (content: string, special: boolean, id: number) =>
    table.addWhole(id, content, special ? TokenKind.special : TokenKind.added);
  let next = vocab.size;
  let last = -1;
  for (const [content, special] of added) {
    const own = vocab.get(content);
    const id = typeof own === 'number' ? own : next++;
    addWhole(content, special, id);
    last = Math.max(last, id);
  }
  for (const [token, id] of vocab) {
    if (typeof id !== 'number')
      reader.fail(`expected the id of ${JSON.stringify(token)} to be a number but it is ${quoted(id)}`);
    if (added.has(token)) continue;
    const bytes = unspellBytes(token);
    if (!bytes) reader.fail(`the token ${JSON.stringify(token)} is not in byte-level spelling`);
    table.addOrdinary(id, bytes, token);
  }
  next = Math.max(last + 1, vocab.size);
  for (const [content, special] of missing) addWhole(content, special, next++);
  return table;
}

/** Of a merge that is there twice, the last place counts, as in the tokenizers library. */
function readMerges(reader: Reader, model: JsonObject, table: TokenTable): Int32Array {
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
  const { kinds, merges, pattern, ignoreMerges } = vocabulary;
  const entries: string[] = [];
  const added: JsonObject[] = [];
  for (let id = 0; id < kinds.length; id++) {
    const content = tokenText(vocabulary, id);
    if (content === undefined) continue;
    entries.push(`      ${JSON.stringify(content)}: ${id}`);
    if (kinds[id] === TokenKind.ordinary) continue;
    const special = kinds[id] === TokenKind.special;
    added.push({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special });
  }
  const pairs: string[] = [];
  for (let i = 0; i < merges.length; i += 3) {
    const pair = [tokenText(vocabulary, merges[i]!)!, tokenText(vocabulary, merges[i + 1]!)!];
    pairs.push(`      ${JSON.stringify(pair)}`);
  }
  const model = [
    '{',
    '    "type": "BPE",',
    '    "dropout": null,',
    '    "unk_token": null,',
    '    "continuing_subword_prefix": null,',
    '    "end_of_word_suffix": null,',
    '    "fuse_unk": false,',
    '    "byte_fallback": false,',
    `    "ignore_merges": ${ignoreMerges},`,
    `    "vocab": {\n${entries.join(',\n')}\n    },`,
    `    "merges": [\n${pairs.join(',\n')}\n    ]`,
    '  }',
  ].join('\n');
  const byteLevel = {
    type: 'ByteLevel',
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: pattern === 'gpt2',
  };
  const split = {
    type: 'Split',
    pattern: { Regex: splitExpressions[pattern] },
    behavior: 'Isolated',
    invert: false,
  };
  const fields: [string, JsonValue][] = [
    ['version', '1.0'],
    ['truncation', null],
    ['padding', null],
    ['added_tokens', added],
    ['normalizer', null],
    [
      'pre_tokenizer',
      pattern === 'gpt2' ? byteLevel : { type: 'Sequence', pretokenizers: [split, byteLevel] },
    ],
    ['post_processor', postProcessor ?? null],
    ['decoder', { ...byteLevel, use_regex: true }],
  ];
  const lines = fields.map(([key, value]) => `  ${JSON.stringify(key)}: ${indent(value)},`);
  return `{\n${lines.join('\n')}\n  "model": ${model}\n}\n`;
}

function indent(value: JsonValue): string {
  return JSON.stringify(value, null, 2).replaceAll('\n', '\n  ');
}
