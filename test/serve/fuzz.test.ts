/**
 * Random requests, made from the OpenAPI document and from raw bytes: each gets an answer that is
 * no 500, and the server goes on. ATHANOR_FUZZ_REQUESTS=N sends more of them.
 */
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FeedbackStore } from '../../src/feedback/store.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { suiteFolder } from '../helpers/cli.ts';
import { type Rng, rng } from '../helpers/reference.ts';
import { type Reply, type Served, startServer } from '../helpers/served.ts';

const REQUESTS = Number(process.env.ATHANOR_FUZZ_REQUESTS ?? 400);
const folder = suiteFolder();
let served: Served;
let fields: Record<string, string[]>;
/** Ids of answers that can be rated. */
const answered: string[] = ['chatcmpl-none'];
beforeAll(async () => {
  (await writeChatModel(folder, { contextLength: 48 })).dispose();
  served = await startServer({
    model: folder,
    name: 'tiny',
    batchSize: 8,
    queue: 1000,
    maxBodyBytes: 20_000,
    feedback: join(folder, 'feedback.db'),
  });
  const document = (await (await served.get('/openapi.json')).json()) as {
    paths: Record<
      string,
      { post?: { requestBody?: { content: Record<string, { schema: { properties: object } }> } } }
    >;
  };
  fields = Object.fromEntries(
    Object.entries(document.paths).flatMap(([path, { post }]) =>
      post?.requestBody
        ? [[path, Object.keys(post.requestBody.content['application/json']!.schema.properties)]]
        : [],
    ),
  );
});
afterAll(() => served.server.close());

const TEXTS = [
  '',
  'hi',
  '<|end|>',
  '\u0000',
  '\ud800',
  'ünï🎨',
  '\ue000\ue001',
  '{{ 1 }}',
  '../../etc/passwd',
  'a'.repeat(300),
];
const NUMBERS = [0, 1, -1, 2, 0.5, 1e-9, 1e308, -0, 2 ** 31, 2 ** 53, 2 ** 63, 47, 48, 300, 301, 320];

function pick<T>(random: Rng, list: readonly T[]): T {
  return list[random.integer(list.length)]!;
}

/** Any JSON. */
function anything(random: Rng, depth = 0): unknown {
  const kind = random.integer(depth > 4 ? 5 : 8);
  if (kind === 0) return pick(random, TEXTS);
  if (kind === 1) return pick(random, NUMBERS);
  if (kind === 2) return random.integer(2) === 0;
  if (kind === 3) return null;
  if (kind === 4) return random.integer(330);
  if (kind === 5) return Array.from({ length: random.integer(5) }, () => anything(random, depth + 1));
  if (kind === 6) return { [pick(random, TEXTS)]: anything(random, depth + 1) };
  return {
    role: pick(random, ['user', 'system', 'assistant', 'tool']),
    content: anything(random, depth + 1),
  };
}

/** Something like a JSON Schema. */
function schemaLike(random: Rng): unknown {
  const schema: Record<string, unknown> = {
    type: pick(random, ['object', 'string', 'array', 'number', null]),
  };
  for (const key of ['properties', 'items', 'anyOf', 'enum', 'pattern', '$ref', 'minLength', 'maximum']) {
    if (random.integer(5) === 0) schema[key] = anything(random);
  }
  if (random.integer(3) === 0) schema.items = schemaLike(random);
  if (random.integer(3) === 0) schema.properties = { a: schemaLike(random) };
  return schema;
}

/** A value that the field may take. */
function fitting(random: Rng, name: string): unknown {
  const text = () => pick(random, TEXTS);
  const ids = () => Array.from({ length: random.integer(12) }, () => random.integer(301));
  const message = () => ({ role: pick(random, ['user', 'assistant', 'system']), content: text() });
  switch (name) {
    case 'model':
      return 'tiny';
    case 'prompt':
      return pick(random, [text(), ids(), [text(), text()], [ids(), ids()]]);
    case 'messages':
    case 'input':
      return Array.from({ length: 1 + random.integer(3) }, message);
    case 'tokens':
      return ids();
    case 'response_id':
      return pick(random, answered);
    case 'first':
    case 'second':
      return { response_id: pick(random, answered), choice: random.integer(2) };
    case 'rating':
      return pick(random, [1, -1]);
    case 'preferred':
      return pick(random, ['first', 'second', 'tie', 'neither']);
    case 'correction':
    case 'reason':
    case 'user':
    case 'idempotency_key':
      return text();
    case 'tags':
      return [text(), 'wrong'];
    case 'stop':
      return pick(random, ['a', ['b', 'the']]);
    case 'logit_bias':
      return { [random.integer(310)]: random.integer(200) - 100 };
    case 'response_format':
      return { type: 'json_schema', json_schema: { name: 'x', schema: schemaLike(random) } };
    case 'text':
      return { format: { type: 'json_schema', name: 'x', schema: schemaLike(random) } };
    case 'stream_options':
      return { include_usage: true };
    case 'logprobs':
      return pick(random, [true, 1, 3, false]);
    default:
      return pick(random, [random.integer(3), random.uniform(), random.integer(2) === 0, undefined]);
  }
}

