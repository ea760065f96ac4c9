/** Byte-level BPE: any bytes become ids, and decoding returns the same bytes. */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { concatInts } from '../base/concat.ts';
import { AthanorError, fileError } from '../base/errors.ts';
import { replaceFile } from '../base/files/replace-file.ts';
import type { JsonValue } from '../base/json.ts';
import { native } from '../native/addon.ts';
import type { NativeTokenizer } from '../native/binding/text.ts';
import { frameOf, type TextFrame } from './post-processor.ts';
import { StreamDecoder } from './stream-decoder.ts';
import { readTiktokenFile } from './tiktoken-file.ts';
import {
  formatTokenizerConfig,
  namedTokens,
  parseTokenizerConfig,
  type TokenizerConfig,
} from './tokenizer-config.ts';
import { formatTokenizerJson, parseTokenizerJson } from './tokenizer-json.ts';
import { END_OF_TEXT, type TrainTokenizerOptions, trainVocabulary } from './train.ts';
import {
  fingerprint,
  type SplitPattern,
  TokenKind,
  tokenText,
  type Vocabulary,
  withSpecialTokens,
} from './vocabulary.ts';

const TEMPLATE_FILE = 'chat_template.jinja';

/** Options of encoding. */
export interface EncodeOptions {
  /** Encode text that spells a special token as that token. Default false: it is ordinary text. */
  allowSpecial?: boolean | undefined;
  /**
   * Put the tokens of `frame` around each text, as transformers does by default. Default false,
   * which is right for text with a chat template: the template writes such tokens itself.
   */
  addSpecialTokens?: boolean | undefined;
}

/** Options of decoding. */
export interface DecodeOptions {
  /** Leave special tokens out. Default false. */
  skipSpecial?: boolean | undefined;
}

/** Turns text into token ids and back. */
export class Tokenizer {
  readonly #vocabulary: Vocabulary;
  readonly #native: NativeTokenizer;
  readonly #config: TokenizerConfig;
  readonly #postProcessor: JsonValue | undefined;

  /** The tokens that the post-processor of tokenizer.json puts around a text. */
  readonly frame: TextFrame;
  #ids: Map<string, number> | undefined;
  #fingerprint: string | undefined;

  /** The special tokens and their ids. Text becomes one of them only with `allowSpecial`. */
  readonly specialTokens: ReadonlyMap<string, number>;

  private constructor(
    vocabulary: Vocabulary,
    config: TokenizerConfig,
    { postProcessor, path = 'tokenizer.json' }: { postProcessor?: JsonValue | undefined; path?: string } = {},
  ) {
    const { bytes, offsets, kinds, merges, pattern, ignoreMerges } = vocabulary;
    this.#native = new native.NativeTokenizer(bytes, offsets, kinds, merges, pattern, ignoreMerges);
    this.#vocabulary = vocabulary;
    this.#config = config;
    this.#postProcessor = postProcessor;
    this.frame = frameOf(postProcessor, path);
    const special = new Map<string, number>();
    for (let id = 0; id < kinds.length; id++) {
      if (kinds[id] === TokenKind.special) special.set(tokenText(vocabulary, id)!, id);
    }
    this.specialTokens = special;
  }

  /**
   * Learns a vocabulary from texts on other threads, so the event loop stays free. The same texts
   * give the same vocabulary on any number of threads, with the same merges as the trainer of
   * Hugging Face. `<|endoftext|>` ends texts if it is among the special tokens. Throws
   * ERR_ARGUMENT for options out of range and for texts that are all empty, and ERR_INTERRUPTED
   * when the signal aborts.
   */
  static async train(
    texts: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
    options: TrainTokenizerOptions,
  ): Promise<Tokenizer> {
    return Tokenizer.#withEndOfText(await trainVocabulary(texts, options));
  }

