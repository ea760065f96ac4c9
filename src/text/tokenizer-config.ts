/**
 * tokenizer_config.json: the tokens that end, begin and pad a text, and the chat template. Fields
 * that this library does not know are kept as they were read.
 */
import { AthanorError } from '../base/errors.ts';
import type { JsonObject, JsonValue } from '../base/json.ts';

export interface TokenizerConfig {
  eosToken?: string | undefined;
  bosToken?: string | undefined;
  padToken?: string | undefined;
  /** Jinja source, verbatim. */
  chatTemplate?: string | undefined;
  /** The file that the template was read from, for error messages. */
  chatTemplateFile?: string | undefined;
  /** All fields of the file that was read. */
  fields?: JsonObject;
}

const tokenFields = { eosToken: 'eos_token', bosToken: 'bos_token', padToken: 'pad_token' } as const;

/**
 * Parses the text of a tokenizer_config.json. Throws ERR_FORMAT.
 * @param path of the file, for messages
 */
export function parseTokenizerConfig(text: string, path: string): TokenizerConfig {
  let fields: JsonValue;
  try {
    fields = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new AthanorError('ERR_FORMAT', `${path}: it is not JSON: ${(error as Error).message}`);
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw new AthanorError('ERR_FORMAT', `${path}: expected an object`);
  }
  const config: TokenizerConfig = { fields };
  for (const [key, field] of Object.entries(tokenFields) as [keyof typeof tokenFields, string][]) {
    config[key] = tokenName(fields[field], field, path);
  }
  config.chatTemplate = templateOf(fields.chat_template);
  if (config.chatTemplate !== undefined) config.chatTemplateFile = path;
  return config;
}

/** The template itself, or the one named `default` in a list of templates. */
function templateOf(value: JsonValue | undefined): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  for (const named of value) {
    if (typeof named !== 'object' || named === null || Array.isArray(named)) continue;
    if (named.name === 'default' && typeof named.template === 'string') return named.template;
  }
  return undefined;
}

/**
 * The text of a token, which is written as a string or as an object with the string in `content`.
 */
function tokenName(value: JsonValue | undefined, field: string, path: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  const text = textOf(value);
  if (text !== undefined) return text;
  throw new AthanorError(
    'ERR_FORMAT',
    `${path}: expected ${field} to be a token but it is ${JSON.stringify(value).slice(0, 60)}`,
  );
}

/**
 * The tokens that chat templates know by name: all fields that end in `_token`, and those of an
 * object in `extra_special_tokens`, as transformers 5 has them in special_tokens_map.
 */
export function namedTokens(config: TokenizerConfig): Record<string, string> {
  const { extra_special_tokens: extra, ...fields } = config.fields ?? {};
  const isNamed = typeof extra === 'object' && extra !== null && !Array.isArray(extra);
  const tokens: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...fields, ...(isNamed && extra) })) {
    const text = name.endsWith('_token') || (isNamed && name in extra) ? textOf(value) : undefined;
    if (text !== undefined) tokens[name] = text;
  }
  for (const [key, field] of Object.entries(tokenFields) as [keyof typeof tokenFields, string][]) {
    const token = config[key];
    if (token === undefined) delete tokens[field];
    else tokens[field] = token;
  }
  return tokens;
}

function textOf(value: JsonValue | undefined): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return typeof value.content === 'string' ? value.content : undefined;
}

/** The text of a tokenizer_config.json. */
export function formatTokenizerConfig(config: TokenizerConfig): string {
  const fields: JsonObject = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    clean_up_tokenization_spaces: false,
    ...config.fields,
  };
  for (const [key, field] of Object.entries(tokenFields) as [keyof typeof tokenFields, string][]) {
    const token = config[key];
    if (token === undefined) delete fields[field];
    else fields[field] = token;
  }
  // A list of named templates is kept while its default is the template in use.
  if (config.chatTemplate !== templateOf(config.fields?.chat_template)) {
    if (config.chatTemplate === undefined) delete fields.chat_template;
    else fields.chat_template = config.chatTemplate;
  }
  return `${JSON.stringify(fields, null, 2)}\n`;
}
