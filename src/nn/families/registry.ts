/**
 * The families that can be read, trained and written. A new one needs a file and an entry below.
 */
import type { Family } from './family.ts';
import { gemma2, gemma3 } from './gemma.ts';
import { gptNeox } from './gpt-neox.ts';
import { gpt2 } from './gpt2.ts';
import { llama } from './llama.ts';
import { mistral } from './mistral.ts';
import { olmo2 } from './olmo2.ts';
import { olmo3 } from './olmo3.ts';
import { phi3 } from './phi3.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';
import { smollm3 } from './smollm3.ts';

export const families: readonly Family[] = [
  gpt2,
  gptNeox,
  llama,
  mistral,
  qwen2,
  qwen3,
  smollm3,
  olmo2,
  olmo3,
  gemma2,
  gemma3,
  phi3,
];

export const familyNames: readonly string[] = families.map(({ name }) => name);

export function findFamily(name: string): Family | undefined {
  return families.find((family) => family.name === name);
}
