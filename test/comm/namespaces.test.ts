/** Two network namespaces with a cable between them, as two machines. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runRanks } from '../helpers/rank-processes.ts';
import { connectMachines, type TwoMachines } from '../helpers/two-machines.ts';

let machines: TwoMachines;
beforeAll(() => {
  machines = connectMachines();
});
afterAll(() => machines.dispose());

it('ranks on two machines meet at the address of rank 0, and each with each', async ({ skip }) => {
  const { problem, names, addresses } = machines;
  if (problem) return skip(`no network namespaces here: ${problem}`);
  const before = (rank: number) => ['ip', 'netns', 'exec', names[rank % 2]!];
  const run = await runRanks('variables', 4, 'numbers', {}, { host: addresses[0], before });
  expect(run.codes, run.output).toEqual([0, 0, 0, 0]);
  for (const found of run.found) expect(found).toMatchObject({ texts: ['', 'ü', 'üü', 'üüü'] });
});
