/** Calls of functions, by the openai package, in each format of calls. */
import type OpenAI from 'openai';
import { APIError } from 'openai';
import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/base/json.ts';
import { Grammar } from '../../src/generate/grammar/grammar.ts';
import { callRule, looseSchema } from '../../src/serve/api/call-rules.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { TOOL_FORMATS } from '../../src/text/tool-calls/formats.ts';
import { ToolCallReader } from '../../src/text/tool-calls/reader.ts';
import { suiteFolder } from '../helpers/cli.ts';
import { validator } from '../helpers/json-schemas.ts';
import { rng } from '../helpers/reference.ts';
import { type Served, startServer } from '../helpers/served.ts';
import { SHOWN_CALLS, TOOL_TEMPLATES, type ToolFamily, writeToolModel } from '../helpers/tool-model.ts';

const parameters = {
  type: 'object',
  properties: {
    city: { type: 'string', minLength: 1, maxLength: 6 },
    days: { type: 'integer', minimum: 1, maximum: 14 },
  },
  required: ['city', 'days'],
  additionalProperties: false,
};
const fits = validator(parameters);
const weather = {
  type: 'function' as const,
  function: { name: 'get_weather', description: 'The weather of a city.', parameters },
};
const clock = { type: 'function' as const, function: { name: 'clock' } };
const tools = [weather, clock];
const messages = [{ role: 'user' as const, content: 'Hello!' }];

