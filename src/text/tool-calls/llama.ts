/**
 * Llama 3 and 4: the whole answer is `{"name": "f", "parameters": {}}`. Llama 4 may say something
 * before it, between `<|python_start|>` and `<|python_end|>`.
 */
import type { ToolFormat } from './format.ts';

export const llama: ToolFormat = {
  name: 'llama',
  isUsedBy: (template) => template.includes('"parameters": ') && template.includes('ipython'),
  textTokens: ['<|python_tag|>', '<|python_end|>'],
  marker: undefined,
  bare: '<|python_end|>',
  begin: '',
  between: undefined,
  end: '',
  around: ['<|python_tag|>', '<|python_start|>', '<|python_end|>', ';'],
  call: { kind: 'object', argumentsKey: 'parameters' },
  id: { prefix: 'call_', length: 24 },
};
