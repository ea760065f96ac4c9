/** Training commands that start their own ranks, as real processes. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { athanor, cliPath, lastLineJson, runNode, suiteFolder } from '../helpers/cli.ts';

const root = suiteFolder();
const data = join(root, 'data');

const command = (out: string, ...more: string[]) => [
  ...['pretrain', '--data', data, '--model', 'tiny', '--context', '32', '--batch-size', '2'],
  ...['--grad-accum', '2', '--steps', '4', '--dtype', 'f32', '--out', join(root, out), ...more],
];
const modelOf = (out: string) =>
  createHash('sha256')
    .update(readFileSync(join(root, out, 'model.safetensors')))
    .digest('hex');

beforeAll(async () => {
  const text = Array.from({ length: 200 }, (_, i) => `Line ${i}: cat ${(i * 7) % 13} sat on it.`);
  writeFileSync(join(root, 'corpus.txt'), text.join('\n'));
  await athanor('data', 'prepare', join(root, 'corpus.txt'), '--out', data, '--vocab-size', '300');
  await athanor(...command('whole'));
});

it('has the bits of one process, and one result', async () => {
  const { code, stdout, stderr } = await athanor(...command('two', '--data-parallel', '2', '--json'));
  expect(code, stderr).toBe(0);
  expect(stdout.trim().split('\n')).toHaveLength(1);
  expect(lastLineJson(stdout)).toMatchObject({ step: 4, out: join(root, 'two') });
  expect(stderr).toContain('2 ranks, ZeRO-1');
  expect(existsSync(join(root, 'two', 'ranks', 'rank-1.log'))).toBe(true);
  expect(modelOf('two')).toBe(modelOf('whole'));
});

it('refuses more ranks than batches before it starts any', async () => {
  const { code, stderr } = await athanor(...command('many', '--data-parallel', '1000'));
  expect(code).toBe(2);
  expect(stderr).toMatch(/an update has 2 batches, too few for 1000 ranks/);
  expect(existsSync(join(root, 'many'))).toBe(false);
});

it('a launched command may name its folder in a config file', async () => {
  const config = join(root, 'launched.yaml');
  writeFileSync(config, `out: ${join(root, 'launched')}\n`);
  const words = [...command('ignored').slice(0, -2), '--config', config];
  const { code, stderr } = await athanor('launch', '-n', '2', '--', ...words);
  expect(code, stderr).toBe(0);
  expect(existsSync(join(root, 'launched', 'ranks', 'rank-1.log'))).toBe(true);
});

it('can be set in a config file, and its ranks start none of their own', async () => {
  const config = join(root, 'run.yaml');
  writeFileSync(config, `data-parallel: 2\nout: ${join(root, 'config')}\n`);
  const { code, stderr } = await athanor(...command('ignored').slice(0, -2), '--config', config);
  expect(code, stderr).toBe(0);
  expect(stderr.match(/2 ranks, ZeRO-1/g)).toHaveLength(1);
  expect(modelOf('config')).toBe(modelOf('whole'));
});

it('auto without a GPU trains in this process, and says so', async () => {
  const args = [cliPath, ...command('auto', '--data-parallel', 'auto', '--device', 'cpu')];
  const { code, stderr } = await runNode(args);
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(/^no GPU is used, so one process trains\n/);
  expect(modelOf('auto')).toBe(modelOf('whole'));
});

it('is refused as a rank of a launcher, with both sides', async () => {
  const env = { RANK: '0', WORLD_SIZE: '2', MASTER_ADDR: '127.0.0.1', MASTER_PORT: '29400' };
  const { code, stderr } = await runNode([cliPath, ...command('rank', '--data-parallel', '2')], { env });
  expect(stderr).toBe(
    'error: --data-parallel starts processes, and this is one of 2 that the variables RANK and ' +
      'WORLD_SIZE started [ERR_OPTION]\n  leave it out, or start the command without a launcher\n',
  );
  expect(code).toBe(2);
});

it.each(['0', '1.5', 'all', '-1'])('refuses %s', async (value) => {
  const { code, stderr } = await athanor(...command('wrong', `--data-parallel=${value}`));
  expect(stderr).toContain('--data-parallel expects off, auto or a whole number between 1 and 4096');
  expect(code).toBe(2);
});