describe.each(Object.keys(TOOL_TEMPLATES) as ToolFamily[])('a model of the family %s', (family) => {
  const folder = suiteFolder();
  let served: Served;
  let client: OpenAI;
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    await writeToolModel(folder, family);
    served = await startServer({ model: folder, name: 'tiny' });
    client = served.client;
    tokenizer = Tokenizer.load(folder);
  });
  afterAll(() => served.server.close());
  const body = { model: 'tiny', messages, tools, max_tokens: 700, seed: 1 };
  const named = { type: 'function' as const, function: { name: 'get_weather' } };

  it('calls a function that must be called, with arguments that fit', async () => {
    expect(served.server.model.toolUse).toBe(family);
    const { choices } = await client.chat.completions.create({ ...body, n: 3, tool_choice: named });
    const ids = new Set<string>();
    for (const { message, finish_reason } of choices) {
      expect(finish_reason).toBe('tool_calls');
      expect(message.content).toBe(null);
      expect(message.tool_calls!.length).toBe(1);
      const call = message.tool_calls![0] as OpenAI.ChatCompletionMessageFunctionToolCall;
      expect(call).toMatchObject({ type: 'function', function: { name: 'get_weather' } });
      expect(call.id).toMatch(family.startsWith('mistral') ? /^[a-zA-Z0-9]{9}$/ : /^call_[a-zA-Z0-9]{24}$/);
      ids.add(call.id);
      expect(fits(JSON.parse(call.function.arguments)), call.function.arguments).toBe(true);
    }
    expect(ids.size).toBe(3);
  });

  it('streams calls: id and name first, then arguments, then the reason', async () => {
    const asked = { ...body, tool_choice: 'required' as const, parallel_tool_calls: false };
    const whole = await client.chat.completions.create(asked);
    const call = whole.choices[0]!.message.tool_calls![0] as OpenAI.ChatCompletionMessageFunctionToolCall;
    const stream = await client.chat.completions.create({ ...asked, stream: true });
    const deltas = [];
    const reasons = [];
    for await (const { choices } of stream) {
      reasons.push(choices[0]!.finish_reason);
      deltas.push(choices[0]!.delta);
    }
    expect(reasons.filter((reason) => reason !== null)).toEqual(['tool_calls']);
    expect(deltas.at(-1)).toEqual({});
    const calls = deltas.flatMap((delta) => delta.tool_calls ?? []);
    expect(calls[0]).toMatchObject({
      ...{ index: 0, type: 'function' },
      function: { name: call.function.name, arguments: '' },
    });
    expect(calls[0]!.id).toMatch(/^(call_\w{8,}|[A-Za-z0-9]{9})$/);
    for (const piece of calls.slice(1)) {
      expect(Object.keys(piece)).toEqual(['index', 'function']);
      expect(Object.keys(piece.function!)).toEqual(['arguments']);
    }
    expect(calls.map((piece) => piece.function!.arguments).join('')).toBe(call.function.arguments);
    expect(deltas.every(({ content }) => !content)).toBe(true);
    // Where arguments are not JSON, each is sent as a whole.
    const isJson = !['pythonic', 'olmo', 'qwen-coder'].includes(family);
    if (call.function.name === 'get_weather') expect(calls.length).toBeGreaterThan(isJson ? 5 : 2);
  });

  it('reads its calls and the answers of the functions again', async () => {
    const asked: string[] = [];
    const runner = client.chat.completions.runTools(
      {
        ...{ model: 'tiny', messages, max_tokens: 300, seed: 2, tool_choice: named },
        tools: [
          {
            type: 'function',
            function: {
              ...{ name: 'get_weather', description: 'x', parameters },
              parse: JSON.parse,
              function: (args: { city: string }) => {
                asked.push(args.city);
                return `rain in ${args.city}`;
              },
            },
          },
        ],
      },
      { maxChatCompletions: 2 },
    );
    await runner.finalChatCompletion();
    expect(asked.length).toBe(1);
    expect(runner.messages.map(({ role }) => role).slice(0, 3)).toEqual(['user', 'assistant', 'tool']);
    // The template gets the call with its arguments, and the answer.
    const history = runner.messages.slice(0, 3);
    const { tokens } = await served.ask('/tokenize', { messages: history });
    const text = tokenizer.decode(tokens);
    expect(text).toMatch(SHOWN_CALLS[family]);
    expect(text).toContain(`rain in ${asked[0]}`);
    if (family === 'hermes') expect(text).toContain('get_weather says rain');
  });

  it('shows the template the tools, but none where no call is wanted', async () => {
    const usage = async (fields: object) => {
      const { usage } = await client.chat.completions.create({
        ...{ model: 'tiny', messages, max_tokens: 1, ...fields },
      } as OpenAI.ChatCompletionCreateParamsNonStreaming);
      return usage!.prompt_tokens;
    };
    const [without, none, auto] = [
      await usage({}),
      await usage({ tools, tool_choice: 'none' }),
      await usage({ tools }),
    ];
    expect(none).toBe(without);
    expect(auto).toBeGreaterThan(without + 100);
  });

  it('with a strict function answers in words or with a call that fits', async () => {
    const strict = { ...weather, function: { ...weather.function, strict: true } };
    const starts: Partial<Record<ToolFamily, string>> = { llama: '{', pythonic: '[' };
    const first = starts[family] ?? TOOL_TEMPLATES[family].tokens[0];
    const id = tokenizer.specialTokens.get(first) ?? tokenizer.encode(first)[0]!;
    const asked = { ...body, tools: [strict], parallel_tool_calls: false, n: 2 };
    const called = await client.chat.completions.create({ ...asked, logit_bias: { [id]: 30 } });
    for (const { message, finish_reason } of called.choices) {
      expect(finish_reason).toBe('tool_calls');
      const call = message.tool_calls![0] as OpenAI.ChatCompletionMessageFunctionToolCall;
      expect(fits(JSON.parse(call.function.arguments)), call.function.arguments).toBe(true);
    }
    const said = await client.chat.completions.create({
      ...asked,
      max_tokens: 20,
      logit_bias: { [id]: -100 },
    });
    for (const { message } of said.choices) {
      expect(message.tool_calls).toBeUndefined();
      expect(message.content).not.toBe('');
    }
  });

  it('answers in a form or with a call', async () => {
    const response_format = {
      type: 'json_schema' as const,
      json_schema: { name: 'x', schema: { type: 'array', items: { type: 'boolean' }, maxItems: 2 } },
    };
    const asked = { ...body, response_format, n: 8, tools: [clock] };
    const { choices } = await client.chat.completions.create(asked);
    for (const { message } of choices) {
      if (message.tool_calls) expect(message.content).toBe(null);
      else expect(Array.isArray(JSON.parse(message.content!))).toBe(true);
    }
  });

  it('speaks the Responses API: typed events with sequence numbers', async () => {
    const flat = { type: 'function' as const, name: 'get_weather', parameters, strict: true };
    const asked = {
      ...{ model: 'tiny', input: 'Hello!', max_output_tokens: 700, seed: 3, tools: [flat] },
      ...{ tool_choice: { type: 'function' as const, name: 'get_weather' }, parallel_tool_calls: false },
    };
    const whole = await client.responses.create(asked);
    expect(whole.status).toBe('completed');
    expect(whole.output.length).toBe(1);
    const item = whole.output[0] as OpenAI.Responses.ResponseFunctionToolCall;
    expect(item).toMatchObject({ type: 'function_call', name: 'get_weather', status: 'completed' });
    expect(fits(JSON.parse(item.arguments)), item.arguments).toBe(true);
    expect(whole.tools).toMatchObject([{ name: 'get_weather', strict: true }]);
    expect(whole.tool_choice).toEqual({ type: 'function', name: 'get_weather' });

    const events: ResponseStreamEvent[] = [];
    for await (const event of await client.responses.create({ ...asked, stream: true })) events.push(event);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual([...events.keys()]);
    const types = events.map(({ type }) => type);
    const deltas = events.flatMap((event) =>
      event.type === 'response.function_call_arguments.delta' ? [event.delta] : [],
    );
    expect(types).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      ...deltas.map(() => 'response.function_call_arguments.delta'),
      'response.function_call_arguments.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(deltas.join('')).toBe(item.arguments);
    expect(events.at(-3)).toMatchObject({ name: 'get_weather', arguments: item.arguments, output_index: 0 });
    const final = await client.responses.stream(asked).finalResponse();
    expect(final.output).toMatchObject([{ type: 'function_call', arguments: item.arguments }]);

    // The next turn gives the call and its answer back.
    const next = await client.responses.create({
      ...{ model: 'tiny', max_output_tokens: 3 },
      input: [
        { role: 'user', content: 'Hello!' },
        { type: 'function_call', call_id: item.call_id, name: item.name, arguments: item.arguments },
        { type: 'function_call_output', call_id: item.call_id, output: 'rain' },
      ],
    });
    expect(next.usage!.input_tokens).toBeGreaterThan(item.arguments.length / 4);
  });
});

