/** Ports for processes that listen later. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';

it('can be listened on, and is none that the system gives to connections', async () => {
  const range = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
  const first = Number(range.split(/\s/)[0]);
  for (let i = 0; i < 10; ++i) {
    const port = await freePort();
    expect(port).toBeGreaterThan(1023);
    // A machine may be set up to give connections almost all ports.
    if (first > 10_000) expect(port).toBeLessThan(first);
    await new Promise<void>((resolve, reject) => {
      const server = createServer().on('error', reject);
      server.listen(port, () => server.close(() => resolve()));
    });
  }
});

it('is another one than what is in use', async () => {
  const ports = await Promise.all(Array.from({ length: 20 }, freePort));
  expect(new Set(ports).size).toBeGreaterThan(15);
});
