/** Two network namespaces with a cable between them, as two machines. */
import { spawnSync } from 'node:child_process';

export interface TwoMachines {
  /** Names of the namespaces. */
  names: readonly [string, string];
  addresses: readonly [string, string];
  /** The network of both, as ADDRESS/BITS. */
  network: string;
  /** Why there are none here; undefined where they are connected. */
  problem: string | undefined;
  dispose(): void;
}

const ip = (...words: string[]) => spawnSync('ip', words, { encoding: 'utf8' });

/** Makes them, which takes root and `ip`. */
export function connectMachines(): TwoMachines {
  const id = process.pid % 10_000;
  const names = [`athanor-a${id}`, `athanor-b${id}`] as const;
  const ends = [`ath-a${id}`, `ath-b${id}`] as const;
  const addresses = ['10.231.7.1', '10.231.7.2'] as const;
  const commands = [
    ...names.map((name) => ['netns', 'add', name]),
    ['link', 'add', ends[0], 'type', 'veth', 'peer', 'name', ends[1]],
    ...names.map((name, i) => ['link', 'set', ends[i]!, 'netns', name]),
    ...names.map((name, i) => ['-n', name, 'addr', 'add', `${addresses[i]}/24`, 'dev', ends[i]!]),
    ...names.flatMap((name, i) => [
      ['-n', name, 'link', 'set', ends[i]!, 'up'],
      ['-n', name, 'link', 'set', 'lo', 'up'],
    ]),
  ];
  const dispose = () => {
    for (const name of names) ip('netns', 'del', name);
  };
  return { names, addresses, network: '10.231.7.0/24', problem: problemOf(commands), dispose };
}

function problemOf(commands: readonly string[][]): string | undefined {
  for (const words of commands) {
    const { status, stderr, error } = ip(...words);
    if (status !== 0) return `ip ${words.join(' ')}: ${error?.message ?? stderr.trim()}`;
  }
  return undefined;
}
