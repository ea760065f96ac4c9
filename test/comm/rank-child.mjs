// One rank of test/comm/engines.test.ts: `rank-child.mjs SCENARIO FOLDER`. What it found is in
// FOLDER/RANK.json.
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { joinRanks } from '../../dist/comm/join.js';
import { setDevice } from '../../dist/native/engine.js';
import { tensor, zeros } from '../../dist/tensor/tensor.js';
import { cases, hashOf, inputOf, joined, rootOf, titleOf } from './collective-cases.mjs';

const [scenario, folder] = process.argv.slice(2);

function start(ranks, one) {
  const input = tensor(inputOf(one, ranks.rank, ranks.size));
  if (one.operation === 'allReduce') return { output: input, work: ranks.allReduce(input, 'sums') };
  if (one.operation === 'broadcast') return { output: input, work: ranks.broadcast(input, one.root) };
  if (one.operation === 'broadcastEach') return startPieces(ranks, one);
  const part = one.elements / ranks.size;
  const size = { reduceScatter: part, allToAll: one.elements - part }[one.operation] ?? one.elements;
  const output = zeros([size], one.dtype);
  return { output, work: ranks[one.operation](input, output) };
}

function startPieces(ranks, one) {
  const values = inputOf(one, ranks.rank, ranks.size);
  const at = (piece) => (piece * values.length) / ranks.size;
  const pieces = Array.from({ length: ranks.size }, (_, piece) => ({
    tensor: tensor(values.slice(at(piece), at(piece + 1))),
    root: rootOf(piece, ranks.size),
  }));
  const read = () =>
    joined(
      one.dtype,
      pieces.map(({ tensor }) => tensor.read()),
    );
  return { output: { read }, work: ranks.broadcastEach(pieces) };
}

const joinOptions = { late: { timeLimit: 2, connectLimit: 60 }, inexact: { exact: false } };

