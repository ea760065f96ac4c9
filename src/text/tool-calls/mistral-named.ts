/** Mistral since 2025: `[TOOL_CALLS]f[ARGS]{}`, in some templates with an id: `[CALL_ID]`. */
import type { ToolFormat } from './format.ts';

const ID_LENGTH = 9;

function named(name: string, hasIds: boolean): ToolFormat {
  return {
    name,
    isUsedBy: (template) =>
      ['[TOOL_CALLS]', '[ARGS]'].every((mark) => template.includes(mark)) &&
      template.includes('[CALL_ID]') === hasIds,
    textTokens: ['[TOOL_CALLS]', '[CALL_ID]', '[ARGS]'],
    marker: '[TOOL_CALLS]',
    begin: '[TOOL_CALLS]',
    between: '[TOOL_CALLS]',
    end: '',
    around: ['[TOOL_CALLS]', ','],
    call: { kind: 'named', idLength: hasIds ? ID_LENGTH : undefined },
    id: { prefix: '', length: ID_LENGTH },
  };
}

export const mistralArgs = named('mistral-args', false);
export const mistralCallId = named('mistral-call-id', true);
