/** The openai package against every endpoint that it knows and the server has. */
import OpenAI, { APIConnectionError, APIError, APIUserAbortError } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addKey } from '../../src/serve/access/keys.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { suiteFolder } from '../helpers/cli.ts';
import { type Served, startServer, until } from '../helpers/served.ts';

const folder = suiteFolder();
let served: Served;
let client: OpenAI;
let model: string;
let tokenizer: Tokenizer;
beforeAll(async () => {
  (await writeChatModel(folder, { contextLength: 1024 })).dispose();
  served = await startServer({ model: folder, name: 'tiny-chat' });
  client = served.client;
  model = served.server.name;
  tokenizer = Tokenizer.load(folder);
});
afterAll(() => served.server.close());

const messages = [
  { role: 'developer' as const, content: 'Be brief.' },
  {
    role: 'user' as const,
    content: [
      { type: 'text' as const, text: 'Name ' },
      { type: 'text' as const, text: 'it.' },
    ],
  },
];

/** The error of a request that must fail. */
async function failure(request: Promise<unknown>): Promise<APIError> {
  const error = await request.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(APIError);
  return error as APIError;
}

describe('models', () => {
  it('lists and describes the one it has', async () => {
    const list = await client.models.list();
    expect(list.data.map(({ id }) => id)).toEqual(['tiny-chat']);
    expect(await client.models.retrieve('tiny-chat')).toMatchObject({ id: 'tiny-chat', object: 'model' });
    expect(await failure(client.models.retrieve('none'))).toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });
});

