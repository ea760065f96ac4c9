/** `--data-parallel auto` on a machine with two GPUs: emulated kernels and a stand-in of NCCL. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { athanor, cliPath, runNode, suiteFolder } from '../helpers/cli.ts';
import { buildEmulatedAddon, buildEmulator, testBuild } from '../helpers/emulator.ts';

const root = suiteFolder();
const env: Record<string, string> = { ATHANOR_NCCL: join(testBuild, 'libfake_nccl.so') };

/** A nvidia-smi that lists two GPUs. */
function writeLister(folder: string): void {
  const line = 'echo "NVIDIA H200, 143771, 580.1"';
  mkdirSync(folder);
  writeFileSync(join(folder, 'nvidia-smi'), `#!/bin/sh\n${line}\n${line}\n`, { mode: 0o755 });
}

beforeAll(async () => {
  await buildEmulator('fake_nccl');
  env.ATHANOR_NATIVE = await buildEmulatedAddon();
  writeLister(join(root, 'bin'));
  env.PATH = `${join(root, 'bin')}:${process.env.PATH}`;
  writeFileSync(join(root, 'corpus.txt'), 'The cat sat on the mat.\n'.repeat(100));
  const source = join(root, 'corpus.txt');
  await athanor('data', 'prepare', source, '--out', join(root, 'data'), '--vocab-size', '260');
}, 1_200_000);

it.each([
  [undefined, /2 ranks, ZeRO-1/],
  ['1', /this machine has one GPU, so one process trains/],
])('with CUDA_VISIBLE_DEVICES %s', async (visible, said) => {
  const out = join(root, `run-${visible}`);
  const size = ['--model', 'tiny', '--context', '16', '--batch-size', '1', '--grad-accum', '2'];
  const args = [...size, '--steps', '1', '--sample-tokens', '1', '--data-parallel', 'auto', '--out', out];
  const shown: Record<string, string> = visible === undefined ? {} : { CUDA_VISIBLE_DEVICES: visible };
  const command = [cliPath, 'pretrain', '--data', join(root, 'data'), ...args];
  const { code, stderr, stdout } = await runNode(command, { env: { ...env, ...shown } });
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(said);
  expect(stdout.match(/1 steps/g)).toHaveLength(1);
});
