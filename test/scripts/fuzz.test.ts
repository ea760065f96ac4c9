/** A short run of the fuzz command. docs/reliability.md has the figures of a long one. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { runNode } from '../helpers/cli.ts';

const fuzz = (...args: string[]) => runNode([join(packageRoot, 'scripts/fuzz.mjs'), ...args]);

describe('npm run fuzz', () => {
  it('finds no reader that crashes, hangs or throws an error without a code', async () => {
    const { stdout, stderr, code } = await fuzz('--inputs', '6000', '--seed', '1');
    expect(stderr).toBe('');
    expect(stdout).toMatch(
      /^6000 inputs, seed 1: crash 0, hang 0, ERR_INTERNAL 0, over 4 GiB 0, long messages 0\n$/,
    );
    expect(code).toBe(0);
  });

  it('repeats one input by its seed and number, and names the readers', async () => {
    expect((await fuzz('--seed', '1', '--reader', 'rows', '--input', '17')).stdout).toMatch(
      /^1 inputs, seed 1/,
    );
    const wrong = await fuzz('--reader', 'nothing');
    expect(wrong.stderr).toMatch(/there is no reader nothing; the readers are rows, questions/);
    expect(wrong.code).toBe(1);
  });
});
