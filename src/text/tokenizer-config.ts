/**
 * The files beside tokenizer.json: the tokens that end, begin and pad a text, further added tokens,
 * and the chat template. They are read in the order of precedence of transformers 5. Fields that
 * this library does not know are kept as they were read.
 */
import { AthanorError } from '../base/errors.ts';
import { type JsonObject, type JsonValue, parseJson, quoted } from '../base/json.ts';
import { appliesPrefixSpace, impliedTokens, type TokenRole, tokenizerClass } from './tokenizer-class.ts';
import { TokenFlag } from './vocabulary.ts';

/** A token with a role, and who gave it the role. */
export interface NamedToken {
  text: string;
  /** The file, with the class of transformers that implies the token where no file names it. */
  source: string;
}

/** A token that tokenizer.json may lack. */
export interface AddedToken {
  content: string;
  special: boolean;
  /** Bits of TokenFlag. */
  flags: number;
  /** Whether `special` and `flags` also hold for a token that tokenizer.json has. */
  overrides: boolean;
  /** Whether it is a new token where tokenizer.json lacks it. */
  isNew: boolean;
}

export interface TokenizerConfig {
  /** The tokens by role. Those that a class implies may be absent from the vocabulary. */
  tokens: Partial<Record<TokenRole, NamedToken>>;
  /** Jinja source, verbatim. */
  chatTemplate?: string | undefined;
  /** The file that the template was read from, for error messages. */
  chatTemplateFile?: string | undefined;
  /** The template named `tool_use`, for messages with tools. */
  toolTemplate?: string | undefined;
  /** The names of templates of which none is the default. */
  otherTemplates?: readonly string[] | undefined;
  /** All fields of tokenizer_config.json as it was read. */
  fields?: JsonObject;
}

/** The content of the files of a folder, undefined for one that is missing. */
export interface ConfigFiles {
  /** The folder, for messages. */
  folder: string;
  tokenizerConfig?: JsonObject | undefined;
  specialTokensMap?: JsonObject | undefined;
  /** Older files: ids by token. */
  addedTokens?: JsonObject | undefined;
  /** config.json of the model. */
  model?: JsonObject | undefined;
  /** Templates that are files of their own, by name. They stand above tokenizer_config.json. */
  templates?: ReadonlyMap<string, string> | undefined;
}

export const TEMPLATE_FILE = 'chat_template.jinja';
export const CONFIG_FILE = 'tokenizer_config.json';
export const SPECIAL_TOKENS_FILE = 'special_tokens_map.json';
export const ADDED_TOKENS_FILE = 'added_tokens.json';

const roles: Readonly<Record<TokenRole, string>> = {
  bos: 'bos_token',
  eos: 'eos_token',
  pad: 'pad_token',
};
/** Fields that name one token each, in the order in which transformers adds missing ones. */
const nameFields = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
];
const listFields = ['extra_special_tokens', 'additional_special_tokens'];

/**
 * Fields that are not kept. The class of tokenizer that is written reads all of tokenizer.json;
 * others would build it from parts of the files, and read other ids.
 */
const replacedFields = [
  'added_tokens_decoder',
  'auto_map',
  'fast_tokenizer_files',
  'split_special_tokens',
  'tokenizer_class',
];

/**
 * Parses the text of a file beside tokenizer.json. Throws ERR_FORMAT.
 * @param path of the file, for messages
 */
export function parseConfigFile(text: string, path: string): JsonObject {
  let fields: JsonValue;
  try {
    fields = parseJson(text);
  } catch (error) {
    throw new AthanorError('ERR_FORMAT', `${path}: it is not JSON: ${(error as Error).message}`);
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw new AthanorError('ERR_FORMAT', `${path}: expected an object`);
  }
  return fields;
}

