/** A rank of `athanor bench comm`: `comm-worker.js SIZE,SIZE`. Rank 0 prints the timings. */
import { joinRanks } from '../comm/join.ts';
import { setThreads } from '../native/engine.ts';
import { timeCollectives } from './comm-bench.ts';

setThreads(1);
const ranks = await joinRanks();
const timings = await timeCollectives(ranks, process.argv[2]!.split(',').map(Number));
await ranks.close();
if (ranks.rank === 0) process.stdout.write(JSON.stringify(timings));
