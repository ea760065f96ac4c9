/** A port for a process that listens later. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const LOWEST = 10_000;
const ATTEMPTS = 20;

/**
 * A TCP port of this machine that nothing uses now. It lies below those that the system gives to
 * connections (Linux: from 32768), so that no connection takes it before it is used. Where the
 * system gives away lower ones too, it is one of them.
 */
export async function freePort(): Promise<number> {
  const end = firstOfConnections();
  for (let attempt = 0; attempt < ATTEMPTS; ++attempt) {
    const port = LOWEST + Math.floor(Math.random() * (end - LOWEST));
    if (await isFree(port)) return port;
  }
  return anyPort();
}

function firstOfConnections(): number {
  try {
    const first = Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s/)[0]);
    return first > LOWEST ? first : 32_768;
  } catch {
    return 32_768;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().on('error', () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}

function anyPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