describe('chat', () => {
  it('answers, with usage and a fingerprint', async () => {
    const answer = await client.chat.completions.create({
      model,
      messages,
      max_completion_tokens: 8,
      seed: 1,
    });
    expect(answer.id).toMatch(/^chatcmpl-[0-9a-f]{24}$/);
    expect(answer).toMatchObject({ object: 'chat.completion', model });
    expect(answer.system_fingerprint).toMatch(/^fp_[0-9a-f]{12}$/);
    expect(answer.choices[0]).toMatchObject({ index: 0, logprobs: null, message: { role: 'assistant' } });
    const { prompt_tokens, completion_tokens, total_tokens } = answer.usage!;
    const { count } = await served.ask('/tokenize', { messages });
    expect(prompt_tokens).toBe(count);
    expect(completion_tokens).toBeLessThanOrEqual(8);
    expect(total_tokens).toBe(prompt_tokens + completion_tokens);
  });

  it('goes on with a last message, as vLLM does', async () => {
    const open = [...messages, { role: 'assistant' as const, content: 'It is' }];
    const ends = { add_generation_prompt: false, continue_final_message: true };
    const whole = await served.ask('/tokenize', { messages });
    const { tokens } = await served.ask('/tokenize', { messages: open, ...ends });
    const said = await served.ask('/tokenize', { prompt: 'It is' });
    expect(tokens).toEqual([...whole.tokens, ...said.tokens]);
    const answer = await client.chat.completions.create({
      model,
      messages: open,
      max_tokens: 4,
      seed: 1,
      ...ends,
    });
    expect(answer.usage!.prompt_tokens).toBe(tokens.length);
    const both = { model, messages: open, continue_final_message: true };
    expect(await failure(client.chat.completions.create(both))).toMatchObject({
      status: 400,
      param: 'continue_final_message',
    });
    const closed = await served.ask('/tokenize', { messages: open, add_generation_prompt: false });
    expect(closed.tokens.length).toBeGreaterThan(tokens.length);
  });

  it('streams: a role, text, one finish reason, usage at the end', async () => {
    const body = { model, messages, max_tokens: 30, seed: 2, n: 2 };
    const whole = await client.chat.completions.create(body);
    const stream = await client.chat.completions.create({
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    const last = chunks.pop()!;
    expect(last.choices).toEqual([]);
    expect(last.usage).toEqual(whole.usage);
    for (const index of [0, 1]) {
      const mine = chunks
        .filter(({ choices }) => choices[0]!.index === index)
        .map(({ choices }) => choices[0]!);
      expect(mine[0]!.delta).toEqual({ role: 'assistant', content: '' });
      expect(mine.slice(1).every(({ delta }) => delta.role === undefined)).toBe(true);
      expect(mine.at(-1)).toMatchObject({ delta: {}, finish_reason: whole.choices[index]!.finish_reason });
      expect(mine.slice(0, -1).every(({ finish_reason }) => finish_reason === null)).toBe(true);
      const text = mine.map(({ delta }) => delta.content ?? '').join('');
      expect(text).toBe(whole.choices[index]!.message.content);
    }
    expect(chunks.every(({ usage }) => usage === null)).toBe(true);
    const helper = client.chat.completions.stream({ ...body, n: 1 });
    expect(await helper.finalContent()).toBe(whole.choices[0]!.message.content);
  });

  it('without include_usage no chunk has a usage', async () => {
    const stream = await client.chat.completions.create({ model, messages, max_tokens: 3, stream: true });
    for await (const chunk of stream) expect('usage' in chunk).toBe(false);
  });

  it('gives log-probabilities with bytes; whole and streamed are the same', async () => {
    const body = {
      model,
      messages,
      max_tokens: 25,
      seed: 4,
      logprobs: true,
      top_logprobs: 4,
      temperature: 1.4,
    };
    const whole = await client.chat.completions.create(body);
    const content = whole.choices[0]!.logprobs!.content!;
    expect(content.length).toBeGreaterThan(3);
    for (const { token, logprob, bytes, top_logprobs } of content) {
      expect(new TextDecoder().decode(Uint8Array.from(bytes!))).toBe(token);
      expect(logprob).toBeLessThanOrEqual(0);
      expect(Math.fround(logprob)).toBe(logprob);
      expect(top_logprobs.length).toBe(4);
      expect(top_logprobs.map((one) => one.logprob)).toEqual(
        top_logprobs.map((one) => one.logprob).sort((a, b) => b - a),
      );
    }
    const bytes = Uint8Array.from(content.flatMap((one) => one.bytes!));
    expect(new TextDecoder().decode(bytes)).toBe(whole.choices[0]!.message.content!);
    const streamed = [];
    for await (const { choices } of await client.chat.completions.create({ ...body, stream: true })) {
      streamed.push(...(choices[0]!.logprobs?.content ?? []));
    }
    expect(streamed).toEqual(content);
  });

  it('stops before a stop string, also where tokens cut it', async () => {
    const body = { model, messages, max_tokens: 60, seed: 9 };
    const { choices } = await client.chat.completions.create(body);
    const text = choices[0]!.message.content!;
    const stop = text.slice(5, 8);
    expect(stop.length).toBe(3);
    const cut = await client.chat.completions.create({ ...body, stop: ['never there', stop] });
    expect(cut.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: text.slice(0, text.indexOf(stop)) },
    });
    expect(cut.usage!.completion_tokens).toBeLessThan(60);
    let streamed = '';
    for await (const chunk of await client.chat.completions.create({ ...body, stop, stream: true })) {
      streamed += chunk.choices[0]!.delta.content ?? '';
    }
    expect(streamed).toBe(text.slice(0, text.indexOf(stop)));
  });

  it('obeys biases, penalties and filters', async () => {
    const only = tokenizer.encode('B')[0]!;
    const biased = await client.chat.completions.create({
      ...{ model, messages, max_tokens: 5, logit_bias: { [only]: 100 } },
    });
    expect(biased.choices[0]!.message.content).toBe('BBBBB');
    const distinct = async (presence_penalty: number) => {
      const body = { model, prompt: 'Red', max_tokens: 40, temperature: 0, presence_penalty, logprobs: 0 };
      const { choices } = await client.completions.create(body);
      return new Set(choices[0]!.logprobs!.tokens).size;
    };
    expect(await distinct(2)).toBeGreaterThan(await distinct(-2));
    const greedy = { model, messages, max_tokens: 12, temperature: 0 };
    const texts = await Promise.all(
      [greedy, { ...greedy, temperature: 2, top_k: 1 }, { ...greedy, temperature: 2, min_p: 1 }].map((body) =>
        client.chat.completions.create(body),
      ),
    );
    expect(new Set(texts.map(({ choices }) => choices[0]!.message.content)).size).toBe(1);
  });

  it('without a seed texts differ; with one they do not', async () => {
    const text = async (seed?: number) => {
      const body = { model, messages, max_tokens: 16, ...(seed !== undefined && { seed }) };
      return (await client.chat.completions.create(body)).choices[0]!.message.content;
    };
    expect(await text()).not.toBe(await text());
    expect(await text(3)).toBe(await text(3));
    expect(await text(3)).not.toBe(await text(4));
  });

  it('refuses what is not built, by name, and takes values that ask for nothing', async () => {
    const ask = (fields: object) =>
      client.chat.completions.create({ model, messages, max_tokens: 1, ...fields });
    const tool = { type: 'function', function: { name: 'f', parameters: {} } };
    for (const [param, fields] of [
      ['tools', { tools: [tool] }],
      ['response_format', { response_format: { type: 'grammar' } }],
      ['reasoning_effort', { reasoning_effort: 'low' }],
      ['store', { store: true }],
      ['messages[0]', { messages: [{ role: 'tool', tool_call_id: 'x', content: 'y' }] }],
      ['messages[0]', { messages: [{ role: 'function', name: 'x', content: 'y' }] }],
      ['top_logprobs', { top_logprobs: 2 }],
    ] as const) {
      expect(await failure(ask(fields))).toMatchObject({ status: 400, param, type: 'invalid_request_error' });
    }
    await ask({
      ...{ tools: [], tool_choice: 'none', response_format: { type: 'text' }, store: false, user: 'me' },
      ...{ frequency_penalty: null, stop: null, metadata: { a: 'b' }, service_tier: 'auto', top_k: -1 },
    });
    expect(await failure(ask({ model: 'gpt-4' }))).toMatchObject({ status: 404, code: 'model_not_found' });
    expect(await failure(ask({ messages: [] }))).toMatchObject({ status: 400, param: 'messages' });
  });

  it('says what the template refuses', async () => {
    const long = [{ role: 'user' as const, content: 'x '.repeat(1100) }];
    const error = await failure(client.chat.completions.create({ model, messages: long }));
    expect(error).toMatchObject({ status: 400, code: 'context_length_exceeded', param: 'messages' });
  });
});

