import { expect, it } from 'vitest';
import { flag, integer, number } from '../../src/cli/options.ts';
import { repeatingCommand } from '../../src/cli/spelling.ts';

const options = {
  seed: integer('seed', { default: 0 }),
  maxLength: integer('length', { default: 8 }),
  rate: number('rate'),
  quick: flag('quick'),
};

it('the command that repeats a run has its seed and what is not a default', () => {
  const plain = { seed: 0, maxLength: 8, rate: undefined, quick: false };
  expect(repeatingCommand('sft', options, plain)).toBe('npx athanor sft --seed 0');
  const given = { seed: 3, maxLength: 9, rate: 0.5, quick: true, out: 'x' };
  expect(repeatingCommand('sft', options, given)).toBe(
    'npx athanor sft --seed 3 --max-length 9 --rate 0.5 --quick',
  );
});
