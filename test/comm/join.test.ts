/** Processes that cannot meet: one clear error each. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { packageRoot } from '../../src/base/package-root.ts';
import { joinRanks } from '../../src/comm/join.ts';
import type { Launch } from '../../src/comm/launcher.ts';
import { mpirunArguments } from '../../src/comm/mpirun.ts';
import { selfCommunicator } from '../../src/comm/self-communicator.ts';
import { runNode, temporaryFolder } from '../helpers/cli.ts';
import { noMpi } from '../helpers/rank-processes.ts';
import { expectError } from '../helpers/reference.ts';

function place(rank: number, size: number, port: number): Launch {
  const transport = { kind: 'tcp', host: '127.0.0.1', port } as const;
  return { rank, size, localRank: rank, localSize: size, transport, launcher: 'a test' };
}

const meet = (rank: number, size: number, port: number, seconds = 20) =>
  joinRanks({ launch: place(rank, size, port), timeLimit: seconds });

async function occupied(): Promise<number> {
  const server: Server = createServer().listen(0);
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.on('listening', resolve));
  return (server.address() as { port: number }).port;
}

it('a process that was started alone is the only rank', async () => {
  expect(await joinRanks({ launch: undefined })).toBe(selfCommunicator);
  expect(await meet(0, 1, 1)).toBe(selfCommunicator);
});

it('ranks of one process meet too', async () => {
  const port = await freePort();
  const ranks = await Promise.all([meet(2, 3, port), meet(0, 3, port), meet(1, 3, port)]);
  const sums = await Promise.all(ranks.map((one) => one.sum([one.rank])));
  expect(sums).toEqual([[3], [3], [3]]);
  await Promise.all(ranks.map((one) => one.close()));
  await expect(ranks[0]!.barrier()).rejects.toMatchObject({
    code: 'ERR_STATE',
    message: expect.stringMatching(/is closed/),
  });
});

it('a port in use', async () => {
  const port = await occupied();
  await expect(meet(0, 2, port)).rejects.toMatchObject({
    code: 'ERR_COMM_SETUP',
    message: expect.stringMatching(
      `rank 0 cannot listen on port ${port}: Address already in use; set MASTER_PORT to a free port`,
    ),
  });
});

it('ranks that do not come', async () => {
  const port = await freePort();
  await expect(meet(0, 3, port, 0.3)).rejects.toMatchObject({
    code: 'ERR_COMM_TIMEOUT',
    message: expect.stringMatching('ranks 1, 2 did not arrive at the meeting of the ranks within 0.3 s'),
  });
  await expect(meet(1, 3, port, 0.3)).rejects.toMatchObject({
    code: 'ERR_COMM_TIMEOUT',
    message: expect.stringMatching(
      `rank 0 did not arrive at the meeting of the ranks within 0.3 s: nobody answered at 127.0.0.1, port ${port};`,
    ),
  });
});

it('a name that no machine has', async () => {
  const launch: Launch = {
    ...place(1, 2, 1),
    transport: { kind: 'tcp', host: 'no-such-machine.invalid', port: 29_400 },
  };
  await expect(joinRanks({ launch, timeLimit: 0.3 })).rejects.toMatchObject({
    code: 'ERR_COMM_TIMEOUT',
    message: expect.stringMatching(
      'within 0.3 s: no machine is known by the name of MASTER_ADDR, no-such-machine.invalid;',
    ),
  });
});

it('two processes of one rank', async () => {
  const port = await freePort();
  const found = await Promise.allSettled([meet(0, 3, port, 5), meet(1, 3, port, 5), meet(1, 3, port, 5)]);
  const reasons = found.map((one) => (one.status === 'rejected' ? (one.reason as Error).message : ''));
  expect(reasons[0]).toMatch(/two processes came as rank 1; give each process a RANK of its own/);
  expect(reasons.some((text) => /another process is rank 1 already/.test(text))).toBe(true);
});

it('ranks that disagree on their number', async () => {
  const port = await freePort();
  const [root, other] = await Promise.allSettled([meet(0, 2, port, 5), meet(1, 3, port, 5)]);
  expect(root).toMatchObject({
    reason: {
      code: 'ERR_COMM_SETUP',
      message: expect.stringMatching(/started for 3 ranks but rank 0 for 2/),
    },
  });
  expect(other).toMatchObject({
    reason: { code: 'ERR_COMM_SETUP', message: expect.stringMatching(/another number of ranks than 3/) },
  });
});

it('a stranger at the port of rank 0 is passed over', async () => {
  const port = await freePort();
  const root = meet(0, 2, port);
  const { connect } = await import('node:net');
  const call = async (): Promise<void> => {
    await new Promise<void>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.end('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
        resolve();
      });
      socket.on('error', () => setTimeout(() => call().then(resolve), 20));
    });
  };
  await call();
  const ranks = await Promise.all([root, meet(1, 2, port)]);
  expect(await Promise.all(ranks.map((one) => one.sum([1])))).toEqual([[2], [2]]);
  await Promise.all(ranks.map((one) => one.close()));
});

it('a process that MPI was to start but that no MPI started', async () => {
  const launch: Launch = { ...place(0, 2, 1), transport: { kind: 'mpi' } };
  process.env.ATHANOR_MPI = '/nowhere/athanor_mpi.so';
  onTestFinished(() => void delete process.env.ATHANOR_MPI);
  await expect(joinRanks({ launch })).rejects.toMatchObject({
    code: 'ERR_COMM_SETUP',
    message: expect.stringMatching(/has no MPI module.*apt-get install libopenmpi-dev openmpi-bin/),
  });
});

it('a time limit that is none', async () => {
  process.env.ATHANOR_COMM_TIMEOUT = 'soon';
  onTestFinished(() => void delete process.env.ATHANOR_COMM_TIMEOUT);
  await expect(joinRanks({ launch: place(0, 2, 1) })).rejects.toMatchObject({ code: 'ERR_COMM_SETUP' });
});

/** Joins in a process of its own, which MPI can start in, and gives its error. */
async function joinAlone(env: Record<string, string>): Promise<string> {
  const url = pathToFileURL(join(packageRoot, 'dist/comm/join.js')).href;
  const program = `import(${JSON.stringify(url)})
    .then(({ joinRanks }) => joinRanks({ timeLimit: 20 }))
    .then(() => process.exit(0), ({ code, message }) => { console.log(code + ' ' + message); process.exit(1); });`;
  return (await runNode(['-e', program], { env })).stdout;
}

