/**
 * Answers of models and what is read of them, from the published tests of vLLM's parsers
 * (tests/tool_parsers of vllm-project/vllm: olmo3, llama4_pythonic, mistral, llama3_json,
 * qwen3coder), whole and by characters.
 */
import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../../src/base/json.ts';
import { TOOL_FORMATS, toolFormatOf } from '../../src/text/tool-calls/formats.ts';
import { ToolCallReader } from '../../src/text/tool-calls/reader.ts';

type Call = [name: string, args: JsonValue];

const NAMES =
  'get_weather register_user do_something_cool calc foo add multiply get_age bash get_current_weather searchTool getOpenIncidentsTool invalidTool'.split(
    ' ',
  );

function read(format: string, pieces: readonly string[], isWhole: boolean) {
  const reader = new ToolCallReader(TOOL_FORMATS.find(({ name }) => name === format)!, NAMES, { isWhole });
  let text = '';
  const calls: { name: string; args: string }[] = [];
  for (const piece of [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()]) {
    if (piece.kind === 'text') text += piece.text;
    else if (piece.kind === 'call') calls.push({ name: piece.name, args: '' });
    else calls[piece.index]!.args += piece.text;
  }
  return { text, calls };
}

const LA: Call = ['get_weather', { city: 'LA', metric: 'C' }];
const VINEYARD: Call = ['get_weather', { city: "Martha's Vineyard", metric: '"cool units"' }];
const DOE: Call = [
  'register_user',
  {
    name: 'John Doe',
    age: 37,
    address: { city: 'San Francisco', state: 'CA' },
    role: null,
    passed_test: true,
    aliases: ['John', 'Johnny'],
  },
];
const PLACE = { city: 'San Francisco', state: 'CA', unit: 'celsius' };
const olmo = (text: string) => `<function_calls>${text}</function_calls>`;
const user = (none: string, yes: string) =>
  `register_user(name='John Doe', age=37, address={'city': 'San Francisco', 'state': 'CA'}, role=${none}, passed_test=${yes}, aliases=['John', 'Johnny'])`;
const vineyard = String.raw`get_weather(city='Martha\'s Vineyard', metric='\"cool units\"')`;
const hello = String.raw`{"command": "print(\"hello world!\")\nre.compile(r'{}')"`;

