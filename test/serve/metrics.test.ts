import { expect, it } from 'vitest';
import { Metrics } from '../../src/serve/metrics.ts';

it('counts in a bucket what is at most its limit, also that of smaller ones', () => {
  const metrics = new Metrics();
  for (const seconds of [0, 0.001, 0.0011, 0.3, 0.5, 1000]) metrics.firstToken.observe(seconds);
  const lines = metrics
    .render({
      ...{ running: 0, waiting: 0, ready: true, steps: 0, restarts: 0, cancelled: 0, engines: 1 },
      ...{ hash: '', reloads: { loaded: 0, refused: 0 }, feedback: undefined, eventLoopDelay: 0 },
    })
    .split('\n');
  const bucket = (limit: string) =>
    lines.find((line) => line.startsWith(`athanor_time_to_first_token_seconds_bucket{le="${limit}"}`));
  const counts = ['0.001', '0.0025', '0.25', '0.5', '120', '+Inf'].map((le) => bucket(le)?.split(' ')[1]);
  expect(counts).toEqual(['2', '3', '3', '5', '5', '6']);
  expect(lines).toContain('athanor_time_to_first_token_seconds_count 6');
});