describe('completions', () => {
  it('continues several prompts, n times each, in order', async () => {
    const body = { model, prompt: ['Red', 'Blue'], n: 2, max_tokens: 6, seed: 8, echo: true };
    const { choices, usage } = await client.completions.create(body);
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(choices.map(({ text }) => text.slice(0, 3))).toEqual(['Red', 'Red', 'Blu', 'Blu']);
    expect(new Set(choices.map(({ text }) => text)).size).toBe(4);
    const tokens = ['Red', 'Blue'].map((text) => tokenizer.encode(text).length);
    expect(usage!.prompt_tokens).toBe(tokens[0]! + tokens[1]!);
  });

  it('streams, with the echo first and offsets into the whole text', async () => {
    const body = { model, prompt: 'Näme a cölour 🎨', max_tokens: 20, seed: 8, echo: true, logprobs: 2 };
    const whole = (await client.completions.create(body)).choices[0]!;
    const characters = [...whole.text];
    whole.logprobs!.tokens!.forEach((token, i) => {
      const offset = whole.logprobs!.text_offset![i]!;
      if (!token.startsWith('bytes:') && i + 1 < whole.logprobs!.tokens!.length) {
        expect(characters.slice(offset, offset + [...token].length).join('')).toBe(token);
      }
    });
    let text = '';
    const tokens: string[] = [];
    const logProbs: (number | null)[] = [];
    for await (const { choices } of await client.completions.create({ ...body, stream: true })) {
      text += choices[0]!.text;
      tokens.push(...(choices[0]!.logprobs?.tokens ?? []));
      logProbs.push(...(choices[0]!.logprobs?.token_logprobs ?? []));
    }
    expect([text, tokens]).toEqual([whole.text, whole.logprobs!.tokens]);
    expect(logProbs).toEqual(whole.logprobs!.token_logprobs);
  });

  it('scores without generating: max_tokens 0 with echo', async () => {
    const prompt = 'Name a colour.';
    const body = { model, prompt, max_tokens: 0, echo: true, logprobs: 1 };
    const { choices, usage } = await client.completions.create(body);
    expect(choices[0]).toMatchObject({ text: prompt, finish_reason: 'length' });
    expect(choices[0]!.logprobs!.tokens!.length).toBe(usage!.prompt_tokens);
    expect(usage!.completion_tokens).toBe(0);
    expect(await failure(client.completions.create({ ...body, echo: false }))).toMatchObject({ status: 400 });
  });

  it('an empty text begins a document; ids stay as they are', async () => {
    const empty = await client.completions.create({ model, prompt: '', max_tokens: 1 });
    expect(empty.usage!.prompt_tokens).toBe(1);
    const ids = await client.completions.create({ model, prompt: [5, 6, 7], max_tokens: 1, echo: true });
    expect(ids.usage!.prompt_tokens).toBe(3);
    expect(ids.choices[0]!.text.startsWith(tokenizer.decode([5, 6, 7]))).toBe(true);
    expect(await failure(client.completions.create({ model, prompt: [] }))).toMatchObject({
      param: 'prompt',
    });
  });

  it('ends at the end token, whose log-probability is the last one', async () => {
    // generation_config.json of the model names this one.
    const end = tokenizer.specialTokens.get('<|end|>')!;
    const body = { model, prompt: 'x', max_tokens: 9, logprobs: 0, logit_bias: { [end]: 100 } };
    const { choices } = await client.completions.create(body);
    expect(choices[0]).toMatchObject({ text: '', finish_reason: 'stop' });
    expect(choices[0]!.logprobs!.tokens).toEqual(['<|end|>']);
  });
});

