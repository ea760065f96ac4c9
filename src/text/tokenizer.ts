/** Byte-level BPE: any bytes become ids, and decoding returns the same bytes. */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { inspect } from 'node:util';
import { checkCounts } from '../base/check-count.ts';
import { concatInts } from '../base/concat.ts';
import { AthanorError, fileError } from '../base/errors.ts';
import { makeFolders } from '../base/files/make-folders.ts';
import { isGguf, missingPart } from '../base/files/missing-part.ts';
import { ifThere, largest, readText } from '../base/files/read-file.ts';
import { replaceFile } from '../base/files/replace-file.ts';
import type { JsonObject, JsonValue } from '../base/json.ts';
import { native } from '../native/addon.ts';
import type { NativeTokenizer } from '../native/binding/text.ts';
import { AsciiTokens } from './ascii-tokens.ts';
import { decodeCharacters, droppedAtStart, isWritten } from './decode-characters.ts';
import { hasOlderFiles, olderTokenizerJson } from './older-files.ts';
import { frameOf, type TextFrame } from './post-processor.ts';
import { StreamDecoder } from './stream-decoder.ts';
import { readTiktokenFile } from './tiktoken-file.ts';
import type { TokenRole } from './tokenizer-class.ts';
import {
  ADDED_TOKENS_FILE,
  addedTokens,
  CONFIG_FILE,
  type ConfigFiles,
  formatTokenizerConfig,
  isPaddingOpen,
  type NamedToken,
  namedTokens,
  parseConfigFile,
  readConfigFiles,
  SPECIAL_TOKENS_FILE,
  TEMPLATE_FILE,
  type TokenizerConfig,
} from './tokenizer-config.ts';
import { formatTokenizerJson, parseTokenizerJson } from './tokenizer-json.ts';
import { END_OF_TEXT, type TrainTokenizerOptions, trainVocabulary } from './train.ts';
import {
  fingerprint,
  type SplitPattern,
  TokenFlag,
  TokenKind,
  tokenBytes,
  tokenText,
  type Vocabulary,
  withSpecialTokens,
} from './vocabulary.ts';

/** Files of templates with other names than `default`, as transformers 5 writes them. */
const TEMPLATE_FOLDER = 'additional_chat_templates';

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

/** Options of decoding ids one at a time. */
export interface DecodeStreamOptions extends DecodeOptions {
  /** Special tokens that stay in the text with `skipSpecial`. Default: none. */
  keepSpecial?: readonly string[] | undefined;
}

/** Turns text into token ids and back. */
export class Tokenizer {
  readonly #vocabulary: Vocabulary;
  #ascii: AsciiTokens | undefined;
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
    const { kinds } = vocabulary;
    this.#native = nativeTokenizer(vocabulary);
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
   * Hugging Face. `<|endoftext|>` ends texts if it is among the special tokens, and pads batches in
   * transformers, which cannot do so without a token. Throws
   * ERR_ARGUMENT for options out of range and for texts that are all empty, and ERR_INTERRUPTED
   * when the signal aborts.
   */
  static async train(
    texts: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
    options: TrainTokenizerOptions,
  ): Promise<Tokenizer> {
    const tokenizer = Tokenizer.#withEndOfText(await trainVocabulary(texts, options));
    const { tokens } = tokenizer.#config;
    if (tokens.eos) tokens.pad = tokens.eos;
    return tokenizer;
  }

