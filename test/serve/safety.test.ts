/**
 * The safety policy of a server: what it refuses never leaves it, and what is harmless is not late.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type OpenAI from 'openai';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { SafetyEvent } from '../../src/feedback/records.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { suiteFolder } from '../helpers/cli.ts';
import { type Served, startServer, until } from '../helpers/served.ts';

const folder = suiteFolder();
const engineProgram = new URL('./scripted-engine.mjs', import.meta.url);
const REFUSAL = 'I would rather not.';

interface Guarded extends Served {
  found: SafetyEvent[];
}

let policies = 0;
async function guarded(policy: object | string): Promise<Guarded> {
  const safety = join(folder, `policy-${++policies}.yaml`);
  writeFileSync(safety, typeof policy === 'string' ? policy : JSON.stringify(policy));
  const found: SafetyEvent[] = [];
  const hooks = { engineProgram, onSafetyEvent: (event: SafetyEvent) => found.push(event) };
  const served = await startServer({ model: folder, name: 'tiny', safety, maxPrompts: 8 }, hooks);
  onTestFinished(() => served.server.close());
  return { ...served, found };
}

const PLAIN = {
  refusal: REFUSAL,
  refusal_phrases: ["I won't", 'I cannot'],
  categories: {
    nonsense: { words: ['blorp', 'zorb the blat'], patterns: ['fle+n\\d'] },
    noted: { words: ['quib'], action: 'flag' },
    asked: { words: ['grundle'], on: 'prompt' },
  },
};

/** A message that tells the engine what to say, in which no check finds anything. */
const say = (...pieces: string[]) => Buffer.from(JSON.stringify(pieces)).toString('base64');
const chat = (...pieces: string[]) => ({
  model: 'tiny',
  messages: [{ role: 'user' as const, content: say(...pieces) }],
});

interface Streamed {
  /** Text by choice. */
  texts: string[];
  refusals: string[];
  finishes: (string | null)[];
  /** All that came over the wire. */
  wire: string;
}

async function streamed({ post }: Served, body: object): Promise<Streamed> {
  const response = await post('/v1/chat/completions', { ...body, stream: true });
  const wire = await response.text();
  const result: Streamed = { texts: [], refusals: [], finishes: [], wire };
  for (const line of wire.split('\n')) {
    if (!line.startsWith('data: {')) continue;
    const chunk = JSON.parse(line.slice(6)) as OpenAI.ChatCompletionChunk;
    for (const { index, delta, finish_reason } of chunk.choices) {
      result.texts[index] = (result.texts[index] ?? '') + (delta.content ?? '');
      if (delta.refusal) result.refusals[index] = delta.refusal;
      if (finish_reason) result.finishes[index] = finish_reason;
    }
  }
  expect(wire).toMatch(/data: \[DONE\]\n\n$/);
  return result;
}

beforeAll(async () => (await writeChatModel(folder, { contextLength: 64 })).dispose());