describe('responses', () => {
  const input = [
    { role: 'developer' as const, content: 'Be brief.' },
    { role: 'user' as const, content: [{ type: 'input_text' as const, text: 'Name it.' }] },
  ];

  it('answers as chat does', async () => {
    const sampling = { temperature: 0.7, top_p: 0.9, seed: 3 };
    const chat = await client.chat.completions.create({ model, messages, max_tokens: 12, ...sampling });
    const response = await client.responses.create({ model, input, max_output_tokens: 12, ...sampling });
    expect(response.id).toMatch(/^resp_[0-9a-f]{24}$/);
    expect(response.output_text).toBe(chat.choices[0]!.message.content);
    const { prompt_tokens, completion_tokens } = chat.usage!;
    expect(response.usage).toMatchObject({ input_tokens: prompt_tokens, output_tokens: completion_tokens });
    expect(response.status).toBe(chat.choices[0]!.finish_reason === 'length' ? 'incomplete' : 'completed');
    const instructed = { instructions: 'Be brief.', input: 'Name it.', max_output_tokens: 12, ...sampling };
    expect((await client.responses.create({ model, ...instructed })).output_text).toBe(response.output_text);
  });

  it('streams typed events with sequence numbers, and no [DONE]', async () => {
    const body = { model, input, max_output_tokens: 20, seed: 6 };
    const whole = await client.responses.create(body);
    const events = [];
    for await (const event of await client.responses.create({ ...body, stream: true })) events.push(event);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual([...events.keys()]);
    const types = events.map(({ type }) => type);
    const deltas = types.filter((type) => type === 'response.output_text.delta').length;
    expect(types).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      ...new Array(deltas).fill('response.output_text.delta'),
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      `response.${whole.status}`,
    ]);
    const text = events.flatMap((event) =>
      event.type === 'response.output_text.delta' ? [event.delta] : [],
    );
    expect(text.join('')).toBe(whole.output_text);
    const last = events.at(-1)!;
    expect('response' in last && last.response.usage).toEqual(whole.usage);
    const raw = await (await served.post('/v1/responses', { ...body, stream: true })).text();
    expect(raw).not.toContain('[DONE]');
    expect(raw).toMatch(/^event: response.created\ndata: \{"type":"response.created","sequence_number":0/);
    const final = await client.responses.stream(body).finalResponse();
    expect(final.output_text).toBe(whole.output_text);
  });

  it('takes the probes and habits of clients', async () => {
    for (const fields of [
      { input: '', max_output_tokens: 1 },
      { input: [], max_output_tokens: 1 },
      { tools: [{ type: 'web_search' }, { type: 'namespace' }, { type: 'image_generation' }] },
      { store: false, include: ['reasoning.encrypted_content'], reasoning: { effort: 'medium' } },
      {
        text: { format: { type: 'text' }, verbosity: 'medium' },
        truncation: 'disabled',
        tool_choice: 'auto',
      },
      {
        input: [
          { type: 'reasoning', summary: [] },
          { type: 'message', role: 'user', content: 'x' },
        ],
      },
      {
        input: [
          { role: 'user', content: 'x' },
          {
            type: 'message',
            role: 'assistant',
            content: [{ type: 'output_text', text: 'y', annotations: [] }],
          },
          { role: 'user', content: 'z' },
        ],
      },
    ]) {
      const response = await served.post('/v1/responses', {
        model,
        input: 'x',
        max_output_tokens: 1,
        ...fields,
      });
      expect([JSON.stringify(fields), response.status]).toEqual([JSON.stringify(fields), 200]);
    }
    for (const [param, fields] of [
      ['previous_response_id', { previous_response_id: 'resp_1' }],
      ['tools', { tools: [{ type: 'function', name: 'f' }] }],
      ['store', { store: true }],
      ['text.format.name', { text: { format: { type: 'json_schema' } } }],
      ['input[0]', { input: [{ type: 'computer_call_output', call_id: 'x', output: 'y' }] }],
      ['input', { input: [{ type: 'function_call_output', call_id: 'x', output: 'y' }] }],
      ['input[0].content', { input: [{ role: 'user', content: [{ type: 'input_image' }] }] }],
    ] as const) {
      const response = await served.post('/v1/responses', { model, input: 'x', ...fields });
      expect([param, response.status]).toEqual([param, 400]);
      expect(((await response.json()) as { error: { param: string } }).error.param).toBe(param);
    }
  });
});

