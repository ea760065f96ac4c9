/** Reads the JSON files of a model folder. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileError } from '../base/errors.ts';
import type { JsonObject, JsonValue } from '../base/json.ts';
import { damaged } from './safetensors-header.ts';

/** The object in a file of the folder; undefined if it is missing. Throws ERR_FILE_DAMAGED. */
export function readFolderJson(folder: string, name: string): JsonObject | undefined {
  const path = join(folder, name);
  return existsSync(path) ? readJsonObject(path) : undefined;
}

/** The object in a file. Throws ERR_FILE_MISSING and ERR_FILE_DAMAGED. */
export function readJsonObject(path: string): JsonObject {
  let value: JsonValue;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    if (error instanceof TypeError) throw damaged(path, 'it is not UTF-8');
    throw fileError(error, path);
  }
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw damaged(path, `it is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw damaged(path, 'it is not a JSON object');
  }
  return value;
}
