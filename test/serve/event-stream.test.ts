import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { EventStream } from '../../src/serve/event-stream.ts';

afterEach(() => {
  vi.useRealTimers();
});

/** A response to a client that reads only when it is told to. */
async function response(): Promise<{ response: ServerResponse; read(): Promise<string>; close(): void }> {
  let resolve: (response: ServerResponse) => void = () => {};
  const arrived = new Promise<ServerResponse>((done) => {
    resolve = done;
  });
  const server = createServer((_, answer) => resolve(answer)).listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.pause();
  client.write('GET / HTTP/1.0\r\n\r\n');
  const read = async () => {
    let text = '';
    client.on('data', (chunk) => {
      text += chunk;
    });
    await new Promise((done) => client.once('end', done).resume());
    return text;
  };
  const close = () => {
    client.destroy();
    server.close();
  };
  return { response: await arrived, read, close };
}

it('writes events, names where they have one, and a comment where it is silent', async () => {
  const { response: answer, read, close } = await response();
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const stream = new EventStream(answer, { 'x-request-id': 'r1' });
  expect(stream.send([{ data: { a: 1 } }, { event: 'b', data: { c: 'line\nbreak' } }])).toBe(true);
  vi.advanceTimersByTime(16_000);
  stream.end([{ data: '[DONE]' }]);
  vi.advanceTimersByTime(60_000);
  const [head, body] = (await read()).split('\r\n\r\n');
  expect(head).toMatch(/content-type: text\/event-stream; charset=utf-8/);
  expect(head).toMatch(/x-request-id: r1/);
  expect(body).toBe('data: {"a":1}\n\nevent: b\ndata: {"c":"line\\nbreak"}\n\n: ping\n\ndata: [DONE]\n\n');
  close();
});

it('tells when a client does not read: it is given up before memory is full', async () => {
  const { response: answer, close } = await response();
  const stream = new EventStream(answer, {});
  const event = { data: { text: 'x'.repeat(2 ** 20) } };
  let sent = 0;
  while (stream.send([event])) ++sent;
  expect(sent).toBeGreaterThanOrEqual(7);
  expect(sent).toBeLessThan(40); // the system's own buffers hold some
  stream.end([]);
  close();
});