/** What the files say, except about tokens that tokenizer.json alone has. Throws ERR_FORMAT. */
export function readConfigFiles(files: ConfigFiles): TokenizerConfig {
  const { folder, tokenizerConfig: fields, model = {} } = files;
  const config: TokenizerConfig = { tokens: {}, ...(fields && { fields: namedAsText(files, fields) }) };
  const ofClass = tokenizerClass(fields ?? {}, model);
  if (fields?.add_prefix_space === true && ofClass && appliesPrefixSpace(ofClass.name)) {
    throw new AthanorError(
      'ERR_FORMAT',
      `${folder}/${CONFIG_FILE}: add_prefix_space, which ${ofClass.name} applies, is not supported`,
      'use a tokenizer without it; athanor tokenizer train makes one',
    );
  }
  for (const role of Object.keys(roles) as TokenRole[]) {
    const named = namedBy(files, roles[role]);
    if (named !== undefined) {
      const text = tokenText(named.value, roles[role], named.source);
      if (text !== undefined) config.tokens[role] = { text, source: named.source };
      continue;
    }
    const implied = impliedTokens(ofClass?.name)[role];
    if (ofClass === undefined || typeof implied !== 'string') continue;
    config.tokens[role] = { text: implied, source: `${folder}/${ofClass.file} (${ofClass.name})` };
  }
  const { templates } = files;
  if (templates) {
    const only = templates.size === 1 ? templates.get('default') : undefined;
    const list = [...templates].map(([name, template]) => ({ name, template }));
    config.fields = { ...config.fields, chat_template: only ?? list };
  }
  const { template, tools, others } = chatTemplates(config.fields?.chat_template);
  if (template !== undefined) {
    config.chatTemplate = template;
    config.chatTemplateFile = `${folder}/${templates ? TEMPLATE_FILE : CONFIG_FILE}`;
    config.toolTemplate = tools;
  }
  if (others.length > 0) config.otherTemplates = others;
  return config;
}

/**
 * Whether the padding of tokenizer.json may name the token that pads: no other file, and no class,
 * says anything about it.
 */
export function isPaddingOpen(files: ConfigFiles): boolean {
  if (namedBy(files, roles.pad) !== undefined) return false;
  const { name } = tokenizerClass(files.tokenizerConfig ?? {}, files.model ?? {}) ?? {};
  return impliedTokens(name).pad === undefined;
}

/** The tokens that transformers adds to those of tokenizer.json. Throws ERR_FORMAT. */
export function addedTokens(files: ConfigFiles): AddedToken[] {
  const { folder, tokenizerConfig = {} } = files;
  const path = `${folder}/${CONFIG_FILE}`;
  const named = nameFields.flatMap((field) => {
    const found = namedBy(files, field);
    const text = found && tokenText(found.value, field, found.source);
    return text === undefined ? [] : [text];
  });
  const own = Object.entries(tokenizerConfig).filter(([key, value]) => {
    return key.endsWith('_token') && !nameFields.includes(key) && typeof value === 'string';
  });
  named.push(...own.map(([, value]) => value as string));
  for (const field of listFields) {
    const list = namedBy(files, field)?.value;
    if (!Array.isArray(list) && !isObject(list)) continue;
    for (const item of Object.values(list)) named.push(tokenText(item, field, path) ?? '');
    break;
  }
  // No text of the model can begin or end with a token that its tokenizer lacks.
  const ends = [namedBy(files, roles.bos)?.value, namedBy(files, roles.eos)?.value].map((value) =>
    isObject(value) ? value.content : value,
  );
  const special = named.map((content) => {
    return { content, special: true, flags: 0, overrides: false, isNew: !ends.includes(content) };
  });
  const ofClass = tokenizerClass(tokenizerConfig, files.model ?? {});
  for (const [role, content] of Object.entries(impliedTokens(ofClass?.name)) as [
    TokenRole,
    string | null,
  ][]) {
    if (content === null || namedBy(files, roles[role]) !== undefined) continue;
    special.push({ content, special: true, flags: 0, overrides: false, isNew: false });
  }
  const decoder = tokenizerConfig.added_tokens_decoder;
  if (isObject(decoder)) return [...decoderTokens(decoder, path), ...special];
  const older = Object.entries(files.addedTokens ?? {}).sort(([, a], [, b]) => Number(a) - Number(b));
  const added = older.map(([content]) => {
    return { content, special: named.includes(content), flags: 0, overrides: false, isNew: true };
  });
  return [...added, ...special];
}

/** The flags of an added token by their names in the files. */
export const flagNames: readonly [name: string, bit: number][] = [
  ['single_word', TokenFlag.singleWord],
  ['lstrip', TokenFlag.lstrip],
  ['rstrip', TokenFlag.rstrip],
  ['normalized', TokenFlag.normalized],
];

/** The bits of TokenFlag of an added token, of which `is` says whether a flag is set. */
export function flagsOf(is: (flag: string) => boolean): number {
  return flagNames.reduce((bits, [name, bit]) => bits | (is(name) ? bit : 0), 0);
}

function decoderTokens(decoder: JsonObject, path: string): AddedToken[] {
  const entries = Object.entries(decoder).sort(([a], [b]) => Number(a) - Number(b));
  return entries.map(([id, token]) => {
    const content = tokenText(token, `added_tokens_decoder[${id}]`, path) ?? '';
    const flags: JsonObject = isObject(token) ? token : {};
    return {
      content,
      special: flags.special === true,
      flags: flagsOf((flag) => flags[flag] === true),
      overrides: true,
      isNew: true,
    };
  });
}

