/** The formats of tool calls that are known. */
import type { ToolFormat } from './format.ts';
import { hermes } from './hermes.ts';
import { llama } from './llama.ts';
import { mistral } from './mistral.ts';

export const TOOL_FORMATS: readonly ToolFormat[] = [hermes, mistral, llama];

/** The format of the calls that a template shows its model; undefined for an unknown one. */
export function toolFormatOf(template: string): ToolFormat | undefined {
  return TOOL_FORMATS.find((format) => format.isUsedBy(template));
}