const MAIN = [
  'prompt',
  'messages',
  'input',
  'tokens',
  'response_id',
  'rating',
  'first',
  'second',
  'preferred',
];

function bodyOf(random: Rng, path: string): string {
  const body: Record<string, unknown> = {};
  for (const name of fields[path]!) {
    const isMain = MAIN.includes(name);
    if (isMain || random.integer(6) === 0) body[name] = fitting(random, name);
  }
  if (random.integer(3) === 0) body[pick(random, fields[path]!)] = anything(random);
  const text = JSON.stringify(body);
  if (random.integer(12) > 0) return text;
  const at = random.integer(text.length);
  return text.slice(0, at) + String.fromCharCode(random.integer(256)) + text.slice(at + random.integer(3));
}

it('requests made from the document', async () => {
  const random = rng(1);
  const paths = Object.keys(fields);
  const statuses = new Map<number, number>();
  const one = async () => {
    const path = pick(random, paths);
    const body = bodyOf(random, path);
    const response = await served.post(path, body);
    const text = await response.text();
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    const { id } = response.status === 200 && text.startsWith('{') ? (JSON.parse(text) as Reply) : { id: '' };
    if (id?.includes('cmpl-') || id?.startsWith('resp')) answered.push(id);
    expect([200, 400, 404, 409, 413], `${path} ${body}: ${text}`).toContain(response.status);
    if (response.status !== 200) expect((JSON.parse(text) as Reply).error.message).toMatch(/\w+ \w+/);
    else if (text.includes('data: ')) expect(text, `${path} ${body}`).not.toContain('server_error');
  };
  const worker = async () => {
    for (let i = 0; i < REQUESTS / 8; ++i) await one();
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  expect(statuses.get(200)).toBeGreaterThan(REQUESTS / 20);
  expect(statuses.get(400)).toBeGreaterThan(REQUESTS / 20);
  expect((await served.get('/ready')).status).toBe(200);
  expect(served.events.filter(({ type }) => type === 'engine').length).toBe(1);
  expect(served.events.filter(({ type }) => type === 'feedback')).toEqual([]);
  const store = FeedbackStore.open(join(folder, 'feedback.db'));
  store.check();
  // One route of eight, and most of its random bodies are refused.
  expect(store.counts().feedback).toBeGreaterThan(REQUESTS / 80);
  store.close();
}, 7_200_000);

it('raw bytes', async () => {
  const random = rng(2);
  const valid =
    'POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 30\r\n\r\n{"prompt":"x","max_tokens":1}\n';
  for (let i = 0; i < REQUESTS / 8; ++i) {
    const bytes = Buffer.from(random.integer(4) === 0 ? '' : valid);
    for (let flips = random.integer(6); flips > 0 && bytes.length > 0; --flips) {
      bytes[random.integer(bytes.length)] = random.integer(256);
    }
    const tail = Buffer.from(Array.from({ length: random.integer(40) }, () => random.integer(256)));
    const socket = connect(served.server.port, '127.0.0.1');
    const text = await new Promise<string>((resolve) => {
      let received = '';
      socket.on('data', (chunk) => {
        received += chunk.toString('latin1');
      });
      socket.on('error', () => resolve(received));
      socket.on('close', () => resolve(received));
      socket.end(Buffer.concat([bytes, tail]));
      setTimeout(() => socket.destroy(), 500);
    });
    expect(text).not.toMatch(/^HTTP\/1.1 5/m);
  }
  expect((await served.get('/ready')).status).toBe(200);
}, 7_200_000);
