/** Parts of rows. */
import type { JsonObject } from '../../base/json.ts';

/** A message of the assistant. */
export function message(content: string): JsonObject {
  return { role: 'assistant', content };
}