const scenarios = {
  /** Each collective alone, waited for in both ways, then all of them under way at once. */
  async values(ranks) {
    const hashes = {};
    for (const one of cases(ranks.size)) {
      const { output, work } = start(ranks, one);
      await work.wait();
      hashes[titleOf(one)] = hashOf(output.read());
      const again = start(ranks, one);
      again.work.block();
      if (hashes[titleOf(one)] !== hashOf(again.output.read())) throw new Error(`${titleOf(one)} blocks`);
    }
    const together = cases(ranks.size).map((one) => [titleOf(one), start(ranks, one)]);
    for (const [title, { output, work }] of together.reverse()) {
      await work.wait();
      if (hashes[title] !== hashOf(output.read())) throw new Error(`${title} differs among others`);
    }
    return { hashes };
  },
  /** Sockets of this process that a TCP connection has. */
  async sockets() {
    const inodes = readdirSync('/proc/self/fd').flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1] ?? [];
      } catch {
        return []; // the folder's own
      }
    });
    const connected = ['tcp', 'tcp6']
      .flatMap((kind) => readFileSync(`/proc/self/net/${kind}`, 'utf8').split('\n'))
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '01')
      .map((fields) => fields[9]);
    return { tcp: inodes.filter((inode) => connected.includes(inode)).length };
  },
  async numbers(ranks) {
    const sums = await ranks.sum([ranks.rank, 0.1 * (ranks.rank + 1), -0]);
    const gathered = await ranks.gather(Array(ranks.rank).fill(ranks.rank));
    const texts = await ranks.gatherText('ü'.repeat(ranks.rank));
    const uneven = await ranks
      .sum(Array(ranks.rank).fill(1))
      .catch(({ code, message }) => ({ code, message }));
    return { sums, gathered, texts, uneven };
  },
  async inexact(ranks) {
    const values = [-1e8, 1e8, 1];
    const t = tensor([values[ranks.rank]]);
    await ranks.allReduce(t).wait();
    const [whole, part] = [tensor(Array(3).fill(values[ranks.rank])), zeros([1])];
    await ranks.reduceScatter(whole, part).wait();
    return { sums: [...t.toFloats()], scattered: [...part.toFloats()] };
  },
  /** The last rank starts another operation than the others. */
  async mismatch(ranks) {
    const t = zeros([8]);
    const isLast = ranks.rank === ranks.size - 1;
    await (isLast ? ranks.broadcast(t, 0) : ranks.allReduce(t, 'gradients 3')).wait();
  },
  async 'mismatch, blocked'(ranks) {
    const t = zeros([8]);
    (ranks.rank === ranks.size - 1 ? ranks.broadcast(t, 0) : ranks.allReduce(t)).block();
  },
  async sizes(ranks) {
    await ranks.allReduce(zeros([ranks.rank === 1 ? 5 : 4])).wait();
  },
  /** The last rank does not come to the second operation. */
  async late(ranks) {
    await ranks.barrier();
    if (ranks.rank === ranks.size - 1) await setTimeout(6_000);
    const works = [ranks.allReduce(zeros([4]), 'gradients 3'), ranks.allReduce(zeros([4]))];
    const error = await works[0].wait().catch((one) => one);
    const next = await works[1].wait().catch((one) => one);
    const [first, then] = [error, next].map(({ code, message }) => ({ code, message }));
    writeFileSync(join(folder, `next-${ranks.rank}.json`), JSON.stringify({ first, then }));
    throw error;
  },
  /** The last rank dies while the others wait for it. */
  async dies(ranks) {
    await ranks.barrier();
    if (ranks.rank === ranks.size - 1) process.kill(process.pid, 'SIGKILL');
    await ranks.allReduce(zeros([4]), 'gradients 3').wait();
  },
  async 'dies, blocked'(ranks) {
    await ranks.barrier();
    if (ranks.rank === ranks.size - 1) process.kill(process.pid, 'SIGKILL');
    ranks.allReduce(zeros([4]), 'gradients 3').block();
  },
  /** Ends in the middle of an operation without waiting for it. */
  async leaves(ranks) {
    if (ranks.rank === 0) {
      ranks.allReduce(zeros([4]), 'gradients 3');
      process.exit(7);
    }
    await ranks.allReduce(zeros([4]), 'gradients 3').wait();
  },
  async arguments(ranks) {
    const codes = [];
    const attempt = (body) => {
      try {
        body();
      } catch ({ code }) {
        codes.push(code);
      }
    };
    attempt(() => ranks.allReduce(tensor(new Int32Array(4))));
    attempt(() => ranks.allGather(zeros([4]), zeros([4])));
    attempt(() => ranks.reduceScatter(zeros([4 * ranks.size]), zeros([5])));
    attempt(() => ranks.allToAll(zeros([4 * ranks.size + 1]), zeros([4 * ranks.size + 1])));
    attempt(() => ranks.allGather(zeros([4]), zeros([4 * ranks.size], 'bf16')));
    attempt(() => ranks.broadcast(zeros([4]), ranks.size));
    const pieces = [zeros([4]), zeros([4], 'bf16')].map((tensor) => ({ tensor, root: 0 }));
    attempt(() => ranks.broadcastEach(pieces));
    attempt(() => ranks.broadcastEach([{ tensor: zeros([4]), root: ranks.size }]));
    return { codes };
  },
};

function write(rank, found) {
  writeFileSync(join(folder, `${rank}.json`), JSON.stringify(found));
}

let rank = process.env.RANK ?? process.env.OMPI_COMM_WORLD_RANK;
try {
  if (process.env.TEST_DEVICE) setDevice(process.env.TEST_DEVICE);
  const ranks = await joinRanks(joinOptions[scenario] ?? {});
  rank = ranks.rank;
  const found = await scenarios[scenario](ranks);
  await ranks.close();
  write(rank, { size: ranks.size, ...found });
} catch (error) {
  write(rank, { code: error.code, message: error.message });
  process.exitCode = 1;
}
