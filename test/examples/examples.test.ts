/** The programs of examples/, compiled against the package as a user's would be, and run. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { runNode } from '../helpers/cli.ts';
import { compilePrograms } from '../helpers/programs.ts';

const out = join(packageRoot, 'build', 'test-examples');

beforeAll(async () => {
  expect(await compilePrograms(join(packageRoot, 'examples'), out)).toBe('');
});

async function run(name: string): Promise<string> {
  const { code, stdout, stderr } = await runNode([join(out, `${name}.js`)]);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return stdout;
}

/** The numbers of an output. */
const numbers = (text: string) => [...text.matchAll(/-?\d+(\.\d+)?/g)].map(([number]) => Number(number));

describe('an example', () => {
  it('fits a line by gradients', async () => {
    const line = (await run('tensor')).trim().split('\n').at(-1)!;
    const [slope, offset] = numbers(line.replace('+', ''));
    expect(slope).toBeCloseTo(3, 1);
    expect(offset).toBeCloseTo(-1, 1);
  });

  it('trains a model of its own', async () => {
    const [before, after] = numbers(await run('own-model'));
    expect(before).toBeGreaterThan(5);
    expect(after).toBeLessThan(3.3);
  });

  it('goes from text to a conversation', async () => {
    expect((await run('pretrain-and-chat')).trim().split('\n').at(-1)).toBe('The capital of Peru is Lima.');
  });

  it('fine-tunes with adapters', async () => {
    const output = await run('sft-lora');
    const [trained, all] = numbers(/^.*numbers were trained$/m.exec(output)![0]);
    expect(trained).toBeLessThan(all! / 2);
    expect(output).toMatch(/step 20: \{ val_loss: \d/);
  });

  it('raises the value of a reward function', async () => {
    const [before, after] = numbers(await run('grpo-reward-function'));
    expect(after).toBeGreaterThan(before! + 0.3);
  });

  it('trains a stage of its own', async () => {
    const [loss] = numbers((await run('custom-stage')).trim().split('\n').at(-1)!);
    expect(loss).toBeLessThan(0.2);
  });
});
