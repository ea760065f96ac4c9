/** The OpenAPI document describes the server, and the contract of the remote tokenizer holds. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addKey } from '../../src/serve/access/keys.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { suiteFolder } from '../helpers/cli.ts';
import { type Reply, type Served, startServer } from '../helpers/served.ts';

interface Schema {
  type?: string | string[];
  description?: string;
  minimum?: number;
  maximum?: number;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: unknown;
}
interface Operation {
  summary: string;
  security?: object[];
  parameters?: { name: string }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { $ref?: string; description?: string }>;
}
interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema>; responses: Record<string, object> };
}

const folder = suiteFolder();
let served: Served;
let adminKey: string;
let document: Document;
let operations: { path: string; method: string; operation: Operation }[];
beforeAll(async () => {
  (await writeChatModel(folder, { contextLength: 64 })).dispose();
  const adminKeyFile = join(folder, 'admin-keys');
  adminKey = addKey(adminKeyFile, 'root');
  const safety = join(folder, 'policy.json');
  writeFileSync(safety, '{"categories": {"made": {"words": ["blorp"]}}}');
  const feedback = join(folder, 'db');
  served = await startServer({ model: folder, name: 'tiny', feedback, adminKeyFile, safety });
  await withAnswers();
  document = (await (await served.get('/openapi.json')).json()) as Document;
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
});
afterAll(() => served.server.close());

/** A body with the required fields. */
const BODIES: Record<string, object> = {
  '/v1/chat/completions': { messages: [{ role: 'user', content: 'hi' }], max_tokens: 1 },
  '/v1/completions': { prompt: 'hi', max_tokens: 1 },
  '/v1/responses': { input: 'hi', max_output_tokens: 1 },
  '/tokenize': { prompt: 'hi' },
  '/detokenize': { tokens: [1, 2] },
  '/v1/moderations': { input: 'hi' },
};

/** Bodies that name answers. */
async function withAnswers(): Promise<void> {
  const body = { prompt: 'hi', max_tokens: 1, n: 2 };
  const { id: response_id } = await served.ask('/v1/completions', body);
  BODIES['/v1/feedback'] = { response_id, rating: 1 };
  BODIES['/v1/comparisons'] = {
    ...{ first: { response_id }, second: { response_id, choice: 1 }, preferred: 'first' },
  };
}

describe('the document', () => {
  it('names every route that answers, and each answers with a status and a type that it names', async () => {
    expect(document.openapi).toBe('3.1.0');
    expect(operations.map(({ path, method }) => `${method} ${path}`)).toEqual([
      'POST /v1/chat/completions',
      'POST /v1/completions',
      'POST /v1/responses',
      'GET /v1/models',
      'GET /v1/models/{model}',
      'POST /tokenize',
      'POST /detokenize',
      'GET /tokenizer_info',
      'POST /v1/feedback',
      'POST /v1/comparisons',
      'DELETE /admin/users/{user}',
      'GET /admin/safety',
      'POST /v1/moderations',
      'GET /health',
      'GET /ready',
      'GET /metrics',
      'GET /openapi.json',
      'POST /admin/reload',
      'GET /',
    ]);
    for (const { path, method, operation } of operations) {
      const url = served.url + path.replace('{model}', 'tiny').replace('{user}', 'nobody');
      const isAdmin = operation.security !== undefined;
      expect([path, isAdmin]).toEqual([path, path.startsWith('/admin/')]);
      const headers = { 'content-type': 'application/json', ...(isAdmin && { 'x-api-key': adminKey }) };
      const body = method === 'POST' && { body: JSON.stringify(BODIES[path]) };
      const response = await fetch(url, { method, headers, ...body });
      expect([path, response.status]).toEqual([path, 200]);
      const type = response.headers.get('content-type')!.split(';')[0]!;
      const described = operation.responses[200] as { content: Record<string, object> };
      expect(Object.keys(described.content)).toContain(type);
      expect(response.headers.get('x-request-id')).toMatch(/^(req-|chatcmpl-|cmpl-|resp_)[0-9a-f-]{20,}$/);
      expect(response.headers.get('cache-control')).toBe('no-store');
      await response.arrayBuffer();
      for (const { $ref } of Object.values(operation.responses)) {
        if ($ref) expect(document.components.responses).toHaveProperty($ref.split('/').at(-1)!);
      }
    }
  });

  it('is named to a client that asks for an unknown path, and a misspelt field gets its name', async () => {
    const unknown = (await (await served.post('/v1/chat/completion', {})).json()) as Reply;
    expect(unknown.error.message).toBe(
      'this server has no POST of this path; GET /openapi.json lists its paths',
    );
    const message = async (path: string, body: object) =>
      ((await (await served.post(path, body)).json()) as Reply).error.message;
    expect(await message('/v1/completions', { prompt: 'a', max_token: 2 })).toBe(
      'this server has no parameter "max_token"; did you mean "max_tokens"?',
    );
    const stream_options = { includeusage: true };
    expect(await message('/v1/completions', { prompt: 'a', stream: true, stream_options })).toBe(
      'stream_options has no field "includeusage"; did you mean "include_usage"?',
    );
    const model = (await (await served.get('/v1/models/gpt-4')).json()) as Reply;
    expect(model.error).toMatchObject({ code: 'model_not_found', param: 'model' });
    expect(model.error.message).toMatch(/^this server has no model "gpt-4"; it has /);
  });

  it('names every field that is taken, and no other: each is read, and its bounds hold', async () => {
    for (const { path, operation } of operations) {
      if (!operation.requestBody) continue;
      const { schema } = operation.requestBody.content['application/json']!;
      expect(schema.additionalProperties).toBe(false);
      const body = BODIES[path]!;
      const refused = async (fields: object) => {
        const response = await served.post(path, { ...body, ...fields });
        const { error } = (await response.json()) as Reply;
        return response.status === 400 && error ? error : { param: undefined, code: String(response.status) };
      };
      for (const [name, { minimum, maximum, description, type }] of Object.entries(schema.properties!)) {
        expect([name, (await refused({ [name]: null })).code === 'unknown_parameter']).toEqual([name, false]);
        if (description?.startsWith('Not supported')) {
          expect(await refused({ [name]: 'x' })).toMatchObject({
            code: 'unsupported_parameter',
            param: name,
          });
        }
        if (minimum !== undefined) expect((await refused({ [name]: minimum - 1 })).param).toBe(name);
        if (maximum !== undefined) expect((await refused({ [name]: maximum + 1 })).param).toBe(name);
        if (type !== undefined) expect((await refused({ [name]: [{ a: 1 }] })).param).toMatch(name);
      }
      for (const name of schema.required!) {
        const error = await refused({ [name]: null });
        expect(error).toMatchObject({ param: name, code: 'missing_parameter' });
      }
      expect(await refused({ nothing: 1 })).toMatchObject({ code: 'unknown_parameter', param: 'nothing' });
    }
  });

  it('refuses options of a stream where there is none', async () => {
    for (const path of ['/v1/chat/completions', '/v1/completions', '/v1/responses']) {
      const response = await served.post(path, { ...BODIES[path]!, stream_options: {} });
      const { error } = (await response.json()) as Reply;
      expect([path, response.status, error.param]).toEqual([path, 400, 'stream_options']);
    }
  });

  it('describes errors as they are', async () => {
    const { properties, required } = document.components.schemas.Error!.properties!.error!;
    for (const response of [
      await served.post('/v1/completions', {}),
      await served.get('/none'),
      await served.get('/v1/completions'),
      await served.get('/v1/models/none'),
    ]) {
      const { error } = (await response.json()) as Reply;
      expect(Object.keys(error)).toEqual(Object.keys(properties!));
      expect(Object.keys(error).sort()).toEqual([...required!].sort());
      expect(document.components.responses).toHaveProperty(
        response.status === 405 ? 'Error404' : `Error${response.status}`,
      );
    }
  });
});