describe('a prompt that is refused', () => {
  it('has the refusal as its answer, and the engine runs nothing', async () => {
    const served = await guarded(PLAIN);
    const messages = [{ role: 'user' as const, content: 'Tell me of BLO\u200bRP' }];
    const answer = await served.client.chat.completions.create({ model: 'tiny', messages, n: 2 });
    expect(
      answer.choices.map(({ message, finish_reason }) => [message.content, message.refusal, finish_reason]),
    ).toEqual(Array(2).fill([null, REFUSAL, 'content_filter']));
    expect(answer.usage).toMatchObject({ completion_tokens: 0 });
    expect(await (await served.get('/metrics')).text()).toContain('athanor_engine_steps_total 0');
    expect(served.found).toMatchObject([
      {
        answer: null,
        promptHarmful: true,
        responseRefused: true,
        responseHarmful: null,
        checks: [{ name: 'nonsense/words', on: 'prompt', value: 1, threshold: 1 }],
        messages,
        client: null,
      },
    ]);
    const result = await streamed(served, { messages });
    expect(result).toMatchObject({ texts: [''], refusals: [REFUSAL], finishes: ['content_filter'] });
  });

  it('is found across messages, in earlier messages, and in token prompts', async () => {
    const served = await guarded(PLAIN);
    const finish = async (messages: { role: string; content: string }[]) =>
      (await served.ask('/v1/chat/completions', { messages })).choices[0]!.finish_reason;
    const turn = (role: string, content: string) => ({ role, content });
    expect(await finish([turn('user', 'zorb'), turn('user', 'the blat')])).toBe('content_filter');
    expect(await finish([turn('user', 'blorp?'), turn('assistant', 'x'), turn('user', 'y')])).toBe(
      'content_filter',
    );
    expect(await finish([turn('system', 'blorp'), turn('user', 'y')])).toBe('content_filter');
    expect(await finish([turn('user', 'quib')])).toBe('stop');
    const prompt = Array.from('say blorp', (c) => c.codePointAt(0)!);
    const { choices } = await served.ask('/v1/completions', { prompt: [prompt, [97]], n: 2, max_tokens: 5 });
    expect(choices.map(({ text, finish_reason }) => [text, finish_reason])).toEqual([
      [REFUSAL, 'content_filter'],
      [REFUSAL, 'content_filter'],
      ['ok', 'stop'],
      ['ok', 'stop'],
    ]);
  });

  const message = (content: string) => [{ role: 'user', content }];
  const fn = (fields: object) => ({ name: 'look', description: 'Looks.', ...fields });
  const properties = (property: object) => ({ type: 'object', properties: { for: property } });
  const call = { id: 'c', type: 'function', function: { name: 'look', arguments: '{"for": "x"}' } };
  const turns = (change: object, output: string) => [
    ...message('x'),
    { role: 'assistant', tool_calls: [{ ...call, function: { ...call.function, ...change } }] },
    { role: 'tool', tool_call_id: 'c', content: output },
  ];
  it.each<[string, object]>([
    ['the name of a function', { tools: [fn({ name: 'blorp' })] }],
    ['what a function does', { tools: [fn({ description: 'Finds a "zorb\nthe blat".' })] }],
    ['a parameter', { tools: [fn({ parameters: { type: 'object', properties: { blorp: {} } } })] }],
    ['what a parameter is', { tools: [fn({ parameters: properties({ description: 'a blorp' }) })] }],
    ['the values of a parameter', { tools: [fn({ parameters: properties({ enum: ['a', 'blorp'] }) })] }],
    ['the result of a call', { messages: turns({}, 'It is a blorp.') }],
    ['the arguments of a call', { messages: turns({ arguments: '{"for": "zorb\\nthe blat"}' }, 'x') }],
    ['a variable of the template', { chat_template_kwargs: { note: ['blorp'] } }],
  ])('is refused for %s', async (_, { tools, ...fields }: { tools?: object[] }) => {
    const served = await guarded({
      ...PLAIN,
      categories: { nonsense: { words: ['blorp', 'zorb the blat'] } },
    });
    const wrapped = tools && { tools: tools.map((one) => ({ type: 'function', function: one })) };
    const body = { messages: message('x'), ...wrapped, ...fields };
    const { choices } = await served.ask('/v1/chat/completions', body);
    expect(choices[0]!.finish_reason).toBe('content_filter');
    if (!tools) return;
    const input = { input: 'x', tools: tools.map((one) => ({ type: 'function', ...one })) };
    const answer = (await (await served.post('/v1/responses', input)).json()) as { status: string };
    expect(answer.status).toBe('incomplete');
  });

  it('is not refused for functions that the model does not see', async () => {
    const served = await guarded(PLAIN);
    const tools = [{ type: 'function', function: fn({ name: 'blorp' }) }];
    const body = { messages: message('x'), tools, tool_choice: 'none' };
    expect((await served.ask('/v1/chat/completions', body)).choices[0]!.finish_reason).toBe('stop');
  });

  it('is refused by a category of prompts alone, which lets answers say it', async () => {
    const served = await guarded(PLAIN);
    expect((await streamed(served, { messages: [{ role: 'user', content: 'a grundle' }] })).refusals).toEqual(
      [REFUSAL],
    );
    expect(await streamed(served, chat('a ', 'grundle'))).toMatchObject({
      texts: ['a grundle'],
      finishes: ['stop'],
    });
  });
});