describe('tools', () => {
  const folder = suiteFolder();
  let served: Served;
  let client: OpenAI;
  beforeAll(async () => {
    await writeToolModel(folder, 'hermes');
    served = await startServer({ model: folder, name: 'tiny' });
    client = served.client;
  });
  afterAll(() => served.server.close());

  it('are called several times in one answer, unless that is turned off', async () => {
    const asked = {
      model: 'tiny',
      messages,
      tools: [clock],
      tool_choice: 'required' as const,
      max_tokens: 700,
    };
    const end = Tokenizer.load(folder).specialTokens.get('<|end|>')!;
    // The end is unlikely, so that the model goes on as long as it may.
    const counts = await Promise.all(
      [true, false].map(async (parallel_tool_calls) => {
        const logit_bias = { [end]: -20 };
        const { choices } = await client.chat.completions.create({
          ...asked,
          parallel_tool_calls,
          logit_bias,
          seed: 1,
        });
        return choices[0]!.message.tool_calls!.length;
      }),
    );
    expect(counts[0]).toBeGreaterThan(1);
    expect(counts[1]).toBe(1);
  });

  it('that are not strict may have a schema that is not supported: their arguments are an object', async () => {
    const odd = { type: 'object', properties: { a: { not: {} } } };
    const tool = { type: 'function' as const, function: { name: 'odd', parameters: odd } };
    const { choices } = await client.chat.completions.create({
      ...{ model: 'tiny', messages, tools: [tool], tool_choice: 'required', max_tokens: 80, seed: 1 },
    });
    const call = choices[0]!.message.tool_calls![0] as OpenAI.ChatCompletionMessageFunctionToolCall;
    expect(call.function.arguments).toMatch(/^\{/);
  });

  it.each([
    [{ tool_choice: 'required' }, 'tool_choice', /there are no tools/],
    [{ tools, tool_choice: { type: 'function', function: { name: 'no' } } }, 'tool_choice', /"no"/],
    [{ tools, tool_choice: { type: 'allowed_tools' } }, 'tool_choice', /"allowed_tools"/],
    [{ tools: [{ type: 'custom', custom: {} }] }, 'tools[0]', /"custom"/],
    [{ tools: [clock, clock] }, 'tools', /two functions of the same name/],
    [{ tools: [{ type: 'function', function: { name: 'a b' } }] }, 'tools[0].function.name', /letters/],
    [
      { tools: [{ type: 'function', function: { name: 'a', strict: true, parameters: { not: {} } } }] },
      'tools[0].function.parameters',
      /"not", which is not supported/,
    ],
    [{ tools: Array.from({ length: 129 }, () => clock) }, 'tools', /at most 128/],
    [{ functions: [{ name: 'f' }] }, 'functions', /give them as tools/],
    [{ messages: [...messages, { role: 'tool', content: 'x' }] }, 'messages[1]', /tool_call_id/],
    [
      { messages: [...messages, { role: 'assistant', tool_calls: [{ id: 'x', function: { name: 'f' } }] }] },
      'messages[1].tool_calls[0]',
      /name and arguments/,
    ],
    [{ tools, tool_choice: 'required', ignore_eos: true }, 'ignore_eos', /cannot be combined/],
  ])('refuses %j', async (fields, param, message) => {
    const error = await client.chat.completions
      .create({ model: 'tiny', messages, ...fields } as OpenAI.ChatCompletionCreateParamsNonStreaming)
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ status: 400, param });
    expect((error as Error).message).toMatch(message);
  });
});