  /**
   * Reads tokenizer.json, and tokenizer_config.json and chat_template.jinja if they are
   * beside it. Throws ERR_FILE_MISSING, and ERR_FORMAT naming the file and what is wrong in
   * it or not supported.
   */
  static load(folderOrFile: string): Tokenizer {
    const path = isFolder(folderOrFile) ? join(folderOrFile, 'tokenizer.json') : folderOrFile;
    const file = parseTokenizerJson(readText(path), path);
    const folder = dirname(path);
    const configPath = join(folder, 'tokenizer_config.json');
    const configText = readTextIfThere(configPath);
    const config = configText === undefined ? {} : parseTokenizerConfig(configText, configPath);
    // If both have a template, transformers uses this file.
    const templateFile = join(folder, TEMPLATE_FILE);
    const template = readTextIfThere(templateFile);
    if (template !== undefined) {
      config.chatTemplate = template;
      config.chatTemplateFile = templateFile;
    }
    const tokenizer = Tokenizer.#checked(
      path,
      () => new Tokenizer(file.vocabulary, config, { postProcessor: file.postProcessor, path }),
    );
    for (const token of [config.eosToken, config.bosToken, config.padToken]) {
      if (token !== undefined && tokenizer.idOf(token) === undefined) {
        throw new AthanorError(
          'ERR_FORMAT',
          `${configPath}: the token ${JSON.stringify(token)} is not in ${path}`,
          'the two files belong to different tokenizers; copy both from the same one',
        );
      }
    }
    if (configText === undefined && tokenizer.specialTokens.has(END_OF_TEXT)) config.eosToken = END_OF_TEXT;
    return tokenizer;
  }

  /**
   * Reads a tiktoken rank file, such as cl100k_base.tiktoken with the pattern gpt4. Throws
   * ERR_FILE_MISSING, and ERR_FORMAT with the line that is wrong.
   * @param specialTokens the ids of the special tokens
   */
  static fromTiktoken(
    file: string,
    pattern: SplitPattern,
    specialTokens: Readonly<Record<string, number>> = {},
  ): Tokenizer {
    const vocabulary = readTiktokenFile(file, pattern, specialTokens);
    return Tokenizer.#checked(file, () => Tokenizer.#withEndOfText(vocabulary));
  }

  static #withEndOfText(vocabulary: Vocabulary): Tokenizer {
    const config: TokenizerConfig = {};
    const tokenizer = new Tokenizer(vocabulary, config);
    if (tokenizer.specialTokens.has(END_OF_TEXT)) config.eosToken = END_OF_TEXT;
    return tokenizer;
  }

  /** Adds the file to the message when the engine refuses a vocabulary. */
  static #checked(path: string, make: () => Tokenizer): Tokenizer {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof AthanorError) || error.code !== 'ERR_FORMAT') throw error;
      throw new AthanorError(
        'ERR_FORMAT',
        `${path}: ${error.message.replace(/^\[tokenizer\] /, '')}`,
        error.remedy,
        {
          cause: error,
        },
      );
    }
  }

  /**
   * A copy of this tokenizer with more control tokens, whose ids follow the existing ones. Tokens
   * that it already has are kept. Returns this tokenizer when there is nothing to add. A model
   * needs as many more rows: see growVocabulary.
   */
  withSpecialTokens(tokens: readonly string[]): Tokenizer {
    const missing = tokens.filter((token) => !this.specialTokens.has(token));
    if (missing.length === 0) return this;
    const vocabulary = withSpecialTokens(this.#vocabulary, missing);
    return new Tokenizer(vocabulary, { ...this.#config }, { postProcessor: this.#postProcessor });
  }

  /**
   * Writes tokenizer.json and tokenizer_config.json, which contains the chat template. Each file
   * replaces an old one only when it is complete. An existing chat_template.jinja would take
   * precedence, so it is rewritten or removed.
   */
  save(folder: string): void {
    try {
      mkdirSync(folder, { recursive: true });
    } catch (error) {
      throw fileError(error, folder, 'write');
    }
    const json = formatTokenizerJson({ vocabulary: this.#vocabulary, postProcessor: this.#postProcessor });
    replaceFile(join(folder, 'tokenizer.json'), json);
    replaceFile(join(folder, 'tokenizer_config.json'), formatTokenizerConfig(this.#config));
    const templateFile = join(folder, TEMPLATE_FILE);
    if (!existsSync(templateFile)) return;
    if (this.chatTemplate === undefined) rmSync(templateFile);
    else replaceFile(templateFile, this.chatTemplate);
  }

  /** The ids of a text. A string is encoded as UTF-8; bytes may be anything. */
  encode(text: string | Uint8Array, options: EncodeOptions = {}): Int32Array {
    return this.encodeBatch([text], options)[0]!;
  }

  /** The ids of each text, computed on all threads. */
  encodeBatch(texts: readonly (string | Uint8Array)[], options: EncodeOptions = {}): Int32Array[] {
    const ids = this.#native.encode(texts, options.allowSpecial ?? false);
    const { before, after } = this.frame;
    if (!options.addSpecialTokens || before.length + after.length === 0) return ids;
    return ids.map((text) => concatInts([before, text, after]));
  }

  /**
   * The text of ids. Bytes that are not UTF-8 become U+FFFD. An id without a token gives no text.
   * Throws ERR_ARGUMENT for negative ids and numbers that are not integers.
   */
  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(this.decodeBytes(ids, options));
  }

  /** The bytes of ids; those of encode(bytes) are the same bytes. Throws as decode. */
  decodeBytes(ids: ArrayLike<number>, options: DecodeOptions = {}): Uint8Array {
    return this.#native.decode(
      ids instanceof Int32Array ? ids : checkedIds(ids),
      options.skipSpecial ?? false,
    );
  }

  /** A decoder for ids that come one at a time. */
  stream(options: DecodeOptions = {}): StreamDecoder {
    return new StreamDecoder(this.#vocabulary, options.skipSpecial);
  }

  /** One more than the largest id: the number of rows of an embedding table. */
  get vocabSize(): number {
    return this.#vocabulary.kinds.length;
  }

  /** How text is cut into pieces before merging. */
  get splitPattern(): SplitPattern {
    return this.#vocabulary.pattern;
  }

  /**
   * The id of a token in the spelling of tokenizer.json: `Ġthe` for ` the`, special tokens as they
   * are. Undefined when there is no such token.
   */
  idOf(token: string): number | undefined {
    if (!this.#ids) {
      this.#ids = new Map();
      for (let id = 0; id < this.vocabSize; id++) {
        const text = tokenText(this.#vocabulary, id);
        if (text !== undefined) this.#ids.set(text, id);
      }
    }
    return this.#ids.get(token);
  }

  /** The token of an id in the spelling of tokenizer.json. Undefined for an id without a token. */
  tokenOf(id: number): string | undefined {
    return tokenText(this.#vocabulary, id);
  }

  /** Number of bytes of text that an id stands for: 0 for an id without a token. */
  byteLength(id: number): number {
    const { offsets } = this.#vocabulary;
    const end = offsets[id + 1];
    return end === undefined ? 0 : end - offsets[id]!;
  }

  /**
   * The ids below `rows` that have no token: gaps of the vocabulary, and the last rows of a model
   * that has more of them than tokens. generate() must not draw them: give them as its
   * `suppressTokens`.
   */
  unusedIds(rows: number): number[] {
    const { kinds } = this.#vocabulary;
    const isUnused = (id: number) => (kinds[id] ?? TokenKind.hole) === TokenKind.hole;
    return Array.from({ length: rows }, (_, id) => id).filter(isUnused);
  }

  /** The id of the end-of-text token, if there is one. */
  get eosId(): number | undefined {
    return this.#idOfNamed(this.#config.eosToken);
  }

  /** The id of the token that begins a text, if there is one. */
  get bosId(): number | undefined {
    return this.#idOfNamed(this.#config.bosToken);
  }

  /** The id of the token that pads a batch, if there is one. */
  get padId(): number | undefined {
    return this.#idOfNamed(this.#config.padToken);
  }

  /**
   * The tokens that templates know by name, as transformers gives them: `eos_token`, `bos_token`,
   * `pad_token`, `unk_token` and so on, and those of `extra_special_tokens`.
   */
  get namedTokens(): Readonly<Record<string, string>> {
    return namedTokens(this.#config);
  }

  #idOfNamed(token: string | undefined): number | undefined {
    return token === undefined ? undefined : this.idOf(token);
  }

  /** Jinja source of the chat template, verbatim. */
  get chatTemplate(): string | undefined {
    return this.#config.chatTemplate;
  }

  set chatTemplate(template: string | undefined) {
    this.#config.chatTemplate = template;
    this.#config.chatTemplateFile = undefined;
  }

  /** The file that the chat template was read from; undefined for one that was set. */
  get chatTemplateFile(): string | undefined {
    return this.#config.chatTemplateFile;
  }

  /**
   * SHA-256 of the vocabulary, in hexadecimal. Tokenizers with the same fingerprint give every text
   * the same ids.
   */
  fingerprint(): string {
    this.#fingerprint ??= fingerprint(this.#vocabulary);
    return this.#fingerprint;
  }
}

function checkedIds(ids: ArrayLike<number>): Int32Array {
  const checked = new Int32Array(ids.length);
  for (let i = 0; i < ids.length; i++) {
    checked[i] = ids[i]!;
    if (checked[i] !== ids[i]) {
      throw new AthanorError('ERR_ARGUMENT', `expected ids to be integers but the one at ${i} is ${ids[i]}`);
    }
  }
  return checked;
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw fileError(error, path);
  }
}

/** Strict UTF-8, because a damaged file must not silently turn into other tokens. */
function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw fileError(error, path);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new AthanorError('ERR_FORMAT', `${path}: it is not UTF-8 text`, undefined, { cause: error });
  }
}

function readTextIfThere(path: string): string | undefined {
  try {
    return readText(path);
  } catch (error) {
    if ((error as AthanorError).code === 'ERR_FILE_MISSING') return undefined;
    throw error;
  }
}