describe('an answer', () => {
  const cases: [string, string[], string][] = [
    ['within one token', ['Well, ', 'blorp', ' is'], 'Well, '],
    ['across tokens', ['Well, b', 'l', 'or', 'p', ' is'], 'Well, '],
    ['at the very end', ['Well, blo', 'rp'], 'Well, '],
    ['at the very beginning', ['b', 'lorp '], ''],
    ['in mixed case', ['Well, Bl', 'ORp.'], 'Well, '],
    ['in full-width letters', ['Well, ｂ', 'ｌｏｒ', 'ｐ.'], 'Well, '],
    ['with zero-width characters', ['Well, b\u200b', 'lo\u200dr', 'p.'], 'Well, '],
    ['with marks that belong to no letter', ['Well, b', '\u0336l\u0336', 'orp\u0336', '.'], 'Well, '],
    ['as a phrase', ['Well, zorb', ' ', ' the', '\n', 'blat', '.'], 'Well, '],
    ['as a pattern', ['Well, f', 'lee', 'en', '7'], 'Well, '],
  ];

  it.each(cases)('is cut before a word %s, and not a byte of it is sent', async (_, pieces, before) => {
    const served = await guarded(PLAIN);
    const result = await streamed(served, chat(...pieces));
    expect(result).toMatchObject({ texts: [before], refusals: [REFUSAL], finishes: ['content_filter'] });
    const { choices } = await served.client.chat.completions.create(chat(...pieces));
    expect(choices[0]).toMatchObject({
      finish_reason: 'content_filter',
      message: { content: before === '' ? null : before, refusal: REFUSAL },
    });
    expect(served.found).toHaveLength(2);
    expect(served.found[0]).toMatchObject({
      answer: { id: expect.stringMatching(/^chatcmpl-/), choice: 0 },
      ...{ promptHarmful: false, responseRefused: true, responseHarmful: true, messages: null },
    });
  });

  it('of which the longest beginning of a word is harmless is sent whole', async () => {
    const served = await guarded(PLAIN);
    for (const pieces of [['Well, blor'], ['blorp', 's'], ['zorb the ', 'bla'], ['xblorp'], ['fleeen']]) {
      expect(await streamed(served, chat(...pieces))).toMatchObject({
        texts: [pieces.join('')],
        finishes: ['stop'],
      });
    }
    expect(served.found).toEqual([]);
  });

  it('has no log-probability of a token that is held back', async () => {
    const served = await guarded(PLAIN);
    const body = { ...chat('Well', ', ', 'bl', 'orp', ' is'), logprobs: true, top_logprobs: 0 };
    const { wire } = await streamed(served, body);
    expect(wire).toContain('"token":"Well"');
    expect(wire).not.toMatch(/"token":"(?:bl|orp| is)"/);
    const harmless = { ...chat('Well', ', ', 'bl', 'ue', ' is'), logprobs: true };
    const { choices } = await served.client.chat.completions.create(harmless);
    expect(choices[0]!.logprobs!.content!.map(({ token }) => token)).toEqual([
      'Well',
      ', ',
      'bl',
      'ue',
      ' is',
    ]);
    expect((await streamed(served, harmless)).wire.match(/"token":/g)).toHaveLength(5);
  });

  it('has no alternative of a token that is held back, nor a token that only begins its character', async () => {
    const served = await guarded({ ...PLAIN, categories: { nonsense: { words: ['öblorp'] } } });
    const body = { ...chat('Well', ', ', '', 'öb', 'lorp', ' is'), logprobs: true, top_logprobs: 1 };
    const { wire } = await streamed(served, body);
    expect(wire.match(/"token":"[^"]*"/g)).toEqual([
      ...['"token":"Well"', '"token":"not Well"', '"token":", "', '"token":"not , "'],
    ]);
    const harmless = { ...body, messages: chat('Well', '', 'öb', 'le').messages };
    expect((await streamed(served, harmless)).wire.match(/"token":"[^"n]*"/g)).toEqual([
      ...['"token":"Well"', '"token":""', '"token":"öb"', '"token":"le"'],
    ]);
    const { choices } = await served.client.chat.completions.create(body);
    expect(JSON.stringify(choices)).not.toMatch(/lorp/);
  });

  it('is cut alone: the other choices go on, and its job is given up', async () => {
    const served = await guarded(PLAIN);
    const endless = ['blorp ', ...Array<string>(5000).fill('x ')];
    const body = { model: 'tiny', prompt: [say(...endless), say('fine', ' here')], max_tokens: 6000 };
    const { choices } = await served.ask('/v1/completions', body);
    expect(choices.map(({ text, finish_reason }) => [text, finish_reason])).toEqual([
      [REFUSAL, 'content_filter'],
      ['fine here', 'stop'],
    ]);
    await until(() => served.events.some(({ type }) => type === 'cancelled'));
    const gone = served.events.find((event) => event.type === 'cancelled')!;
    expect((gone as { tokens: number }).tokens).toBeLessThan(8);
  });

  it('of completions has the refusal as a last paragraph', async () => {
    const { client } = await guarded(PLAIN);
    const body = { model: 'tiny', prompt: say('Well. ', 'blorp!'), max_tokens: 9 };
    const { choices } = await client.completions.create(body);
    expect(choices[0]).toMatchObject({ text: `Well. \n\n${REFUSAL}`, finish_reason: 'content_filter' });
    let text = '';
    for await (const chunk of await client.completions.create({ ...body, stream: true })) {
      text += chunk.choices[0]?.text ?? '';
    }
    expect(text).toBe(choices[0]!.text);
  });

  it('of the Responses API is incomplete, with a part that is the refusal', async () => {
    const { client } = await guarded(PLAIN);
    const input = say('Well, ', 'blo', 'rp.');
    const whole = await client.responses.create({ model: 'tiny', input });
    expect(whole).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'content_filter' } });
    expect(whole.output).toMatchObject([
      {
        content: [
          { type: 'output_text', text: 'Well, ' },
          { type: 'refusal', refusal: REFUSAL },
        ],
      },
    ]);
    const events = [];
    for await (const event of await client.responses.create({ model: 'tiny', input, stream: true }))
      events.push(event);
    expect(events.map(({ type }) => type)).toContain('response.refusal.done');
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, i) => i));
    const last = events.at(-1)!;
    expect(last).toMatchObject({
      type: 'response.incomplete',
      response: { output: whole.output.map(({ id: _, ...rest }) => rest) },
    });
    expect(JSON.stringify(events)).not.toContain('blo');
    const refused = await client.responses.create({ model: 'tiny', input: 'blorp' });
    expect(refused.output).toMatchObject([{ content: [{ type: 'refusal', refusal: REFUSAL }] }]);
  });
});

