/** Answers in the form of a JSON Schema, by the openai package. */
import type OpenAI from 'openai';
import { APIError } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/base/json.ts';
import { RuleChecks } from '../../src/serve/host/rule-checks.ts';
import { RuleThread } from '../../src/serve/host/rule-thread.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { suiteFolder } from '../helpers/cli.ts';
import { validator } from '../helpers/json-schemas.ts';
import { type Served, startServer } from '../helpers/served.ts';

const folder = suiteFolder();
let served: Served;
let client: OpenAI;
beforeAll(async () => {
  (await writeChatModel(folder, { contextLength: 1024 })).dispose();
  served = await startServer({ model: folder, name: 'tiny' });
  client = served.client;
});
afterAll(() => served.server.close());

const messages = [{ role: 'user' as const, content: 'Name a colour.' }];
const schema: JsonObject = {
  type: 'object',
  properties: {
    colour: { enum: ['red', 'blue', 'grün'] },
    shade: { type: 'number', minimum: 0, maximum: 1 },
    note: { type: ['string', 'null'], maxLength: 8 },
    parts: { type: 'array', items: { $ref: '#/$defs/part' }, minItems: 1, maxItems: 2 },
  },
  required: ['colour', 'shade', 'note', 'parts'],
  additionalProperties: false,
  $defs: {
    part: {
      type: 'object',
      properties: { size: { type: 'integer', minimum: 1, maximum: 99 } },
      required: ['size'],
      additionalProperties: false,
    },
  },
};
const fits = validator(schema);
const response_format = {
  type: 'json_schema' as const,
  json_schema: { name: 'colour', schema, strict: true },
};
const body = { model: 'tiny', messages, max_tokens: 900, response_format };

describe('chat', () => {
  it('answers in the form, which the parse helper reads', async () => {
    for (const seed of [1, 2, 3]) {
      const { choices } = await client.chat.completions.parse({ ...body, seed, n: 3 });
      for (const { message, finish_reason } of choices) {
        expect(finish_reason).toBe('stop');
        expect(fits(message.parsed), message.content!).toBe(true);
        expect(JSON.parse(message.content!)).toEqual(message.parsed);
      }
    }
  });

  it('streams the same, and log-probabilities stay those of the model', async () => {
    const asked = { ...body, seed: 5, temperature: 0.8, logprobs: true, top_logprobs: 2 };
    const whole = await client.chat.completions.create(asked);
    const stream = client.chat.completions.stream(asked);
    expect(await stream.finalContent()).toBe(whole.choices[0]!.message.content);
    const content = whole.choices[0]!.logprobs!.content!;
    // Most of what a random model finds likely is no JSON: the tokens drawn are not the likeliest.
    expect(
      content.filter(({ token, top_logprobs }) => token !== top_logprobs[0]!.token).length,
    ).toBeGreaterThan(3);
  });

  it('gives a seeded request the same text under load', async () => {
    const one = async (seed: number, extra: object = {}) => {
      const asked = { ...body, seed, ...extra } as OpenAI.ChatCompletionCreateParamsNonStreaming;
      return (await client.chat.completions.create(asked)).choices[0]!.message.content;
    };
    const alone = [await one(1), await one(2, { temperature: 0.6, top_k: 9 })];
    const others = Array.from({ length: 6 }, (_, i) =>
      one(10 + i, i % 2 === 0 ? { response_format: { type: 'text' } } : { temperature: 0.6, top_k: 9 }),
    );
    const [first, second] = await Promise.all([one(1), one(2, { temperature: 0.6, top_k: 9 }), ...others]);
    expect([first, second]).toEqual(alone);
  });

  it('answers with any JSON object', async () => {
    const { choices } = await client.chat.completions.create({
      ...{ model: 'tiny', messages, max_tokens: 900, n: 4, seed: 3 },
      response_format: { type: 'json_object' },
      logit_bias: { 125: 3, 34: 2 },
    });
    const done = choices.filter(({ finish_reason }) => finish_reason === 'stop');
    for (const { message } of done) {
      const value: unknown = JSON.parse(message.content!);
      expect(typeof value === 'object' && !Array.isArray(value) && value !== null).toBe(true);
    }
    for (const { message } of choices) expect(message.content!.startsWith('{')).toBe(true);
  });

  it('cut off by its length says so', async () => {
    const { choices } = await client.chat.completions.create({ ...body, max_tokens: 4, seed: 1 });
    expect(choices[0]!.finish_reason).toBe('length');
    expect(choices[0]!.message.content).toMatch(/^\{/);
    await expect(client.chat.completions.parse({ ...body, max_tokens: 4 })).rejects.toThrow(
      /length limit was reached/,
    );
  });

  it.each([
    [{ response_format: { type: 'xml' } }, 'response_format', 'invalid_value', /"xml"; types are text,/],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { not: {} } } } },
      'response_format.json_schema.schema',
      'invalid_schema',
      /the schema at # has the keyword "not", which is not supported/,
    ],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: {}, extra: 1 } } },
      'response_format.json_schema',
      'unknown_parameter',
      /no field "extra"/,
    ],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'x y', schema: {} } } },
      'response_format.json_schema.name',
      'invalid_value',
      /letters/,
    ],
    [{ response_format: { type: 'json_schema' } }, 'response_format.json_schema', 'invalid_value', /object/],
    [
      {
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'x', schema: { pattern: '(?:(?:a{900}){900}){900}' } },
        },
      },
      'response_format.json_schema.schema',
      'invalid_schema',
      /the grammar is too large/,
    ],
    [{ ...body, ignore_eos: true }, 'ignore_eos', 'invalid_value', /cannot be combined/],
  ])('refuses %j', async (fields, param, code, message) => {
    const before = performance.now();
    const error = await client.chat.completions
      .create({ model: 'tiny', messages, ...fields } as OpenAI.ChatCompletionCreateParamsNonStreaming)
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ status: 400, param, code });
    expect((error as Error).message).toMatch(message);
    expect(performance.now() - before).toBeLessThan(10_000);
  });
});

