/**
 * Reads and writes tokenizer.json of Hugging Face tokenizers with byte-level BPE. An
 * unsupported feature that would change ids is refused by name. Encoding here does no
 * truncation and no padding, so these fields have no effect.
 */
import { AthanorError } from '../base/errors.ts';
import type { JsonObject, JsonValue } from '../base/json.ts';
import { unspellBytes } from './byte-level.ts';
import { patternOfExpression, splitExpressions } from './split-patterns.ts';
import { type SplitPattern, TokenKind, TokenTable, tokenText, type Vocabulary } from './vocabulary.ts';

export interface TokenizerFile {
  vocabulary: Vocabulary;
  /** Verbatim; undefined where the file has none. */
  postProcessor: JsonValue | undefined;
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
      this.fail(`expected ${where} to be an object but it is ${describe(value)}`);
    }
    return value;
  }

  array(value: JsonValue | undefined, where: string): JsonValue[] {
    if (!Array.isArray(value)) this.fail(`expected ${where} to be an array but it is ${describe(value)}`);
    return value;
  }

  string(value: JsonValue | undefined, where: string): string {
    if (typeof value !== 'string') this.fail(`expected ${where} to be a string but it is ${describe(value)}`);
    return value;
  }

  boolean(value: JsonValue | undefined, where: string, otherwise: boolean): boolean {
    if (value === undefined || value === null) return otherwise;
    if (typeof value !== 'boolean')
      this.fail(`expected ${where} to be true or false but it is ${describe(value)}`);
    return value;
  }
}

function describe(value: JsonValue | undefined): string {
  if (value === undefined) return 'missing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/**
 * Parses the text of a tokenizer.json. Throws ERR_FORMAT.
 * @param path of the file, for messages
 */
export function parseTokenizerJson(text: string, path: string): TokenizerFile {
  const reader: Reader = new Reader(path);
  let parsed: JsonValue;
  try {
    parsed = JSON.parse(text) as JsonValue;
  } catch (error) {
    reader.fail(`it is not JSON: ${(error as Error).message}`);
  }
  const file = reader.object(parsed, 'the file');
  const model = reader.object(file.model, 'model');
  checkModel(reader, model);
  if (file.normalizer !== undefined && file.normalizer !== null) {
    reader.unsupported(`the normalizer ${describe(file.normalizer)}`);
  }
  checkDecoder(reader, file.decoder);
  const pattern = readPattern(reader, file.pre_tokenizer);
  const table = readTokens(reader, model, file.added_tokens);
  const merges = readMerges(reader, model, table);
  const ignoreMerges = reader.boolean(model.ignore_merges, 'model.ignore_merges', false);
  return { vocabulary: table.build(merges, pattern, ignoreMerges), postProcessor: file.post_processor };
}

function checkModel(reader: Reader, model: JsonObject): void {
  // Old files have no type.
  if (model.type !== undefined && model.type !== 'BPE')
    reader.unsupported(`a model of type ${describe(model.type)}`);
  if (model.byte_fallback === true) reader.unsupported('model.byte_fallback');
  for (const key of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix']) {
    const value = model[key];
    if (value !== undefined && value !== null && value !== '' && value !== 0) {
      reader.unsupported(`model.${key} ${describe(value)}`);
    }
  }
}

function checkDecoder(reader: Reader, value: JsonValue | undefined): void {
  if (value === undefined || value === null) return;
  const decoder = reader.object(value, 'decoder');
  const steps = decoder.type === 'Sequence' ? reader.array(decoder.decoders, 'decoder.decoders') : [decoder];
  for (const step of steps) {
    const { type } = reader.object(step, 'a decoder');
    if (type !== 'ByteLevel') reader.unsupported(`the decoder ${describe(type)}`);
  }
}

function readPattern(reader: Reader, value: JsonValue | undefined): SplitPattern {
  if (value === undefined || value === null) reader.unsupported('a tokenizer without pre_tokenizer');
  const outer = reader.object(value, 'pre_tokenizer');
  const steps =
    outer.type === 'Sequence'
      ? reader
          .array(outer.pretokenizers, 'pre_tokenizer.pretokenizers')
          .map((s) => reader.object(s, 'a pre_tokenizer'))
      : [outer];
  let pattern: SplitPattern | undefined;
  let byteLevel = false;
  for (const step of steps) {
    if (byteLevel) reader.unsupported(`the pre_tokenizer ${describe(step.type)} after ByteLevel`);
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
      reader.unsupported(`the pre_tokenizer ${describe(step.type)} in this place`);
    }
  }
  if (!byteLevel) reader.unsupported('a pre_tokenizer without ByteLevel');
  if (pattern === undefined) reader.unsupported('a ByteLevel pre_tokenizer with use_regex off and no Split');
  return pattern;
}

