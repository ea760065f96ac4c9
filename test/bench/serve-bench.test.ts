import { rmSync } from 'node:fs';
import { expect, it } from 'vitest';
import { runLoad, writeBenchModel } from '../../src/bench/serve-bench.ts';
import { startServer } from '../helpers/served.ts';

it('its clients read whole streams, and say so when they do not', async () => {
  const folder = await writeBenchModel('tiny', 300);
  const { server, url } = await startServer({ model: folder });
  const load = { url, streams: 6, promptTokens: 5, newTokens: 9, ids: 300 };
  const { seconds, firstTokenSeconds } = await runLoad(load);
  expect(firstTokenSeconds.length).toBe(6);
  expect(Math.max(...firstTokenSeconds)).toBeLessThanOrEqual(seconds);
  await expect(runLoad({ ...load, newTokens: 1000 })).rejects.toThrow('a stream ended with status 200');
  await server.close();
  rmSync(folder, { recursive: true });
});