describe('the remote tokenizer of lm-evaluation-harness', () => {
  it('gives the tokens of texts and the text of tokens', async () => {
    const tokenizer = Tokenizer.load(folder);
    const info = await (await served.get('/tokenizer_info')).json();
    const eos_token_id = tokenizer.eosId!;
    expect(info).toMatchObject({
      eos_token: '<|endoftext|>',
      eos_token_id,
      bos_token: null,
      chat_template: tokenizer.chatTemplate,
    });
    for (const prompt of ['Hello! Name a colour.', '', 'ünïcode 🎨']) {
      const { tokens, count } = await served.ask('/tokenize', { prompt, add_special_tokens: false });
      expect(tokens).toEqual([...tokenizer.encode(prompt)]);
      expect(count).toBe(tokens.length);
      expect((await served.ask('/detokenize', { tokens })).prompt).toBe(prompt);
    }
    const stray = await served.post('/detokenize', { tokens: [99_999] });
    expect(stray.status).toBe(400);
  });
});

describe('metrics', () => {
  it('are in the format of Prometheus, and count', async () => {
    const read = async () => (await served.get('/metrics')).text();
    const value = (text: string, name: string) =>
      Number(new RegExp(`^athanor_${name.replace(/[{}"]/g, '\\$&')} (.*)$`, 'm').exec(text)![1]);
    const before = await read();
    const { usage } = await served.ask('/v1/completions', { prompt: 'Red', max_tokens: 5, ignore_eos: true });
    const after = await read();
    for (const line of after.trimEnd().split('\n')) {
      expect(line).toMatch(/^(# (HELP|TYPE) athanor_\w+ .+|athanor_\w+(\{(\w+="[^"]*",?)+\})? [-+.e\d]+)$/);
    }
    const rise = (name: string) => value(after, name) - value(before, name);
    expect(rise('prompt_tokens_total')).toBe(usage.prompt_tokens);
    expect(rise('completion_tokens_total')).toBe(5);
    expect(rise('engine_steps_total')).toBe(5);
    expect(rise('time_to_first_token_seconds_count')).toBe(1);
    expect(rise('time_between_tokens_seconds_count')).toBe(4);
    expect(rise('requests_total{route="/v1/completions",status="200"}')).toBe(1);
    expect(value(after, 'event_loop_delay_seconds')).toBeGreaterThanOrEqual(0);
  });
});