it('a call in the Responses API that is cut is incomplete, and one before the cut is complete', async () => {
  const { client } = await guarded(PLAIN);
  const tools = [{ type: 'function' as const, name: 'f', parameters: {}, strict: false }];
  const call = (text: string) => [
    `<tool_call>\n{"name": "f", "arguments": {"a": "`,
    text,
    `"}}\n</tool_call>`,
  ];
  for (const [pieces, status] of [
    [call('a blorp'), 'incomplete'],
    [[...call('b'), ' a blorp'], 'completed'],
  ] as const) {
    const body = { model: 'tiny', input: say(...pieces), tools };
    const { output } = await client.responses.create(body);
    expect(output[0]).toMatchObject({ type: 'function_call', status });
    expect(output.at(-1)).toMatchObject({ content: [{ type: 'refusal' }] });
    const ends = [];
    for await (const event of await client.responses.create({ ...body, stream: true })) {
      if (event.type === 'response.output_item.done') ends.push(event.item);
      if (event.type === 'response.incomplete') ends.push(event.response.output[0]);
    }
    expect(ends[0]).toMatchObject({ type: 'function_call', status });
    expect(ends.at(-1)).toMatchObject({ type: 'function_call', status });
  }
});

describe('harmless text', () => {
  it('comes with every token, and is late by no more than the longest beginning of a word', async () => {
    const served = await guarded(PLAIN);
    const pieces = ['All ', 'is ', 'fine, ', 'bl', 'ue ', 'and ', 'zorb ', 'the ', 'cat.'];
    const sent: string[] = [];
    for await (const chunk of await served.client.chat.completions.create({
      ...chat(...pieces),
      stream: true,
    })) {
      const text = chunk.choices[0]?.delta.content;
      if (text) sent.push(text);
    }
    expect(sent).toEqual(['All ', 'is ', 'fine, ', 'blue ', 'and ', 'zorb the cat.']);
  });

  it('is the same as without a policy', async () => {
    const served = await guarded(PLAIN);
    const plain = await startServer({ model: folder, name: 'tiny' }, { engineProgram });
    onTestFinished(() => plain.server.close());
    const body = { ...chat('a', 'ö', '\u0308', ' 🙂', ' b\u0336', 'c\u200b'), logprobs: true };
    const strip = ({ id: _, created: __, ...rest }: Record<string, unknown>) => rest;
    const [one, other] = await Promise.all(
      [served, plain].map((each) => each.ask('/v1/chat/completions', body)),
    );
    expect(strip({ ...one! })).toEqual(strip({ ...other! }));
  });
});