describe('responses', () => {
  const format = { type: 'json_schema' as const, name: 'colour', schema, strict: true };
  const asked = { model: 'tiny', input: 'Name a colour.', max_output_tokens: 900, text: { format }, seed: 2 };

  it('answers in the form, whole and as events', async () => {
    const whole = await client.responses.parse(asked);
    expect(fits(whole.output_parsed), whole.output_text).toBe(true);
    expect(whole.text!.format).toMatchObject({ type: 'json_schema', name: 'colour', strict: true, schema });
    const final = await client.responses.stream(asked).finalResponse();
    expect(final.output_text).toBe(whole.output_text);
  });

  it('names what is not supported', async () => {
    const bad = { ...format, schema: { type: 'array', uniqueItems: true } };
    const response = await served.post('/v1/responses', { ...asked, text: { format: bad } });
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { error: { param: 'text.format.schema', code: 'invalid_schema' } },
    ]);
  });
});

describe('schemas that are made to take long', () => {
  const slow = { type: 'string', pattern: '^(?:a|b)*a(?:a|b){30}$' };
  const asked = (schemas: readonly JsonObject[], strict: boolean) => ({
    ...{ model: 'tiny', input: 'x', max_output_tokens: 1 },
    tools: schemas.map((one, i) => ({
      ...{ type: 'function', name: `f${i}`, strict },
      parameters: { type: 'object', properties: { a: { ...one, title: `${i}` } } },
    })),
  });

  it('do not hold up the HTTP thread, as a form or as functions', async () => {
    const form = { type: 'json_schema' as const, json_schema: { name: 'x', schema: slow } };
    const before = performance.eventLoopUtilization();
    const asks = [
      ...Array.from({ length: 10 }, (_, i) =>
        served.post('/v1/chat/completions', {
          ...{ messages, response_format: form, user: `${i}` },
        }),
      ),
      served.post('/v1/responses', asked(Array(40).fill(slow), true)),
    ];
    const statuses = (await Promise.all(asks)).map(({ status }) => status);
    expect(statuses).toEqual(Array(11).fill(400));
    expect(performance.eventLoopUtilization(before).active).toBeLessThan(500);
  });

  it('that come again are not read again', async () => {
    const checks = new RuleChecks();
    const one = [{ rule: { kind: 'json' as const, schema: slow }, param: 'p' }];
    expect(checks.failureOf(one)).toEqual({ param: 'p', message: expect.stringMatching(/^p: .*too large/) });
    const start = performance.now();
    for (let i = 0; i < 200; ++i) checks.failureOf(one);
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it('of many functions share one budget', () => {
    const checks = Array.from({ length: 100 }, (_, i) => {
      const schema = { type: 'string', pattern: `^[a-z]{1,900}${i}$` };
      return { rule: { kind: 'json' as const, schema }, param: `tools[${i}]` };
    });
    const failure = new RuleChecks().failureOf(checks);
    expect(failure!.message).toMatch(/^tools\[\d+\]: .*the grammar is too large/);
  });

  it('end with their client', async () => {
    const thread = new RuleThread();
    const leave = new AbortController();
    const rule = { kind: 'json' as const, schema: slow };
    const checked = thread.check([{ rule, param: 'p' }], leave.signal);
    leave.abort(new Error('gone'));
    await expect(checked).rejects.toThrow('gone');
    const other = [{ rule: { kind: 'json' as const, schema: {} }, param: 'p' }];
    await thread.check(other, new AbortController().signal);
    const lost = thread.check([{ rule, param: 'q' }], new AbortController().signal);
    await thread.close();
    await expect(lost).rejects.toMatchObject({ status: 503 });
  });
});
