/** `mpirun` over two network namespaces as two machines, with two ranks on each. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { athanor, suiteFolder } from '../helpers/cli.ts';
import { bitsOf, launchedRuns } from '../helpers/launched-runs.ts';
import { mpirun } from '../helpers/mpirun.ts';
import { noMpi } from '../helpers/rank-processes.ts';
import { connectMachines, type TwoMachines } from '../helpers/two-machines.ts';

const root = suiteFolder();
let machines: TwoMachines;
let command: Awaited<ReturnType<typeof launchedRuns>>;
let whole: ReturnType<typeof bitsOf>;
/** Options of mpirun that start two ranks on each machine. */
let options: string[];
beforeAll(async () => {
  machines = connectMachines();
  if (noMpi || machines.problem) return;
  const { names, addresses, network } = machines;
  // What ssh is to real machines: AGENT HOST COMMAND.
  const agent = join(root, 'agent');
  const cases = names.map((name, i) => `${addresses[i]}) exec ip netns exec ${name} sh -c "$*";;`);
  writeFileSync(agent, `#!/bin/sh\nhost=$1\nshift\ncase $host in\n${cases.join('\n')}\nesac\nexit 1\n`, {
    mode: 0o755,
  });
  const settings = {
    plm_rsh_agent: agent,
    oob_tcp_if_include: network,
    btl: 'self,tcp',
    btl_tcp_if_include: network,
  };
  options = [
    ...['--host', addresses.map((address) => `${address}:2`).join(',')],
    ...Object.entries(settings).flatMap(([key, value]) => ['--mca', key, value]),
  ];
  command = await launchedRuns(root);
  await athanor(...command(join(root, 'whole')));
  whole = bitsOf(join(root, 'whole'));
}, 240_000);
afterAll(() => machines.dispose());

/** mpirun on the first machine. */
const onMachines = (out: string, more: Parameters<typeof mpirun>[2] = {}) =>
  mpirun(4, command(out), { ...more, options, behind: ['ip', 'netns', 'exec', machines.names[0]] });

/** The process of a rank of this run on the second machine. */
function rankThere(out: string): number | undefined {
  const { stdout } = spawnSync('ip', ['netns', 'pids', machines.names[1]], { encoding: 'utf8' });
  return stdout
    .split('\n')
    .filter(Boolean)
    .map(Number)
    .find((pid) => {
      const words = existsSync(`/proc/${pid}`)
        ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
        : [];
      return words[0] === process.execPath && words.includes(out);
    });
}

describe.skipIf(noMpi !== undefined)(`mpirun on two machines${noMpi ? ` (skipped: ${noMpi})` : ''}`, () => {
  it.for<[string, Record<string, string>]>([
    ['MPI', {}],
    ['TCP', { ATHANOR_COMM: 'tcp', MASTER_ADDR: '10.231.7.1', MASTER_PORT: '29611' }],
  ])('leaves the files of one process, over %s', async ([way, env], { skip }) => {
    if (machines.problem) return skip(`no network namespaces here: ${machines.problem}`);
    const out = join(root, way);
    const { code, output } = await onMachines(out, { env });
    expect(code, output).toBe(0);
    expect(output).toContain('4 ranks, ZeRO-1');
    expect(bitsOf(out)).toEqual(whole);
  });

  it('ends when a rank of the other machine is killed, and the run goes on', async ({ skip }) => {
    if (machines.problem) return skip(`no network namespaces here: ${machines.problem}`);
    const out = join(root, 'killed');
    let wasKilled = false;
    const kill = async () => {
      while (!existsSync(join(out, 'checkpoints'))) await delay(5);
      const pid = rankThere(out);
      if (pid === undefined) return;
      process.kill(pid, 'SIGKILL');
      wasKilled = true;
    };
    const { code, output } = await onMachines(out, { started: () => void kill() });
    expect(wasKilled).toBe(true);
    expect(code).not.toBe(0);
    expect(output).toMatch(/exited on signal 9/);
    expect(await athanor(...command(out))).toMatchObject({ code: 0 });
    expect(bitsOf(out)).toEqual(whole);
  });
});
