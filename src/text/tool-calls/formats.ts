/** The formats of tool calls that are known. */
import type { ToolFormat } from './format.ts';
import { hermes } from './hermes.ts';
import { llama } from './llama.ts';
import { mistral } from './mistral.ts';
import { mistralArgs, mistralCallId } from './mistral-named.ts';
import { olmo, pythonic } from './pythonic.ts';
import { qwenCoder } from './qwen-coder.ts';

export const TOOL_FORMATS: readonly ToolFormat[] = [
  hermes,
  qwenCoder,
  mistral,
  mistralArgs,
  mistralCallId,
  // Before Llama 3, whose templates may have both.
  pythonic,
  llama,
  olmo,
];

/** The format of the calls that a template shows its model; undefined for an unknown one. */
export function toolFormatOf(template: string): ToolFormat | undefined {
  return TOOL_FORMATS.find((format) => format.isUsedBy(template));
}