/** Who says something about a field, even if it is null. */
function namedBy(
  { folder, tokenizerConfig = {}, specialTokensMap = {} }: ConfigFiles,
  field: string,
): { value: JsonValue; source: string } | undefined {
  // transformers reads the older file over the newer one, unless that has its tokens.
  const olderCounts = tokenizerConfig.added_tokens_decoder === undefined;
  const older = olderCounts ? specialTokensMap[field] : undefined;
  if (older !== undefined) return { value: older, source: `${folder}/${SPECIAL_TOKENS_FILE}` };
  const value = tokenizerConfig[field];
  return value === undefined ? undefined : { value, source: `${folder}/${CONFIG_FILE}` };
}

interface ChatTemplates {
  template?: string;
  tools?: string | undefined;
  others: string[];
}

/**
 * The template itself, or those named `default` and `tool_use` among several, and the names of
 * several without a default. They are a list of objects or one object.
 */
function chatTemplates(value: JsonValue | undefined): ChatTemplates {
  if (typeof value === 'string') return { template: value, others: [] };
  const named = new Map<string, JsonValue | undefined>();
  if (Array.isArray(value)) {
    for (const item of value) if (isObject(item)) named.set(String(item.name), item.template);
  } else if (isObject(value)) {
    for (const [name, template] of Object.entries(value)) named.set(name, template);
  }
  const [template, tools] = [named.get('default'), named.get('tool_use')];
  if (typeof template !== 'string') return { others: [...named.keys()] };
  return { template, tools: typeof tools === 'string' ? tools : undefined, others: [] };
}

/**
 * The text of a token, which is written as a string or as an object with the string in `content`.
 */
function tokenText(value: JsonValue, field: string, path: string): string | undefined {
  if (value === null) return undefined;
  const text = textOf(value);
  if (text !== undefined) return text;
  throw new AthanorError('ERR_FORMAT', `${path}: expected ${field} to be a token but it is ${quoted(value)}`);
}

/**
 * The tokens that chat templates know by name: all fields that end in `_token`, and those of an
 * object in `extra_special_tokens`, as transformers 5 has them in special_tokens_map.
 */
export function namedTokens(config: TokenizerConfig): Record<string, string> {
  const { extra_special_tokens: extra, ...fields } = config.fields ?? {};
  const isNamed = isObject(extra);
  const tokens: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...fields, ...(isNamed && extra) })) {
    const text = name.endsWith('_token') || (isNamed && name in extra) ? textOf(value) : undefined;
    if (text !== undefined) tokens[name] = text;
  }
  for (const [role, field] of Object.entries(roles) as [TokenRole, string][]) {
    const token = config.tokens[role];
    if (token === undefined) delete tokens[field];
    else tokens[field] = token.text;
  }
  return tokens;
}

function textOf(value: JsonValue): string | undefined {
  if (typeof value === 'string') return value;
  return isObject(value) && typeof value.content === 'string' ? value.content : undefined;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The fields of tokenizer_config.json with the names that count, as text. transformers takes an
 * object there only with a mark of its type.
 */
function namedAsText(files: ConfigFiles, fields: JsonObject): JsonObject {
  const kept = { ...fields };
  for (const field of nameFields) {
    const found = namedBy(files, field);
    if (found !== undefined) kept[field] = tokenText(found.value, field, found.source) ?? null;
  }
  for (const field of listFields) {
    const list = namedBy(files, field);
    if (!Array.isArray(list?.value)) continue;
    kept[field] = list.value.map((item) => tokenText(item, field, list.source) ?? '');
  }
  return kept;
}

/** The text of a tokenizer_config.json with which transformers reads what `config` says. */
export function formatTokenizerConfig({ tokens, chatTemplate, fields: read = {} }: TokenizerConfig): string {
  const fields: JsonObject = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    clean_up_tokenization_spaces: false,
  };
  for (const [key, value] of Object.entries(read)) if (!replacedFields.includes(key)) fields[key] = value;
  for (const [role, field] of Object.entries(roles) as [TokenRole, string][]) {
    // null, because the class of a family may imply a token for a missing field.
    fields[field] = tokens[role]?.text ?? null;
  }
  fields.unk_token ??= null;
  // Named templates are kept while their default is the template in use.
  if (chatTemplate !== chatTemplates(read.chat_template).template) {
    if (chatTemplate === undefined) delete fields.chat_template;
    else fields.chat_template = chatTemplate;
  }
  return `${JSON.stringify(fields, null, 2)}\n`;
}
