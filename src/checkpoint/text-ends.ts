/**
 * Who says where the texts of a model folder begin and end. The order is that of transformers 5:
 * generate() takes the ids of generation_config.json if there is that file, and only otherwise
 * those of config.json. Where they name none, the tokenizer does.
 */
import { join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import { type JsonObject, quoted } from '../base/json.ts';
import type { ChatTemplate } from '../text/chat-template.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { TokenRole } from '../text/tokenizer-class.ts';
import { readFolderJson } from './folder-json.ts';

/** Ids with the same role, and who gave them the role. */
export interface TextEnd {
  ids: readonly number[];
  /** The file, with the class of transformers that implies the token where no file names it. */
  source: string;
}

/** The ids that begin (`bos`), end (`eos`) and pad (`pad`) texts; undefined where nothing says. */
export type TextEnds = Partial<Record<TokenRole, TextEnd>>;

const roles: readonly TokenRole[] = ['bos', 'eos', 'pad'];

/**
 * The ids that the files of the model name, without its tokenizer. Ids that no token can have are
 * left out. Throws ERR_FORMAT.
 */
export function modelEnds(folder: string): TextEnds {
  const generation = readFolderJson(folder, 'generation_config.json');
  const name = generation === undefined ? 'config.json' : 'generation_config.json';
  return endsIn(generation ?? readFolderJson(folder, name) ?? {}, join(folder, name));
}

/** The ids in the fields of one file. Throws ERR_FORMAT. */
export function endsIn(fields: JsonObject, source: string): TextEnds {
  const ends: TextEnds = {};
  for (const role of roles) {
    const ids = idsOf(fields, `${role}_token_id`, source);
    if (ids.length > 0) ends[role] = { ids, source };
  }
  return ends;
}

/** What modelEnds and the tokenizer of the folder say. Throws ERR_FORMAT. */
export function textEnds(folder: string, tokenizer: Tokenizer): TextEnds {
  const ends = modelEnds(folder);
  for (const role of roles) {
    const named = tokenizer.namedToken(role);
    if (named) ends[role] ??= { ids: [tokenizer.idOf(named.text)!], source: named.source };
  }
  return ends;
}

/**
 * The ids at which a text of this model ends. An answer to messages also ends at the stop tokens
 * of the template. Throws ERR_FORMAT.
 */
export function stopTokensOf(folder: string, tokenizer: Tokenizer, template?: ChatTemplate): number[] {
  const ids = textEnds(folder, tokenizer).eos?.ids ?? [];
  return [...new Set([...(template?.stopTokens ?? []), ...ids])];
}

function idsOf(fields: JsonObject, key: string, path: string): number[] {
  const value = fields[key] ?? [];
  return (Array.isArray(value) ? value : [value]).filter((id): id is number => {
    if (!Number.isSafeInteger(id))
      throw new AthanorError('ERR_FORMAT', `${path}: ${key} holds ${quoted(id)}`, 'correct the file');
    return (id as number) >= 0;
  });
}