describe.each<[format: string, answer: string, calls: Call[], text?: string]>([
  ['olmo', olmo(user('None', 'True')), [DOE]],
  ['olmo', olmo(user('null', 'true')), [DOE]],
  ['olmo', olmo('get_weather()'), [['get_weather', {}]]],
  ['olmo', olmo('do_something_cool(additional_data={})'), [['do_something_cool', { additional_data: {} }]]],
  ['olmo', olmo('do_something_cool(steps=[])'), [['do_something_cool', { steps: [] }]]],
  ['olmo', olmo(vineyard), [VINEYARD]],
  ['olmo', olmo(`get_weather(city='LA', metric='C')\n${user('None', 'True')}`), [LA, DOE]],
  ['olmo', olmo('calc(x=1e999)'), [], olmo('calc(x=1e999)')],
  ['olmo', olmo('foo(x=1])'), [], olmo('foo(x=1])')],
  ['pythonic', `[${vineyard}]`, [VINEYARD]],
  ['pythonic', `[${user('None', 'True')}]`, [DOE]],
  ['pythonic', "<|python_start|>[get_weather(city='LA', metric='C')]<|python_end|>", [LA]],
  [
    'pythonic',
    "<|python_start|>[get_weather(city='LA', metric='C'),register_user(name='Doe', age=9)]",
    [LA, ['register_user', { name: 'Doe', age: 9 }]],
  ],
  ['pythonic', 'How can I help you today?', [], 'How can I help you today?'],
  ['mistral', '[TOOL_CALLS][{"name": "add", "arguments":{"a": 3.5, "b": 4}}]', [['add', { a: 3.5, b: 4 }]]],
  [
    'mistral',
    '[TOOL_CALLS]  [ {"name":"add" , "arguments" : {"a": 3, "b": 4} } ]',
    [['add', { a: 3, b: 4 }]],
  ],
  [
    'mistral',
    `[TOOL_CALLS] [{"arguments":${JSON.stringify(PLACE)}, "name": "get_current_weather"}]`,
    [['get_current_weather', PLACE]],
  ],
  [
    'mistral',
    '[TOOL_CALLS] [{"arguments":{"name": "John Doe"}, "name": "get_age"}]',
    [['get_age', { name: 'John Doe' }]],
  ],
  [
    'mistral',
    'Hello[TOOL_CALLS] [{"name": "add", "arguments":{"a": 1, "b": 2}}]',
    [['add', { a: 1, b: 2 }]],
    'Hello',
  ],
  [
    'mistral-args',
    '[TOOL_CALLS]add{"a": 3.5, "b": 4}[TOOL_CALLS]multiply{"a": 3, "b": 6}',
    [
      ['add', { a: 3.5, b: 4 }],
      ['multiply', { a: 3, b: 6 }],
    ],
  ],
  [
    'mistral-args',
    `hi{hi[TOOL_CALLS]bash${hello}}`,
    [['bash', { command: 'print("hello world!")\nre.compile(r\'{}\')' }]],
    'hi{hi',
  ],
  [
    'llama',
    '{"name": "searchTool", "arguments": {"query": "test {value} [complex]","nested": {"inner": "{b}"}}}',
    [['searchTool', { query: 'test {value} [complex]', nested: { inner: '{b}' } }]],
  ],
  ...['; ', ';', ';\n', '\n', ' ; ', ''].map((between): [string, string, Call[]] => [
    'llama',
    `{"name": "searchTool", "parameters": {"query": "test1"}}${between}{"name": "getOpenIncidentsTool", "parameters": {}}`,
    [
      ['searchTool', { query: 'test1' }],
      ['getOpenIncidentsTool', {}],
    ],
  ]),
  ['llama', '{"parameters": {}}', [], '{"parameters": {}}'],
  [
    'llama',
    '{"name": "searchTool", "parameters": {"query": "test"}} I used {searchTool} for this.',
    [['searchTool', { query: 'test' }]],
    'I used {searchTool} for this.',
  ],
  // As Llama 4's own template shows calls.
  [
    'llama',
    '<|python_start|><|python_end|>{"name": "searchTool", "parameters": {}}{"name": "add", "parameters": {"a": 1}}',
    [
      ['searchTool', {}],
      ['add', { a: 1 }],
    ],
  ],
  ['llama', 'Wait.<|python_end|>{"name": "add", "parameters": {"a": 1}}', [['add', { a: 1 }]], 'Wait.'],
  [
    'qwen-coder',
    'Sure!<function=get_current_weather>\n<parameter=city>\nDallas\n</parameter>\n</function>',
    [['get_current_weather', { city: 'Dallas' }]],
    'Sure!',
  ],
  ['qwen-coder', 'a <function=other> b', [], 'a <function=other> b'],
])('%s: %s', (format, answer, calls, text = '') => {
  it.each([true, false])('(whole: %s) has its calls', (isWhole) => {
    for (const pieces of [[answer], [...answer]]) {
      const found = read(format, pieces, isWhole);
      expect(found.text).toBe(text);
      expect(found.calls.map(({ name, args }) => [name, JSON.parse(args)])).toEqual(calls);
    }
  });
});

it.each([
  ['llama', '{"name": "invalidTool", "parameters": {invalid json}'],
  ['hermes', '<tool_call>{"name": "add", "arguments": {"a": }}</tool_call>'],
  ['hermes', '<tool_call>{"name": "add", "arguments": {"a": 1]}</tool_call>'],
  ['hermes', '<tool_call>{"name": "add", "arguments": {"a": 01}}</tool_call>'],
  ['hermes', '<tool_call>{"name": "add", "arguments": {"a": "x\ny"}}</tool_call>'],
  ['mistral', '[TOOL_CALLS] [{"name": "add", "arguments": {"a": "\\q"}}]'],
  ['mistral-args', '[TOOL_CALLS]add[ARGS]{"a": 1,}'],
  ['mistral-args', '[TOOL_CALLS]add[ARGS]{a: 1}'],
  ['qwen-coder', '<tool_call>\n<function=add>\n<parameter=a>\n1\n</parameter>\noops</function>'],
])('a call of %s that breaks is text: %s', (format, answer) => {
  expect(read(format, [answer], true)).toEqual({ text: answer, calls: [] });
});

it('what was streamed of a call before it broke stays one', () => {
  const { calls } = read(
    'hermes',
    ['<tool_call>{"name": "add", "arguments": {"a": ', '}}</tool_call>'],
    false,
  );
  expect(calls).toEqual([{ name: 'add', args: '{"a": ' }]);
});

it('templates of Llama 4 and Gemma 3 that ask for Python have calls of that form', () => {
  const llama4 = 'Use exact format: [func_name1(param1=value1, param2=value2), func_name2(...)]';
  const gemma3 =
    'Example Format: [func_name1(params_name1=params_value1, params_name2=params_value2...), func_name2(params)]';
  for (const template of [llama4, gemma3]) expect(toolFormatOf(template)?.name).toBe('pythonic');
});
