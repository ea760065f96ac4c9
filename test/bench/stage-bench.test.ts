import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { Prose } from '../../src/bench/prose.ts';
import { benchPpo, benchSft } from '../../src/bench/stage-bench.ts';

const shape = {
  model: 'tiny',
  vocabSize: 300,
  batchSize: 2,
  context: 64,
  steps: 2,
  dtype: 'f32',
  seed: 1,
} as const;

const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('athanor-bench-'));

describe('stage benchmarks', () => {
  it('time fine-tuning and pretraining, and leave nothing behind', async () => {
    const before = folders();
    const { tokensPerSecond, pretrainTokensPerSecond } = await benchSft(shape);
    expect(tokensPerSecond).toBeGreaterThan(0);
    expect(pretrainTokensPerSecond).toBeGreaterThan(0);
    expect(folders()).toEqual(before);
  });

  it('split the time of a rollout with its updates into parts that add up', async () => {
    const [rollout, epochs, maxResponse] = [8, 3, 8];
    const options = {
      ...shape,
      iterations: 2,
      rolloutSize: rollout,
      minibatch: 4,
      epochs,
      maxResponseLength: maxResponse,
      decodeBatchSize: 4,
    };
    const result = await benchPpo(options);
    const { seconds, generationSeconds, scoringSeconds, updateSeconds, responseLength } = result;
    for (const part of [generationSeconds, scoringSeconds, updateSeconds]) expect(part).toBeGreaterThan(0);
    expect(generationSeconds + scoringSeconds + updateSeconds).toBeCloseTo(seconds, 9);
    expect(responseLength).toBeGreaterThan(0);
    expect(responseLength).toBeLessThanOrEqual(maxResponse);
    const tokens = responseLength * rollout;
    expect(result.tokensPerSecond).toBeCloseTo(tokens / seconds, 6);
    expect(result.generationTokensPerSecond).toBeCloseTo(tokens / generationSeconds, 6);
    expect(result.updateTokensPerSecond).toBeCloseTo((epochs * tokens) / updateSeconds, 6);
  });
});

describe('made-up prose', () => {
  it('is the same for a seed and has few common words and many rare ones', () => {
    const text = (seed: number) => new Prose(seed).documents(40).map(({ text }) => text as string);
    expect(text(7)).toEqual(text(7));
    expect(text(7)).not.toEqual(text(8));
    for (const document of text(7)) {
      const { length } = document.split(' ');
      expect(length).toBeGreaterThanOrEqual(50);
      expect(length).toBeLessThanOrEqual(400);
    }
    const counts = new Map<string, number>();
    for (const word of text(7).join(' ').split(' ')) counts.set(word, (counts.get(word) ?? 0) + 1);
    const sorted = [...counts.values()].sort((a, b) => b - a);
    const total = sorted.reduce((a, b) => a + b, 0);
    expect(sorted.slice(0, 20).reduce((a, b) => a + b, 0) / total).toBeGreaterThan(0.25);
    expect(sorted.length).toBeGreaterThan(1000);
  });
});
