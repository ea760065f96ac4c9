// The thread of the feedback store, with a crash on demand: a test asks for it on this channel.
import { workerData } from 'node:worker_threads';

const channel = new BroadcastChannel(`faults of ${workerData.path}`);
channel.onmessage = () => {
  throw new Error('a fault of the test');
};
channel.unref();
await import('../../dist/serve/feedback/store-worker.js');
