/** Calls as Python writes them: `[f(x=1), g()]`, or lines between `<function_calls>` marks. */
import type { ToolFormat } from './format.ts';

const id = { prefix: 'call_', length: 24 };

/** Llama 3.2 and 4, Gemma 3 with tools: the whole answer is a list of calls, as templates ask. */
export const pythonic: ToolFormat = {
  name: 'pythonic',
  isUsedBy: (template) => /\[\s*func_name1\(/.test(template),
  textTokens: ['<|python_start|>', '<|python_end|>', '<|python_tag|>'],
  marker: undefined,
  begin: '[',
  between: ', ',
  end: ']',
  around: ['<|python_start|>', '<|python_end|>', '<|python_tag|>', '[', ',', ']'],
  call: { kind: 'python' },
  id,
};

/** Olmo 3. */
export const olmo: ToolFormat = {
  name: 'olmo',
  // Others have XML between these marks.
  isUsedBy: (template) => template.includes('<function_calls>') && !template.includes('<invoke'),
  textTokens: ['<function_calls>', '</function_calls>'],
  marker: '<function_calls>',
  begin: '<function_calls>\n',
  between: '\n',
  end: '\n</function_calls>',
  around: ['<function_calls>', '</function_calls>'],
  call: { kind: 'python' },
  id,
};