describe('the client itself', () => {
  it('cancels: the server notices', async () => {
    const before = served.events.filter(({ type }) => type === 'cancelled').length;
    const abort = new AbortController();
    const stream = await client.chat.completions.create(
      {
        model,
        messages,
        max_tokens: 900,
        ignore_eos: true,
        stream: true,
      } as OpenAI.ChatCompletionCreateParamsStreaming,
      { signal: abort.signal },
    );
    await expect(
      (async () => {
        for await (const _ of stream) abort.abort();
        throw new APIUserAbortError();
      })(),
    ).rejects.toThrow(APIUserAbortError);
    await until(() => served.events.filter(({ type }) => type === 'cancelled').length > before);
  });

  it('sends its key, and tries again when the engine starts again', async () => {
    const file = `${folder}/client-keys`;
    const apiKey = addKey(file, 'client');
    const engineProgram = new URL('./faulty-engine.mjs', import.meta.url);
    const locked = await startServer({ model: folder, name: 'x', apiKeyFile: file }, { engineProgram });
    const baseURL = `${locked.url}/v1`;
    const wrong = new OpenAI({ baseURL, apiKey: 'wrong', maxRetries: 0 });
    expect(await failure(wrong.models.list())).toMatchObject({ status: 401, code: 'invalid_api_key' });
    const right = new OpenAI({ baseURL, apiKey, maxRetries: 5 });
    const channel = new BroadcastChannel(`faults of ${folder}`);
    channel.postMessage('crash');
    await until(() => locked.events.some((event) => event.type === 'engine' && event.state === 'crashed'));
    channel.close();
    const answer = await right.completions.create({ model: 'x', prompt: 'x', max_tokens: 1 });
    expect(answer.choices.length).toBe(1);
    const statuses = locked.events.flatMap((event) => (event.type === 'request' ? [event.status] : []));
    expect(statuses.at(-1)).toBe(200);
    expect(statuses).toContain(503);
    await locked.server.close();
    await expect(wrong.models.list()).rejects.toThrow(APIConnectionError);
  });
});