it('a strict function of a model without quotes cannot have patterns, nor a schema without properties', () => {
  const looseOf = (kind: 'python' | 'tags' | 'object', parameters: JsonObject) => {
    const syntax = kind === 'object' ? { kind, argumentsKey: 'arguments' } : { kind };
    const tool = { name: 'f', description: undefined, parameters, isStrict: true, param: 'p' };
    return looseSchema(syntax, tool) !== undefined;
  };
  const pattern = { type: 'object', properties: { a: { type: 'string', pattern: 'x' } } };
  const union = { anyOf: [{ type: 'object', properties: {} }] };
  expect((['object', 'python', 'tags'] as const).map((kind) => looseOf(kind, pattern))).toEqual([
    ...[false, false, true],
  ]);
  expect((['object', 'python', 'tags'] as const).map((kind) => looseOf(kind, union))).toEqual([
    ...[false, true, true],
  ]);
});

it('calls that must be made have arguments that fit, in every syntax, and are read back', () => {
  const schema: JsonObject = {
    type: 'object',
    properties: {
      name: { type: 'string', minLength: 1, maxLength: 5 },
      kind: { enum: ['a b', 'c'] },
      count: { type: ['integer', 'null'], minimum: 0, maximum: 9 },
      deep: { type: 'object', properties: { on: { type: 'boolean' } }, required: ['on'] },
      on: { type: 'boolean' },
      many: { type: 'array', items: { $ref: '#/$defs/one' }, maxItems: 2 },
    },
    required: ['name', 'count', 'deep'],
    additionalProperties: false,
    $defs: { one: { type: 'string', maxLength: 2 } },
  };
  const fitsAll = validator(schema);
  const tool = { name: 'f', description: undefined, parameters: schema, isStrict: true, param: 'p' };
  for (const format of TOOL_FORMATS) {
    const grammar = new Grammar(callRule(format.call, tool));
    for (let seed = 0; seed < 20; ++seed) {
      const body = randomText(grammar, seed);
      if (body === undefined) continue;
      const parameters = new Map([['f', schema]]);
      const reader = new ToolCallReader(format, ['f'], { most: 1, parameters });
      const pieces = [...reader.push(format.begin + body + format.end), ...reader.end()];
      const args = pieces.map((piece) => (piece.kind === 'arguments' ? piece.text : '')).join('');
      expect(
        pieces.every(({ kind }) => kind !== 'text'),
        format.name + body,
      ).toBe(true);
      expect(fitsAll(JSON.parse(args)), format.name + body + args).toBe(true);
    }
  }
});

/** A random text of a grammar; undefined for one that did not end. */
function randomText(grammar: Grammar, seed: number): string | undefined {
  const random = rng(seed);
  const bytes: number[] = [];
  let state = grammar.start;
  while (bytes.length < 2000) {
    const next = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => grammar.step(state, byte));
    if (next.length === 0) return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(bytes));
    const closing = next.filter((byte) => '"]},)\n<'.includes(String.fromCharCode(byte)));
    const some = closing.length > 0 && random.integer(3) > 0 ? closing : next;
    bytes.push(some[random.integer(some.length)]!);
    state = grammar.step(state, bytes.at(-1)!)!;
  }
  return undefined;
}
