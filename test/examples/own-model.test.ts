import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FeedForwardModel, train } from '../../examples/own-model.ts';

const source = join(import.meta.dirname, '..', '..', 'examples', 'own-model.ts');

it('the worked example is under 100 lines and learns from real text', () => {
  expect(readFileSync(source, 'utf8').split('\n').length).toBeLessThan(100);
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'node_modules', 'typescript', 'README.md'));
  const model = new FeedForwardModel(16, 128, 1);
  const losses = train(model, text, 150);
  // A uniform guess among 256 bytes costs 5.5 nats; knowing only how often each occurs, about 3.2.
  expect(losses[0]).toBeGreaterThan(5);
  expect(losses.at(-1)).toBeLessThan(2.6);
  model.dispose();
});
