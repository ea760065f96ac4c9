/** Calls in the text of an answer, however it is cut into pieces. */
import { describe, expect, it } from 'vitest';
import { TOOL_FORMATS, toolFormatOf } from '../../src/text/tool-calls/formats.ts';
import { type AnswerPiece, ToolCallReader } from '../../src/text/tool-calls/reader.ts';

interface Read {
  text: string;
  calls: { name: string; args: string }[];
}

function collected(pieces: readonly AnswerPiece[]): Read {
  const read: Read = { text: '', calls: [] };
  for (const piece of pieces) {
    if (piece.kind === 'text') read.text += piece.text;
    else if (piece.kind === 'call') {
      expect(piece.index).toBe(read.calls.length);
      read.calls.push({ name: piece.name, args: '' });
    } else read.calls[piece.index]!.args += piece.text;
  }
  return read;
}

/** Reads a text whole, by characters, and cut in two at each place; all must be the same. */
function read(format: string, text: string, most?: number): Read {
  const names = ['f', 'get_weather'];
  const reader = () => new ToolCallReader(TOOL_FORMATS.find(({ name }) => name === format)!, names, most);
  const pieces = (cuts: readonly string[]) => {
    const one = reader();
    return collected([...cuts.flatMap((cut) => one.push(cut)), ...one.end()]);
  };
  const whole = pieces([text]);
  expect(pieces([...text])).toEqual(whole);
  for (let at = 1; at < text.length; ++at) expect(pieces([text.slice(0, at), text.slice(at)])).toEqual(whole);
  return whole;
}

const f = (args: string) => ({ name: 'f', args });

describe('hermes', () => {
  it.each([
    ['Hello <b>!', 'Hello <b>!', []],
    ['<tool_call>\n{"name": "f", "arguments": {"a": [1, "}"]}}\n</tool_call>', '', [f('{"a": [1, "}"]}')]],
    ['Wait.\n<tool_call>{"name":"f","arguments":{}}</tool_call>', 'Wait.\n', [f('{}')]],
    [
      '<tool_call>\n{"arguments": {"x": "\\"é😀"}, "name": "get_weather"}\n</tool_call>\n<tool_call>\n{"name": "f"}\n</tool_call> ',
      '',
      [{ name: 'get_weather', args: '{"x": "\\"é😀"}' }, f('{}')],
    ],
    ['<tool_call>{"name": "f", "parameters": 3}</tool_call> Done.', 'Done.', [f('3')]],
    // What is no call stays text.
    ['<tool_call>\nno JSON</tool_call>', '<tool_call>\nno JSON</tool_call>', []],
    ['<tool_call>{"name": "other", "arguments": {}}', '<tool_call>{"name": "other", "arguments": {}}', []],
    ['<tool_call>{"name": "f", oops', '<tool_call>{"name": "f", oops', []],
    ['a <tool', 'a <tool', []],
    ['a <tool_call>', 'a <tool_call>', []],
    ['<tool_call>{"na', '<tool_call>{"na', []],
    // An answer that was cut off keeps what it has.
    ['<tool_call>{"name": "f", "arguments": {"a": 1', '', [f('{"a": 1')]],
  ] as const)('%s', (text, said, calls) => {
    expect(read('hermes', text)).toEqual({ text: said, calls });
  });

  it('leaves further calls out where one is allowed', () => {
    const call = '<tool_call>{"name": "f", "arguments": {"n": 1}}</tool_call>';
    expect(read('hermes', call + call, 1)).toEqual({ text: '', calls: [f('{"n": 1}')] });
  });
});

describe('mistral', () => {
  it.each([
    [
      '[TOOL_CALLS] [{"name": "f", "arguments": {"a": [1]}}, {"name": "f", "arguments": {}}]',
      '',
      [f('{"a": [1]}'), f('{}')],
    ],
    ['[TOOL_CALLS][{"name": "f", "arguments": {}, "id": "x"}]', '', [f('{}')]],
    ['A list: [1, 2] [TOOL', 'A list: [1, 2] [TOOL', []],
  ] as const)('%s', (text, said, calls) => {
    expect(read('mistral', text)).toEqual({ text: said, calls });
  });
});

describe('llama', () => {
  it.each([
    ['{"name": "f", "parameters": {"a": 1}}', '', [f('{"a": 1}')]],
    ['<|python_tag|>{"name": "f", "parameters": {}}', '', [f('{}')]],
    ['{"colour": "red"}', '{"colour": "red"}', []],
    [' {"name": "Ann", "parameters": {}} is JSON', ' {"name": "Ann", "parameters": {}} is JSON', []],
    ['Say {"name": "f", "parameters": {}}', 'Say {"name": "f", "parameters": {}}', []],
  ] as const)('%s', (text, said, calls) => {
    expect(read('llama', text)).toEqual({ text: said, calls });
  });
});

it('a template tells its format', () => {
  expect(toolFormatOf("{{- '<tool_call>\\n' }}")?.name).toBe('hermes');
  expect(toolFormatOf("{{ '[TOOL_CALLS] [' }}")?.name).toBe('mistral');
  expect(toolFormatOf(`Environment: ipython {"name": function name, "parameters": dictionary}`)?.name).toBe(
    'llama',
  );
  for (const other of [
    '{{ messages }}',
    "'<tool_call><function=' + name",
    "'<tool_call>' + name + '<arg_key>'",
    "'[TOOL_CALLS]' + name + '[ARGS]'",
  ]) {
    expect(toolFormatOf(other)).toBeUndefined();
  }
});
