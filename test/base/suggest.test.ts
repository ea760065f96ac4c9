import { describe, expect, it } from 'vitest';
import { editDistance, nearest } from '../../src/base/suggest.ts';

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['steps', 'stpes', 1],
    ['kitten', 'sitting', 3],
    ['flaw', 'lawn', 2],
    ['ca', 'abc', 3],
  ])('of %s and %s is %i', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });
});

describe('nearest', () => {
  const names = ['steps', 'batch-size', 'learning-rate', 'lr', 'data', 'device', 'dtype'];
  it.each([
    ['stpes', 'steps'],
    ['step', 'steps'],
    ['batch_size', 'batch-size'],
    ['batchSize', 'batch-size'],
    ['--batchsize', 'batch-size'],
    ['learning', 'learning-rate'],
    ['DATA', 'data'],
    ['devcie', 'device'],
    ['rl', 'lr'],
  ])('of %s is %s', (word, name) => {
    expect(nearest(word, names)).toBe(name);
  });

  it.each(['', '-', 'zebra', 'x', 'tokenizer', 'wxyz'])('of %j is nothing', (word) => {
    expect(nearest(word, names)).toBeUndefined();
  });

  it('takes the first of equals, so that the suggestion is stable', () => {
    expect(nearest('bat', ['cat', 'hat'])).toBe('cat');
  });

  it('is quick on a hostile word', () => {
    expect(nearest('a'.repeat(1e6), names)).toBeUndefined();
  });
});