it.skipIf(noMpi)('a launcher that this MPI does not know', async () => {
  const text = await joinAlone({ PMI_RANK: '0', PMI_SIZE: '2' });
  expect(text).toMatch(
    /^ERR_COMM_SETUP .*the launcher started 2 ranks but Open MPI [\d.]+ knows of 1; start it with the mpirun of/,
  );
});

it('another MPI than the engine was built with', async () => {
  const folder = temporaryFolder();
  const source = join(folder, 'module.cpp');
  writeFileSync(
    source,
    `#include "comm/mpi/module.h"
    using namespace athanor::comm;
    static const char* library() { return "Open MPI v5.0.3, package: x"; }
    extern "C" const MpiModule athanor_mpi_module = {VERSION, "Open MPI 4.1.4", library, nullptr, nullptr, nullptr};`,
  );
  const build = (version: string) => {
    const path = join(folder, `${version}.so`);
    const include = join(packageRoot, 'native');
    const args = [
      '-std=c++20',
      '-shared',
      '-fPIC',
      `-I${include}`,
      `-DVERSION=${version}`,
      source,
      '-o',
      path,
    ];
    expect(spawnSync('g++', args, { encoding: 'utf8' }).stderr).toBe('');
    return path;
  };
  const launched = { PMI_RANK: '0', PMI_SIZE: '2' };
  expect(await joinAlone({ ...launched, ATHANOR_MPI: build('kMpiModuleVersion') })).toMatch(
    /^ERR_COMM_SETUP .*the MPI that is loaded is Open MPI v5\.0\.3 but the engine was built with Open MPI 4\.1\.4/,
  );
  expect(await joinAlone({ ...launched, ATHANOR_MPI: build('99') })).toMatch(
    /^ERR_COMM_SETUP .*belongs to another version of the engine/,
  );
});

it('mpirun as root', () => {
  expectError('ERR_COMM_SETUP', /mpirun does not run as root/, () =>
    mpirunArguments(2, { env: {}, isRoot: true, cores: 2 }),
  );
  const env = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };
  expect(mpirunArguments(4, { env, isRoot: true, cores: 2 })).toEqual([
    '--bind-to',
    'none',
    '--oversubscribe',
    '-n',
    '4',
  ]);
});
