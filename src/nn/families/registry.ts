/**
 * The families that can be read, trained and written. A new one needs a file and an entry below.
 */
import type { Family } from './family.ts';
import { gpt2 } from './gpt2.ts';
import { llama } from './llama.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';
import { smollm3 } from './smollm3.ts';

export const families: readonly Family[] = [gpt2, llama, qwen2, qwen3, smollm3];

export const familyNames: readonly string[] = families.map(({ name }) => name);

export function findFamily(name: string): Family | undefined {
  return families.find((family) => family.name === name);
}
