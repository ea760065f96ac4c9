/** Qwen3-Coder: `<tool_call><function=f><parameter=x>1</parameter></function></tool_call>`. */
import type { ToolFormat } from './format.ts';

export const qwenCoder: ToolFormat = {
  name: 'qwen-coder',
  isUsedBy: (template) =>
    ['<tool_call>', '<function=', '<parameter='].every((mark) => template.includes(mark)),
  textTokens: ['<tool_call>', '</tool_call>'],
  marker: '<tool_call>',
  bare: '<function=',
  begin: '<tool_call>\n',
  between: '\n</tool_call>\n<tool_call>\n',
  end: '\n</tool_call>',
  around: ['<tool_call>', '</tool_call>'],
  call: { kind: 'tags' },
  id: { prefix: 'call_', length: 24 },
};