describe('events', () => {
  it('tell jailbreaks from over-refusals, and the log has them without texts', async () => {
    const served = await guarded(PLAIN);
    await served.ask('/v1/chat/completions', chat('I cannot ', 'say.'));
    await served.ask('/v1/chat/completions', chat('a quib'));
    await served.ask('/v1/chat/completions', chat('nothing'));
    const triple = ({ promptHarmful, responseRefused, responseHarmful }: SafetyEvent) => [
      promptHarmful,
      responseRefused,
      responseHarmful,
    ];
    expect(served.found.map(triple)).toEqual([
      [false, true, false],
      [false, false, true],
    ]);
    const { hash } = served.server.model;
    expect(served.found.map(({ modelHash }) => modelHash)).toEqual([hash, hash]);
    await served.ask('/v1/chat/completions', { messages: [{ role: 'user', content: 'my secret blorp' }] });
    const log = served.events.filter(({ type }) => type === 'safety');
    expect(log).toHaveLength(3);
    expect(JSON.stringify(log)).not.toMatch(/secret|blorp|quib/);
  });

  it('have null for what no check decides', async () => {
    const { ask, found } = await guarded({ categories: { one: { words: ['blorp'], on: 'response' } } });
    await ask('/v1/chat/completions', chat('blorp'));
    expect(found).toMatchObject([{ promptHarmful: null, responseRefused: true, responseHarmful: true }]);
  });
});

describe('moderations', () => {
  it('has the shape of OpenAI, by its client', async () => {
    const { client } = await guarded(PLAIN);
    const answer = await client.moderations.create({
      model: 'omni-moderation-latest',
      input: ['Blorp!', 'a', 'quib'],
    });
    expect(answer.id).toMatch(/^modr-[0-9a-f]{24}$/);
    expect(answer.model).toMatch(/^policy-[0-9a-f]{12}$/);
    expect(answer.results.map(({ flagged }) => flagged)).toEqual([true, false, true]);
    expect(answer.results[0]).toEqual({
      flagged: true,
      categories: { nonsense: true, noted: false, asked: false },
      category_scores: { nonsense: 1, noted: 0, asked: 0 },
      category_applied_input_types: { nonsense: ['text'], noted: ['text'], asked: ['text'] },
    });
    const one = await client.moderations.create({ input: 'a grundle' });
    expect(one.results.map(({ flagged }) => flagged)).toEqual([true]);
    const parts = await client.moderations.create({
      input: [
        { type: 'text', text: 'zorb' },
        { type: 'text', text: 'the blat' },
      ],
    });
    expect(parts.results.map(({ flagged }) => flagged)).toEqual([true]);
  });

  it('names what it does not take', async () => {
    const { post } = await guarded(PLAIN);
    const refusals: [object, string, string][] = [
      [{}, 'input', 'missing_parameter'],
      [{ input: [] }, 'input', 'invalid_value'],
      [{ input: 3 }, 'input', 'invalid_value'],
      [{ input: Array(9).fill('a') }, 'input', 'invalid_value'],
      [{ input: ['a', 3] }, 'input[0]', 'invalid_value'],
      [{ input: [{ type: 'image_url', image_url: { url: 'x' } }] }, 'input[0]', 'unsupported_parameter'],
      [{ input: [{ type: 'text', text: 1 }] }, 'input[0].text', 'invalid_value'],
      [{ input: 'a'.repeat(300_000) }, 'input', 'invalid_value'],
      [{ input: 'a', other: 1 }, 'other', 'unknown_parameter'],
    ];
    for (const [body, param, code] of refusals) {
      const response = await post('/v1/moderations', body);
      expect([response.status, ((await response.json()) as { error: object }).error]).toMatchObject([
        400,
        { param, code },
      ]);
    }
  });

  it('is not there without a policy', async () => {
    const plain = await startServer({ model: folder, name: 'tiny' }, { engineProgram });
    onTestFinished(() => plain.server.close());
    const response = await plain.post('/v1/moderations', { input: 'a' });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ error: { code: 'moderation_off' } });
  });
});

it('a policy that cannot be read keeps the server from starting', async () => {
  await expect(guarded('categories:\n  one:\n    wods: [a]\n')).rejects.toThrow(
    /policy-\d+\.yaml line 3: "categories\.one\.wods": there is no such key/,
  );
});
