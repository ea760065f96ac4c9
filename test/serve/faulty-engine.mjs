// The engine thread, with faults on demand: a test names one on this channel.
import { workerData } from 'node:worker_threads';

const channel = new BroadcastChannel(`faults of ${workerData.model}`);
channel.onmessage = ({ data }) => {
  if (data === 'crash') throw new Error('a fault of the test');
  if (data === 'stall') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
};
channel.unref();
await import('../../dist/serve/engine/worker.js');
