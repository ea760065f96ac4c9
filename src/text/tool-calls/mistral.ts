/** Mistral: `[TOOL_CALLS] [{"name": "f", "arguments": {}}]`. */
import type { ToolFormat } from './format.ts';

export const mistral: ToolFormat = {
  name: 'mistral',
  // With [ARGS] the name stands outside of the JSON.
  isUsedBy: (template) => template.includes('[TOOL_CALLS]') && !template.includes('[ARGS]'),
  textTokens: ['[TOOL_CALLS]'],
  marker: '[TOOL_CALLS]',
  begin: '[TOOL_CALLS] [',
  between: ', ',
  end: ']',
  around: ['[TOOL_CALLS]', '[', ',', ']'],
  call: { kind: 'object', argumentsKey: 'arguments' },
  // The templates refuse ids of another length.
  id: { prefix: '', length: 9 },
};
