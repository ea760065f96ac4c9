/** Clients that go, engines that crash or hang, and servers that stop. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { ServeOptions } from '../../src/serve/serve.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { suiteFolder } from '../helpers/cli.ts';
import { type Reply, type Served, startServer, until } from '../helpers/served.ts';

const folder = suiteFolder();
const engineProgram = new URL('./faulty-engine.mjs', import.meta.url);
beforeAll(async () => (await writeChatModel(folder, { contextLength: 4096 })).dispose());

async function served(options: Partial<ServeOptions> = {}): Promise<Served> {
  const started = await startServer({ model: folder, ...options }, { engineProgram });
  onTestFinished(() => started.server.close());
  return started;
}

function fault(name: 'crash' | 'stall'): void {
  const channel = new BroadcastChannel(`faults of ${folder}`);
  channel.postMessage(name);
  setTimeout(() => channel.close(), 100);
}

/** A stream over a bare socket. */
interface Raw {
  socket: Socket;
  /** Number of events so far. */
  events(): number;
}

const ENDLESS = { prompt: 'Name a colour.', max_tokens: 4000, ignore_eos: true, temperature: 0 };

function rawStream({ server }: Served, body: object = ENDLESS): Raw {
  const text = JSON.stringify({ ...body, stream: true });
  const socket = connect(server.port, '127.0.0.1');
  let received = '';
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString();
  });
  socket.write(
    `POST /v1/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
  return { socket, events: () => received.split('data: ').length - 1 };
}

async function gauge({ get }: Served, name: string): Promise<number> {
  const text = await (await get('/metrics')).text();
  return Number(new RegExp(`^athanor_${name} (.*)$`, 'm').exec(text)![1]);
}

function cancelled({ events }: Served): number[] {
  return events.flatMap((event) => (event.type === 'cancelled' ? [event.tokens] : []));
}

describe('a client that goes', () => {
  it('frees its slot within 4 tokens', async () => {
    const one = await served();
    // logprobs: an event for each token, also where it completes no text
    for (let round = 0; round < 30; ++round) {
      const raw = rawStream(one, { ...ENDLESS, logprobs: 0 });
      let seen = 0;
      await new Promise<void>((resolve) => {
        raw.socket.on('data', () => {
          if (raw.events() < 20 + round) return;
          seen ||= raw.events();
          raw.socket.destroy();
          resolve();
        });
      });
      await until(() => cancelled(one).length === round + 1);
      expect(cancelled(one).at(-1)! - seen).toBeLessThanOrEqual(4);
    }
    expect(await gauge(one, 'sequences_running')).toBe(0);
    expect(one.events.filter((event) => event.type === 'request' && event.status === 499).length).toBe(30);
  });

  it('in the middle of its body is no failure of the server', async () => {
    const one = await served();
    const socket = connect(one.server.port, '127.0.0.1');
    socket.write(
      'POST /v1/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
    );
    await once(socket, 'ready');
    // The server has the head before it answers the next request.
    await one.get('/health');
    socket.destroy();
    const requests = () => one.events.filter((event) => event.type === 'request');
    await until(() => requests().some(({ route }) => route === '/v1/completions'));
    expect(requests().find(({ route }) => route === '/v1/completions')).toMatchObject({
      ...{ status: 499, error: 'client_gone' },
    });
  });

  it('leaves the queue, and does not take part', async () => {
    const one = await served({ batchSize: 1 });
    const first = rawStream(one);
    await until(() => first.events() > 2);
    const second = rawStream(one);
    await until(async () => (await gauge(one, 'sequences_waiting')) === 1);
    second.socket.destroy();
    await until(() => cancelled(one).length === 1);
    expect(cancelled(one)).toEqual([0]);
    expect(await gauge(one, 'sequences_waiting')).toBe(0);
    expect(await gauge(one, 'sequences_running')).toBe(1);
    const before = first.events();
    await until(() => first.events() > before);
    first.socket.destroy();
    const reply = await one.ask('/v1/completions', { prompt: 'x', max_tokens: 3 });
    expect(reply.usage.completion_tokens).toBeLessThanOrEqual(3);
  });

  it('before a whole answer: its work ends too', async () => {
    const one = await served();
    const abort = new AbortController();
    // An answer that ends by itself meanwhile would not be given up.
    const body = { model: one.server.name, prompt: 'x', max_tokens: 4000, ignore_eos: true, n: 3 };
    const asked = one.client.completions.create(body, { signal: abort.signal });
    await until(async () => (await gauge(one, 'sequences_running')) === 3);
    abort.abort();
    await expect(asked).rejects.toThrow(/abort/i);
    await until(async () => (await gauge(one, 'sequences_running')) === 0);
    expect(cancelled(one).length).toBe(3);
  });
});

describe('an engine that fails', () => {
  it('is started again; requests in flight are told, those that wait are answered', async () => {
    const one = await served({ batchSize: 1 });
    const running = one.post('/v1/completions', { ...ENDLESS, stream: true });
    await until(async () => (await gauge(one, 'sequences_running')) === 1);
    const whole = one.ask('/v1/completions', { prompt: 'x', max_tokens: 3, seed: 1, temperature: 0.5 });
    await until(async () => (await gauge(one, 'sequences_waiting')) === 1);
    fault('crash');
    const text = await (await running).text();
    const last = JSON.parse(text.trimEnd().split('\n\n').at(-1)!.slice('data: '.length));
    expect(last.error).toMatchObject({ type: 'server_error', code: 'engine_unavailable' });
    expect(text).not.toContain('[DONE]');
    expect((await whole).choices.length).toBe(1);
    const states = one.events.flatMap((event) => (event.type === 'engine' ? [event] : []));
    expect(states).toEqual([
      { type: 'engine', state: 'ready' },
      { type: 'engine', state: 'crashed', reason: 'a fault of the test' },
      { type: 'engine', state: 'ready' },
    ]);
    expect(await gauge(one, 'engine_restarts_total')).toBe(1);
  });

  it('answers 503 with Retry-After while it starts again, and is not ready; it is alive', async () => {
    const one = await served();
    fault('crash');
    await until(async () => (await one.get('/ready')).status === 503);
    const refused = await one.post('/v1/completions', { prompt: 'x' });
    if (refused.status !== 200) {
      expect(refused.status).toBe(503);
      expect(refused.headers.get('retry-after')).toBe('1');
    }
    expect((await one.get('/health')).status).toBe(200);
    await until(async () => (await one.get('/ready')).status === 200);
    await one.ask('/v1/completions', { prompt: 'x', max_tokens: 1 });
  });

  it('that hangs is not ready, and is started again', async () => {
    const one = await served({ stallSeconds: 0.4 });
    const running = one.post('/v1/completions', ENDLESS);
    await until(async () => (await gauge(one, 'sequences_running')) === 1);
    fault('stall');
    expect((await one.get('/health')).status).toBe(200); // HTTP does not wait for the engine
    expect((await running).status).toBe(503);
    const states = () => one.events.flatMap((event) => (event.type === 'engine' ? [event.state] : []));
    await until(() => states().length === 3);
    expect(states()).toEqual(['ready', 'stalled', 'ready']);
    await one.ask('/v1/completions', { prompt: 'x', max_tokens: 1 });
  });

  it('cannot start at all: serve() says why', async () => {
    const missing = startServer({ model: `${folder}/none` });
    await expect(missing).rejects.toMatchObject({ code: 'ERR_FILE_MISSING' });
  });
});

describe('a server that stops', () => {
  it('lets requests in flight end, and refuses new ones', async () => {
    const one = await served({ drainSeconds: 20 });
    const stream = await one.post('/v1/completions', { ...ENDLESS, max_tokens: 300, stream: true });
    const stopped = one.server.close();
    await expect(one.get('/health')).rejects.toThrow(); // nothing listens
    const text = await stream.text();
    expect(text).toContain('"finish_reason":"length"');
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    await stopped;
    await one.server.closed;
  });

  it('cuts what is not done in time, with an error', async () => {
    const one = await served({ drainSeconds: 0.05 });
    const stream = await one.post('/v1/completions', { ...ENDLESS, stream: true });
    await one.server.close();
    const text = await stream.text();
    expect(text).toContain('"code":"engine_unavailable"');
    expect(text).not.toContain('[DONE]');
  });

  it('stops at the signal', async () => {
    const abort = new AbortController();
    const one = await startServer({ model: folder }, { signal: abort.signal });
    abort.abort();
    await one.server.closed;
    expect(one.events.at(-1)).toEqual({ type: 'draining' });
  });

  it('keeps a connection without a request longer than a proxy does', async () => {
    const server = await startServer({ model: folder });
    const { headers } = await server.get('/health');
    expect(Number(/timeout=(\d+)/.exec(headers.get('keep-alive') ?? '')?.[1])).toBeGreaterThan(60);
    await server.server.close();
  });

  it('refuses an empty name', async () => {
    await expect(startServer({ model: folder, name: '' })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });

  it('names an address that is taken', async () => {
    const one = await served();
    const second = startServer({ model: folder, port: one.server.port });
    await expect(second).rejects.toMatchObject({ code: 'ERR_IO', message: /another program listens there/ });
    // Before the model is loaded, which can take minutes.
    const absent = startServer({ model: '/absent', port: one.server.port });
    await expect(absent).rejects.toMatchObject({ code: 'ERR_IO', message: /another program listens there/ });
  });
});

it('holds a bounded number of texts that wait for the engine', async () => {
  const one = await served({ stallSeconds: 4 });
  fault('stall');
  await new Promise((resolve) => setTimeout(resolve, 200));
  const codes = await Promise.all(
    Array.from({ length: 300 }, async () => {
      const response = await one.post('/tokenize', { prompt: 'Name a colour.' });
      return ((await response.json()) as Reply).error.code;
    }),
  );
  expect(codes.filter((code) => code === 'overloaded').length).toBe(44);
  expect(codes.filter((code) => code === 'engine_unavailable').length).toBe(256);
});

it('refuses what the queue cannot take, with Retry-After', async () => {
  const one = await served({ batchSize: 1, queue: 1 });
  const first = rawStream(one);
  await until(() => first.events() > 2);
  const second = rawStream(one);
  await until(async () => (await gauge(one, 'sequences_waiting')) === 1);
  const third = await one.post('/v1/completions', { prompt: 'x' });
  expect(third.status).toBe(503);
  expect(third.headers.get('retry-after')).toBe('1');
  expect(((await third.json()) as { error: unknown }).error).toMatchObject({ code: 'overloaded' });
  const large = await one.post('/v1/completions', { prompt: 'x', n: 3 });
  expect(large.status).toBe(400);
  first.socket.destroy();
  second.socket.destroy();
});
