/** `athanor bench comm`: every collective and size has a row, beside MPI where that is. */
import { expect, it } from 'vitest';
import { busFactor } from '../../src/bench/comm-bench.ts';
import { cliPath, lastLineJson, runNode } from '../helpers/cli.ts';
import { noMpi } from '../helpers/rank-processes.ts';

interface Row {
  operation: string;
  bytes: number;
  seconds: number;
  bus_bandwidth: number;
  mpi_seconds: number | null;
  ratio: number | null;
}

const env = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };

async function rowsOf(engine: string): Promise<Row[]> {
  const options = ['--engine', engine, '--sizes', '4096', '--sizes', '5000', '--repeats', '1', '--json'];
  const { stdout, stderr } = await runNode([cliPath, 'bench', 'comm', ...options], { env });
  expect(stderr).not.toMatch(/ERR_/);
  return lastLineJson(stdout).rows as Row[];
}

function expectRows(rows: readonly Row[]): void {
  const operations = ['allReduce', 'reduceScatter', 'allGather', 'allToAll', 'broadcast'];
  expect(rows.map(({ operation, bytes }) => `${operation} ${bytes}`)).toEqual(
    [4096, 5000].flatMap((bytes) => operations.map((operation) => `${operation} ${bytes}`)),
  );
  for (const row of rows) {
    expect(row.seconds).toBeGreaterThan(0);
    expect(row.bus_bandwidth).toBeCloseTo((row.bytes * busFactor(row.operation, 2)) / row.seconds, 0);
  }
}

it('over TCP', async () => {
  const rows = await rowsOf('tcp');
  expectRows(rows);
  for (const row of rows) expect(row).toMatchObject({ mpi_seconds: null, ratio: null });
});

it.skipIf(noMpi)('over MPI, beside MPI itself', async () => {
  const rows = await rowsOf('mpi');
  expectRows(rows);
  for (const row of rows) expect(row.ratio).toBeCloseTo(row.mpi_seconds! / row.seconds, 6);
});

it('bus bandwidth counts what passes each connection', () => {
  expect(busFactor('allReduce', 4)).toBe(1.5);
  expect(busFactor('allGather', 4)).toBe(0.75);
  expect(busFactor('broadcast', 4)).toBe(1);
});