function readSplit(reader: Reader, step: JsonObject): SplitPattern {
  const { Regex: expression } = reader.object(step.pattern, 'the pattern of Split');
  if (typeof expression !== 'string') reader.unsupported(`the Split pattern ${describe(step.pattern)}`);
  const pattern = patternOfExpression(expression);
  if (pattern === undefined) reader.unsupported(`the Split pattern ${JSON.stringify(expression)}`);
  if (reader.boolean(step.invert, 'invert', false)) reader.unsupported('Split with invert');
  // The patterns match every character, so with Removed nothing would be left of a text.
  if (step.behavior !== 'Isolated') reader.unsupported(`the Split behavior ${describe(step.behavior)}`);
  return pattern;
}

function readTokens(reader: Reader, model: JsonObject, addedTokens: JsonValue | undefined): TokenTable {
  const table = new TokenTable(reader.path);
  const added = new Map<string, number>();
  const list =
    addedTokens === undefined || addedTokens === null ? [] : reader.array(addedTokens, 'added_tokens');
  for (const [i, value] of list.entries()) {
    const where = `added_tokens[${i}]`;
    const token = reader.object(value, where);
    const content = reader.string(token.content, `${where}.content`);
    if (typeof token.id !== 'number')
      reader.fail(`expected ${where}.id to be a number but it is ${describe(token.id)}`);
    for (const flag of ['single_word', 'lstrip', 'rstrip']) {
      if (reader.boolean(token[flag], `${where}.${flag}`, false)) {
        reader.unsupported(`${flag} of the added token ${JSON.stringify(content)}`);
      }
    }
    const special = reader.boolean(token.special, `${where}.special`, false);
    table.addWhole(token.id, content, special ? TokenKind.special : TokenKind.added);
    added.set(content, token.id);
  }
  for (const [token, id] of Object.entries(reader.object(model.vocab, 'model.vocab'))) {
    if (typeof id !== 'number')
      reader.fail(`expected the id of ${JSON.stringify(token)} to be a number but it is ${describe(id)}`);
    if (added.get(token) === id) continue;
    const bytes = unspellBytes(token);
    if (!bytes) reader.fail(`the token ${JSON.stringify(token)} is not in byte-level spelling`);
    table.addOrdinary(id, bytes, token);
  }
  return table;
}

function readMerges(reader: Reader, model: JsonObject, table: TokenTable): Int32Array {
  const list = reader.array(model.merges, 'model.merges');
  const merges = new Int32Array(list.length * 3);
  for (const [i, value] of list.entries()) {
    const parts = typeof value === 'string' ? value.split(' ') : value;
    if (!Array.isArray(parts) || parts.length !== 2) {
      reader.fail(`expected model.merges[${i}] to be two tokens but it is ${describe(value)}`);
    }
    const left = reader.string(parts[0], `model.merges[${i}][0]`);
    const right = reader.string(parts[1], `model.merges[${i}][1]`);
    for (const [k, token] of [left, right, left + right].entries()) {
      const id = table.idOf(token);
      if (id === undefined) {
        reader.fail(
          `model.merges[${i}] ${describe(value)} needs the token ${JSON.stringify(token)}, which model.vocab lacks`,
        );
      }
      merges[i * 3 + k] = id;
    }
  }
  return merges;
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
