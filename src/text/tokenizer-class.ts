/**
 * The tokens that a tokenizer class of transformers implies where no file names them. Which class
 * reads a folder depends on tokenizer_config.json and on the family of the model beside it.
 */
import type { JsonObject, JsonValue } from '../base/json.ts';

/** What a token of the vocabulary is for. */
export type TokenRole = 'bos' | 'eos' | 'pad';

/** A class of transformers, and the file that chose it. */
export interface TokenizerClass {
  name: string;
  file: 'tokenizer_config.json' | 'config.json';
}

/** Null where the class has the role but no token for it. Then tokenizer.json cannot name one. */
type Defaults = Readonly<Partial<Record<TokenRole, string | null>>>;

const endOfText = '<|endoftext|>';
const sentence: Defaults = { bos: '<s>', eos: '</s>', pad: '<pad>' };
const qwen: Defaults = { eos: endOfText, pad: endOfText };

/** Classes of transformers 5 for byte-level BPE, or named in folders of such tokenizers. */
const classDefaults: Readonly<Record<string, Defaults>> = {
  BartTokenizer: sentence,
  BlenderbotTokenizer: sentence,
  CLIPTokenizer: { bos: '<|startoftext|>', eos: endOfText, pad: endOfText },
  CodeLlamaTokenizer: { bos: '<s>', eos: '</s>' },
  CohereTokenizer: { bos: '<BOS_TOKEN>', eos: '<|END_OF_TURN_TOKEN|>', pad: '<PAD>' },
  DebertaTokenizer: { bos: '[CLS]', eos: '[SEP]', pad: '[PAD]' },
  GPT2Tokenizer: { bos: endOfText, eos: endOfText, pad: null },
  GPTNeoXTokenizer: { bos: endOfText, eos: endOfText, pad: '<|padding|>' },
  GemmaTokenizer: { bos: '<bos>', eos: '<eos>', pad: '<pad>' },
  LEDTokenizer: sentence,
  LlamaTokenizer: { bos: '<s>', eos: '</s>' },
  LukeTokenizer: sentence,
  MvpTokenizer: sentence,
  Qwen2Tokenizer: qwen,
  Qwen3_5Tokenizer: qwen,
  RobertaTokenizer: sentence,
  WhisperTokenizer: { bos: endOfText, eos: endOfText },
};

/** The classes that transformers has registered for the families; others have a general one. */
const familyClasses: Readonly<Record<string, string>> = {
  gpt2: 'GPT2Tokenizer',
  qwen2: 'Qwen2Tokenizer',
  qwen3: 'Qwen2Tokenizer',
};

/** Families whose registered class is used whatever the folder names. */
const overruling: readonly string[] = ['qwen2'];

/** The class that reads a folder, in the order of transformers' AutoTokenizer. */
export function tokenizerClass(
  tokenizerConfig: JsonObject,
  modelConfig: JsonObject,
): TokenizerClass | undefined {
  const registered = familyClasses[text(modelConfig.model_type) ?? ''];
  const own = text(tokenizerConfig.tokenizer_class);
  const named = own ?? text(modelConfig.tokenizer_class);
  const family = registered && ({ name: registered, file: 'config.json' } as const);
  if (named === undefined) return family || undefined;
  if (family && overruling.includes(text(modelConfig.model_type)!)) return family;
  const name = named.replace(/Fast$/, '');
  return { name, file: own === undefined ? 'config.json' : 'tokenizer_config.json' };
}

/** The tokens that a class implies; none for a class that is not known. */
export function impliedTokens(name: string | undefined): Defaults {
  return name !== undefined && Object.hasOwn(classDefaults, name) ? classDefaults[name]! : {};
}

/** Classes that do not build a byte-level tokenizer. */
const otherPreTokenizers: readonly string[] = ['CodeLlamaTokenizer', 'GemmaTokenizer', 'LlamaTokenizer'];

/** Whether a class applies the `add_prefix_space` of tokenizer_config.json to byte-level BPE. */
export function appliesPrefixSpace(name: string): boolean {
  return Object.hasOwn(classDefaults, name) && !otherPreTokenizers.includes(name);
}

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
