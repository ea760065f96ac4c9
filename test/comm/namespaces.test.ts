/** Two network namespaces with a cable between them, as two machines. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runRanks } from '../helpers/rank-processes.ts';

const id = process.pid % 10_000;
const names = [`athanor-a${id}`, `athanor-b${id}`] as const;
const ends = [`ath-a${id}`, `ath-b${id}`] as const;

const ip = (...words: string[]) => spawnSync('ip', words, { encoding: 'utf8' });

function connect(): string | undefined {
  const commands = [
    ...names.map((name) => ['netns', 'add', name]),
    ['link', 'add', ends[0], 'type', 'veth', 'peer', 'name', ends[1]],
    ...names.map((name, i) => ['link', 'set', ends[i]!, 'netns', name]),
    ...names.map((name, i) => ['-n', name, 'addr', 'add', `10.231.7.${i + 1}/24`, 'dev', ends[i]!]),
    ...names.flatMap((name, i) => [
      ['-n', name, 'link', 'set', ends[i]!, 'up'],
      ['-n', name, 'link', 'set', 'lo', 'up'],
    ]),
  ];
  for (const words of commands) {
    const { status, stderr, error } = ip(...words);
    if (status !== 0) return `ip ${words.join(' ')}: ${error?.message ?? stderr.trim()}`;
  }
  return undefined;
}

let problem: string | undefined;
beforeAll(() => {
  problem = connect();
});
afterAll(() => {
  for (const name of names) ip('netns', 'del', name);
});

it('ranks on two machines meet at the address of rank 0, and each with each', async ({ skip }) => {
  if (problem) return skip(`no network namespaces here: ${problem}`);
  const before = (rank: number) => ['ip', 'netns', 'exec', names[rank % 2]!];
  const run = await runRanks('variables', 4, 'numbers', {}, { host: '10.231.7.1', before });
  expect(run.codes, run.output).toEqual([0, 0, 0, 0]);
  for (const found of run.found) expect(found).toMatchObject({ texts: ['', 'ü', 'üü', 'üüü'] });
});
