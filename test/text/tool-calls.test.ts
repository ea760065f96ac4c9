/** Calls in the text of an answer, however it is cut into pieces. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/base/json.ts';
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
  const parameters = new Map([['get_weather', WEATHER]]);
  const reader = () =>
    new ToolCallReader(TOOL_FORMATS.find(({ name }) => name === format)!, names, {
      ...(most !== undefined && { most }),
      parameters,
    });
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
const w = (args: string) => ({ name: 'get_weather', args });
const WEATHER: JsonObject = {
  type: 'object',
  properties: {
    city: { type: 'string' },
    days: { type: 'integer' },
    hourly: { type: 'boolean' },
    units: { anyOf: [{ type: 'string' }, { type: 'null' }] },
    places: { type: 'array', items: { type: 'number' } },
  },
};

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
    ['<tool_call>{"name": "f", "arguments": {', '', [f('')]],
    ['<tool_call>{"name": "g", "arguments": {', '<tool_call>{"name": "g", "arguments": {', []],
    ['<tool_call>{"name": "f", "arguments": {}}</tool_call>\n<tool_call>{"na', '', [f('{}')]],
    ['<tool_call>{"name": "f", "arguments": {}}</tool_call>\n<tool_call>{"name": "f"', '', [f('{}'), f('')]],
  ] as const)('%s', (text, said, calls) => {
    expect(read('hermes', text)).toEqual({ text: said, calls });
  });

  it('drops a closing mark that the length cut', () => {
    const text = '<tool_call>\n{"name": "f", "arguments": {"n": 1}}\n</tool_';
    expect(read('hermes', text)).toEqual({ text: '', calls: [f('{"n": 1}')] });
    expect(read('hermes', `${text}box>`).text).toContain('</tool_box>');
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
  const named: [template: string, format: string][] = [
    ["'[TOOL_CALLS]' + name + '[ARGS]'", 'mistral-args'],
    ["'[TOOL_CALLS]' + name + '[CALL_ID]' + id + '[ARGS]'", 'mistral-call-id'],
    ['the format of [func_name1(params_name1=params_value1, ...), func_name2(params)]', 'pythonic'],
    ["'<function_calls>' + calls", 'olmo'],
    ["'<tool_call>\\n<function=' + name + '<parameter='", 'qwen-coder'],
  ];
  for (const [template, format] of named) expect(toolFormatOf(template)?.name).toBe(format);
  for (const other of [
    '{{ messages }}',
    '<function_calls><invoke name="f">',
    "'<tool_call><function=' + name",
    "'<tool_call>' + name + '<arg_key>'",
  ]) {
    expect(toolFormatOf(other)).toBeUndefined();
  }
});

describe('mistral-args and mistral-call-id', () => {
  it.each([
    ['[TOOL_CALLS]f[ARGS]{"a": "}\\"]"}', '', [f('{"a": "}\\"]"}')]],
    ['[TOOL_CALLS]f[CALL_ID]a1B2c3D4e[ARGS]{"a": [1]}[TOOL_CALLS]f[ARGS]{}', '', [f('{"a": [1]}'), f('{}')]],
    // As decoders that leave special tokens out write it.
    ['Well. [TOOL_CALLS]f{"a": 1}', 'Well. ', [f('{"a": 1}')]],
    ['[TOOL_CALLS]other[ARGS]{}', '[TOOL_CALLS]other[ARGS]{}', []],
    ['[TOOL_CALLS]f[OTHER]{}', '[TOOL_CALLS]f[OTHER]{}', []],
    ['[TOOL_CALLS]f[ARGS]{"a": 1', '', [f('{"a": 1')]],
    ['[TOOL_CALLS]no call, so text', '[TOOL_CALLS]no call, so text', []],
  ] as const)('%s', (text, said, calls) => {
    for (const format of ['mistral-args', 'mistral-call-id'])
      expect(read(format, text)).toEqual({ text: said, calls });
  });
});

describe('pythonic', () => {
  it.each([
    ['[f()]', '', [f('{}')]],
    [
      `[f(a=1, b='it\\'s, (x)', c=[True, None, -2.5e3], d={"k": (1, 2,)},), get_weather(city="Oslo")]`,
      '',
      [f(`{"a": 1, "b": "it's, (x)", "c": [true, null, -2.5e3], "d": {"k": [1, 2]}}`), w('{"city": "Oslo"}')],
    ],
    ['<|python_start|>[f(a="\\u00e9\\n\\d" "x")]<|python_end|>', '', [f('{"a": "é\\n\\\\dx"}')]],
    ['[f(n=1_000, m=.5, k=+3)]', '', [f('{"n": 1000, "m": 0.5, "k": 3}')]],
    ['[1, 2] is a list', '[1, 2] is a list', []],
    ['f is a function', 'f is a function', []],
    ['[f(1)]', '[f(1)]', []],
    ['[f(a=open("x"))]', '[f(a=open("x"))]', []],
    ['[other(a=1)]', '[other(a=1)]', []],
    ['[f(a=1, b=2', '', [f('{"a": 1')]],
  ] as const)('%s', (text, said, calls) => {
    expect(read('pythonic', text)).toEqual({ text: said, calls });
  });

  it('of olmo stands between marks, a call per line', () => {
    expect(read('olmo', 'Well.<function_calls>\nf(a=1)\nget_weather(city="x")\n</function_calls>')).toEqual({
      text: 'Well.',
      calls: [f('{"a": 1}'), w('{"city": "x"}')],
    });
    expect(read('olmo', '[f()]')).toEqual({ text: '[f()]', calls: [] });
  });
});

describe('qwen-coder', () => {
  const call = (name: string, ...members: string[]) =>
    `<tool_call>\n<function=${name}>\n${members.join('')}</function>\n</tool_call>`;
  const member = (key: string, value: string) => `<parameter=${key}>\n${value}\n</parameter>\n`;
  it.each([
    [call('f'), '', [f('{}')]],
    [
      `Well.\n${call('get_weather', member('city', '5'), member('days', '5'), member('hourly', 'True'))}\n${call('f')}`,
      'Well.\n',
      [w('{"city": "5", "days": 5, "hourly": true}'), f('{}')],
    ],
    [call('get_weather', member('city', 'a\n"<b>"\n')), '', [w('{"city": "a\\n\\"<b>\\"\\n"}')]],
    [
      call('get_weather', member('units', 'null'), member('places', '[1, 2]')),
      '',
      [w('{"units": null, "places": [1,2]}')],
    ],
    // What the schema does not know is text, and so is what does not fit its type.
    [
      call('get_weather', member('other', '5'), member('days', 'five')),
      '',
      [w('{"other": "5", "days": "five"}')],
    ],
    [call('other'), call('other'), []],
    ['<tool_call>\n<functions>', '<tool_call>\n<functions>', []],
    ['<tool_call>\n<function=f>\n<parameter=a>\nx\n</parameter>\n<para', '', [f('{"a": "x"')]],
  ] as const)('%s', (text, said, calls) => {
    expect(read('qwen-coder', text)).toEqual({ text: said, calls });
  });
});
