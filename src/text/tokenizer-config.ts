/**
 * tokenizer_config.json: which tokens end, begin and pad a text, and the chat template. Fields that this library does
 * not know are kept as they were read.
 */
import { AthanorError } from '../base/errors.ts';
import type { JsonObject, JsonValue } from '../base/json.ts';

export interface TokenizerConfig {
  eosToken?: string | undefined;
  bosToken?: string | undefined;
  padToken?: string | undefined;
  /** Jinja source, verbatim. */
  chatTemplate?: string | undefined;
  /** The file that the template was read from, for messages. */
  chatTemplateFile?: string | undefined;
  /** All fields of the file it was read from. */
  fields?: JsonObject;
}

const tokenFields = { eosToken: 'eos_token', bosToken: 'bos_token', padToken: 'pad_token' } as const;

/** Reads the text of a tokenizer_config.json; `path` is for messages. Throws ERR_FORMAT. */
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

/** One template, or of a list of named ones the one that is called default. */
function templateOf(value: JsonValue | undefined): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  for (const named of value) {
    if (typeof named !== 'object' || named === null || Array.isArray(named)) continue;
    if (named.name === 'default' && typeof named.template === 'string') return named.template;
  }
  return undefined;
}

/** A token is written as its text, or as an object with the text as `content`. */
function tokenName(value: JsonValue | undefined, field: string, path: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && !Array.isArray(value) && typeof value.content === 'string')
    return value.content;
  throw new AthanorError(
    'ERR_FORMAT',
    `${path}: expected ${field} to be a token but it is ${JSON.stringify(value).slice(0, 60)}`,
  );
}

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
  // A list of named templates is among the fields and stays while its default is the one in use.
  if (config.chatTemplate !== templateOf(config.fields?.chat_template)) {
    if (config.chatTemplate === undefined) delete fields.chat_template;
    else fields.chat_template = config.chatTemplate;
  }
  return `${JSON.stringify(fields, null, 2)}\n`;
}
