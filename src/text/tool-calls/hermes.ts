/** Hermes, Qwen and many others: `<tool_call>{"name": "f", "arguments": {}}</tool_call>`. */
import type { ToolFormat } from './format.ts';

export const hermes: ToolFormat = {
  name: 'hermes',
  // Others have no JSON between these marks.
  isUsedBy: (template) =>
    template.includes('<tool_call>') && !['<function=', '<arg_key>'].some((mark) => template.includes(mark)),
  textTokens: ['<tool_call>', '</tool_call>'],
  marker: '<tool_call>',
  begin: '<tool_call>\n',
  between: '\n</tool_call>\n<tool_call>\n',
  end: '\n</tool_call>',
  around: ['<tool_call>', '</tool_call>'],
  call: { kind: 'object', argumentsKey: 'arguments' },
  id: { prefix: 'call_', length: 24 },
};
