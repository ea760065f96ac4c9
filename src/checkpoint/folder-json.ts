/** Reads the JSON files of a model folder. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonObject } from '../base/files/read-file.ts';
import type { JsonObject } from '../base/json.ts';

/** The object in a file of the folder; undefined if it is missing. Throws as readJsonObject. */
export function readFolderJson(folder: string, name: string): JsonObject | undefined {
  const path = join(folder, name);
  return existsSync(path) ? readJsonObject(path) : undefined;
}
