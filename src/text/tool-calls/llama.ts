/** Llama 3: the whole answer is `{"name": "f", "parameters": {}}`. */
import type { ToolFormat } from './format.ts';

export const llama: ToolFormat = {
  name: 'llama',
  isUsedBy: (template) => template.includes('"parameters": ') && template.includes('ipython'),
  textTokens: ['<|python_tag|>'],
  marker: undefined,
  begin: '',
  between: undefined,
  end: '',
  around: ['<|python_tag|>', ';'],
  call: { kind: 'object', argumentsKey: 'parameters' },
  id: { prefix: 'call_', length: 24 },
};