  /**
   * Reads tokenizer.json, or else tokenizer.model of SentencePiece or the older vocab.json and
   * merges.txt, and the files beside it that name its tokens and its chat template, as transformers
   * does. Throws ERR_FILE_MISSING, and ERR_FORMAT naming the file and what is wrong in it or not
   * supported.
   */
  static load(folderOrFile: string): Tokenizer {
    const path = tokenizerFile(folderOrFile);
    const files = readFiles(dirname(path));
    const text =
      olderTokenizerJson(path, files.tokenizerConfig) ?? readText(path, { most: largest.tokenizer });
    const file = parseTokenizerJson(text, path, addedTokens(files));
    const config = readConfigFiles(files);
    if (file.padToken !== undefined && isPaddingOpen(files)) {
      config.tokens.pad = { text: file.padToken, source: path };
    }
    const tokenizer = Tokenizer.#checked(
      path,
      () => new Tokenizer(file.vocabulary, config, { postProcessor: file.postProcessor, path }),
    );
    tokenizer.#checkNames(path);
    if (files.tokenizerConfig === undefined && files.specialTokensMap === undefined) {
      if (tokenizer.specialTokens.has(END_OF_TEXT)) config.tokens.eos ??= { text: END_OF_TEXT, source: path };
    }
    return tokenizer;
  }

  /** Tokens that a class implies may be absent; others may not. */
  #checkNames(path: string): void {
    const { tokens } = this.#config;
    for (const [role, { text, source }] of Object.entries(tokens) as [TokenRole, NamedToken][]) {
      if (this.idOf(text) !== undefined) continue;
      if (!source.endsWith('.json')) {
        delete tokens[role];
        continue;
      }
      throw new AthanorError(
        'ERR_FORMAT',
        `${source}: the token ${JSON.stringify(text)} is not in ${path}`,
        'the two files belong to different tokenizers; copy both from the same one',
      );
    }
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
    const tokenizer = new Tokenizer(vocabulary, { tokens: {} });
    if (tokenizer.specialTokens.has(END_OF_TEXT)) {
      tokenizer.#config.tokens.eos = { text: END_OF_TEXT, source: 'the name of the token' };
    }
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
   * that it already has are kept. Where no token pads, the end of text does. Returns this tokenizer
   * when there is nothing to add. A model needs as many more rows: see growVocabulary.
   */
  withSpecialTokens(tokens: readonly string[]): Tokenizer {
    const missing = tokens.filter((token) => !this.specialTokens.has(token));
    if (missing.length === 0) return this;
    const vocabulary = withSpecialTokens(this.#vocabulary, missing);
    const { eos } = this.#config.tokens;
    const config = { ...this.#config, tokens: { ...(eos && { pad: eos }), ...this.#config.tokens } };
    return new Tokenizer(vocabulary, config, { postProcessor: this.#postProcessor });
  }

  /**
   * Writes tokenizer.json and tokenizer_config.json, which contains the chat template. Each file
   * replaces an old one only when it is complete. An existing chat_template.jinja would take
   * precedence, so it is rewritten or removed, and so would older files with token names.
   */
  save(folder: string): void {
    try {
      makeFolders(folder);
    } catch (error) {
      throw fileError(error, folder, 'write');
    }
    const json = formatTokenizerJson({ vocabulary: this.#vocabulary, postProcessor: this.#postProcessor });
    replaceFile(join(folder, 'tokenizer.json'), json);
    replaceFile(join(folder, CONFIG_FILE), formatTokenizerConfig(this.#config));
    for (const name of [SPECIAL_TOKENS_FILE, ADDED_TOKENS_FILE]) rmSync(join(folder, name), { force: true });
    rmSync(join(folder, TEMPLATE_FOLDER), { recursive: true, force: true });
    const templateFile = join(folder, TEMPLATE_FILE);
    if (!existsSync(templateFile)) return;
    // The file would hide templates with other names.
    if (this.chatTemplate === undefined || this.toolTemplate !== undefined) rmSync(templateFile);
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
   * The ids of one text with control tokens at given places, whatever it spells elsewhere. A token
   * takes the spaces beside it, and the text at the beginning gets a prefix, as in `encode`.
   * @param tokens triples: the byte at which a token begins, the byte at which it ends, and its id
   */
  encodeMarked(text: string, tokens: Int32Array): Int32Array {
    return this.#native.encodeMarked([text], tokens);
  }

  /**
   * The text of ids. Bytes that are not UTF-8 become U+FFFD. An id without a token gives no text.
   * Throws ERR_ARGUMENT for negative ids and numbers that are not integers.
   */
  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    if (!this.#vocabulary.characters) {
      return new TextDecoder('utf-8', { ignoreBOM: true }).decode(this.decodeBytes(ids, options));
    }
    return decodeCharacters(this.#vocabulary, checkedIds(ids), options.skipSpecial ?? false);
  }

  /** The bytes of ids; those of encode(bytes) are the same bytes. Throws as decode. */
  decodeBytes(ids: ArrayLike<number>, options: DecodeOptions = {}): Uint8Array {
    const checked = ids instanceof Int32Array ? ids : checkedIds(ids);
    const bytes = this.#native.decode(checked, options.skipSpecial ?? false);
    const { textStart } = this.#vocabulary.pipeline;
    if (textStart === 'all') return bytes;
    const first = checked.find((id) => isWritten(this.#vocabulary, id, options.skipSpecial ?? false));
    return bytes.subarray(first === undefined ? 0 : droppedAtStart(this.#vocabulary, first));
  }

  /** A decoder for ids that come one at a time. */
  stream(options: DecodeStreamOptions = {}): StreamDecoder {
    const kept = (options.keepSpecial ?? []).flatMap((text) => this.specialTokens.get(text) ?? []);
    this.#ascii ??= new AsciiTokens(this.#vocabulary);
    return new StreamDecoder(this.#vocabulary, this.#ascii, options.skipSpecial, new Set(kept));
  }

  /** One more than the largest id: the number of rows of an embedding table. */
  get vocabSize(): number {
    return this.#vocabulary.kinds.length;
  }

  /** The tokens, their kinds and the merges. Its arrays must not be written to. */
  get vocabulary(): Vocabulary {
    return this.#vocabulary;
  }

  /** Whether the tokens of any text stand for exactly its bytes. */
  get keepsBytes(): boolean {
    const { pipeline, flags, characters } = this.#vocabulary;
    const changes = ['replace', 'prefix', 'firstPrefix'];
    if (characters || pipeline.normalizer.length > 0) return false;
    if (pipeline.pieces.some(({ kind, behavior }) => changes.includes(kind) || behavior === 'removed'))
      return false;
    return flags.every((bits) => (bits & (TokenFlag.lstrip | TokenFlag.rstrip)) === 0);
  }

  /** How text is cut into pieces before merging, where this is one of the named patterns alone. */
  get splitPattern(): SplitPattern | undefined {
    return this.#vocabulary.pipeline.pattern;
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
   * The bytes of text that an id stands for, as a view that must not be written to. Undefined for
   * an id without a token.
   */
  bytesOf(id: number): Uint8Array | undefined {
    return tokenBytes(this.#vocabulary, id);
  }

  /**
   * The ids below `rows` that have no token: gaps of the vocabulary, and the last rows of a model
   * that has more of them than tokens. generate() must not draw them: give them as its
   * `suppressTokens`. Throws ERR_ARGUMENT for a number of rows below 1.
   */
  unusedIds(rows: number): number[] {
    checkCounts({ rows });
    const { kinds } = this.#vocabulary;
    const isUnused = (id: number) => (kinds[id] ?? TokenKind.hole) === TokenKind.hole;
    return Array.from({ length: rows }, (_, id) => id).filter(isUnused);
  }

  /** The id of the end-of-text token, if there is one. */
  get eosId(): number | undefined {
    return this.#idOfRole('eos');
  }

  /** The id of the token that begins a text, if there is one. */
  get bosId(): number | undefined {
    return this.#idOfRole('bos');
  }

  /** The id of the token that pads a batch, if there is one. */
  get padId(): number | undefined {
    return this.#idOfRole('pad');
  }

  /**
   * The tokens that templates know by name, as transformers gives them: `eos_token`, `bos_token`,
   * `pad_token`, `unk_token` and so on, and those of `extra_special_tokens`.
   */
  get namedTokens(): Readonly<Record<string, string>> {
    return namedTokens(this.#config);
  }

  #idOfRole(role: TokenRole): number | undefined {
    const named = this.#config.tokens[role];
    return named && this.idOf(named.text);
  }

  /** The token that begins, ends or pads a text, and who says so. */
  namedToken(role: TokenRole): NamedToken | undefined {
    return this.#config.tokens[role];
  }

  /** Jinja source of the chat template, verbatim. */
  get chatTemplate(): string | undefined {
    return this.#config.chatTemplate;
  }

  set chatTemplate(template: string | undefined) {
    this.#config.chatTemplate = template;
    this.#config.chatTemplateFile = undefined;
    this.#config.toolTemplate = undefined;
    this.#config.otherTemplates = undefined;
  }

  /** Whether templates are in a folder of their own, which is not among the files of a model. */
  static hasTemplateFolder(folder: string): boolean {
    return existsSync(join(folder, TEMPLATE_FOLDER));
  }

  /** The template for messages with tools, if there is another one for them. */
  get toolTemplate(): string | undefined {
    return this.#config.toolTemplate;
  }

  /**
   * Names of chat templates when there are several and none is the default, so that there is no
   * `chatTemplate`.
   */
  get otherTemplates(): readonly string[] {
    return this.#config.otherTemplates ?? [];
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

function nativeTokenizer(vocabulary: Vocabulary): NativeTokenizer {
  const { bytes, offsets, kinds, flags, merges, ignoreMerges, pipeline, characters } = vocabulary;
  return new native.NativeTokenizer({
    bytes,
    offsets,
    kinds,
    flags,
    merges,
    ignoreMerges,
    texts: characters?.texts ?? new Uint8Array(),
    textOffsets: characters?.textOffsets ?? new Uint32Array(),
    byteFallback: characters?.byteFallback ?? false,
    unknown: characters?.unknown ?? -1,
    fuseUnknown: characters?.fuseUnknown ?? false,
    normalizer: [...pipeline.normalizer],
    pieces: [...pipeline.pieces],
  });
}

function checkedIds(ids: ArrayLike<number>): Int32Array {
  const checked = new Int32Array(ids.length);
  for (let i = 0; i < ids.length; i++) {
    const id: unknown = ids[i];
    checked[i] = typeof id === 'number' ? id : Number.NaN;
    if (checked[i] !== id) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        `expected ids to be integers but the one at ${i} is ${inspect(id, { depth: 0 })}`,
      );
    }
  }
  return checked;
}

function tokenizerFile(folderOrFile: string): string {
  if (isFolder(folderOrFile)) {
    const path = join(folderOrFile, 'tokenizer.json');
    if (existsSync(path) || hasOlderFiles(folderOrFile)) return path;
    throw missingPart(folderOrFile, 'tokenizer.json');
  }
  if (folderOrFile.endsWith('.json')) return folderOrFile;
  if (isGguf(folderOrFile)) throw missingPart(folderOrFile, 'tokenizer.json');
  throw new AthanorError(
    'ERR_ARGUMENT',
    `${folderOrFile} is a file, and not a tokenizer.json`,
    'name the folder of a model or tokenizer, or its tokenizer.json',
  );
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw fileError(error, path);
  }
}

function readFiles(folder: string): ConfigFiles {
  const read = (name: string) => {
    const path = join(folder, name);
    const text = ifThere(() => readText(path));
    return text === undefined ? undefined : parseConfigFile(text, path);
  };
  return {
    folder,
    tokenizerConfig: read(CONFIG_FILE),
    specialTokensMap: read(SPECIAL_TOKENS_FILE),
    addedTokens: read(ADDED_TOKENS_FILE),
    model: modelConfig(join(folder, 'config.json')),
    templates: templateFiles(folder),
  };
}

/** The templates that are files, by name; undefined where there are none. */
function templateFiles(folder: string): Map<string, string> | undefined {
  const templates = new Map<string, string>();
  const template = ifThere(() => readText(join(folder, TEMPLATE_FILE)));
  if (template !== undefined) templates.set('default', template);
  const others = join(folder, TEMPLATE_FOLDER);
  const names = existsSync(others) ? readdirSync(others).sort() : [];
  for (const name of names) {
    if (name.endsWith('.jinja')) templates.set(basename(name, '.jinja'), readText(join(others, name)));
  }
  return templates.size > 0 ? templates : undefined;
}

/** Who reads the model says what is wrong with its file. */
function modelConfig(path: string): JsonObject | undefined {
  try {
    return parseConfigFile(readText(path), path);
  } catch {
    return undefined;
  }
}
