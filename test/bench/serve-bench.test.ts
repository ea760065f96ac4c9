import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { firstTokensUnderLoad, LoadClients, writeBenchModel } from '../../src/bench/serve-bench.ts';
import type { RunningServer } from '../../src/serve/serve.ts';
import { startServer } from '../helpers/served.ts';

describe('the clients of a bench', () => {
  let folder: string;
  let server: RunningServer;
  let load: { url: string; streams: number; promptTokens: number; newTokens: number; ids: number };

  beforeAll(async () => {
    folder = await writeBenchModel('tiny', 300);
    const started = await startServer({ model: folder });
    server = started.server;
    load = { url: started.url, streams: 6, promptTokens: 5, newTokens: 9, ids: 300 };
  });

  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });

  async function tokensDrawn(): Promise<number> {
    const metrics = await (await fetch(`${load.url}/metrics`)).text();
    return Number(/^athanor_completion_tokens_total (\d+)$/m.exec(metrics)?.[1]);
  }

  it('read whole streams, run after run', async () => {
    using clients = new LoadClients();
    for (const rounds of [1, 3]) {
      const { seconds, firstTokenSeconds } = await clients.run({ ...load, rounds });
      expect(firstTokenSeconds.length).toBe(6 * rounds);
      expect(firstTokenSeconds).toEqual([...firstTokenSeconds].sort((a, b) => a - b));
      expect(firstTokenSeconds.at(-1)).toBeLessThanOrEqual(seconds);
    }
  });

  it('ask for texts of several lengths', async () => {
    using clients = new LoadClients();
    const before = await tokensDrawn();
    const { firstTokenSeconds } = await clients.run({ ...load, newTokens: 20, variesLength: true });
    expect(firstTokenSeconds.length).toBe(6);
    // 20 * (0.5 + k / 63) tokens, k = 0, 37, 10, 47, 20, 57.
    expect((await tokensDrawn()) - before).toBe(10 + 22 + 13 + 25 + 16 + 28);
  });

  it('time first tokens while slots are in use, and while requests wait for one', async () => {
    using clients = new LoadClients();
    const probe = { ...load, streams: 1, newTokens: 2, rounds: 3 };
    const { busy, queued } = await firstTokensUnderLoad(clients, { load, probe, slots: 4 });
    expect(busy.length).toBe(3);
    expect(queued.length).toBe(2 * 4 * 3);
  });

  it('say when an answer is not whole, and go on with other connections', async () => {
    using clients = new LoadClients();
    await expect(clients.run({ ...load, newTokens: 1000 })).rejects.toThrow('a stream ended with status 200');
    expect((await clients.run(load)).firstTokenSeconds.length).toBe(6);
  });
});
