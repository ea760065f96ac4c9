/** The thread of the feedback store. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { FeedbackStore } from '../../feedback/store.ts';
import { sentError } from '../protocol/sent-error.ts';
import type { FromStore, StoreSettings, ToStore } from './messages.ts';
import { StoreWriter } from './store-writer.ts';

const HOUR_MS = 3_600_000;

const port = parentPort!;
const { path, days } = workerData as StoreSettings;
const post = (message: FromStore) => port.postMessage(message);

function opened(): FeedbackStore | undefined {
  try {
    const store = FeedbackStore.open(path);
    store.check();
    return store;
  } catch (error) {
    post({ type: 'unusable', error: sentError(error) });
    return undefined;
  }
}

const store = opened();
if (store) {
  const writer = new StoreWriter(store, post);
  port.on('message', (first: ToStore) => {
    const messages = [first];
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) {
      messages.push(next.message as ToStore);
    }
    writer.handle(messages);
  });
  post({ type: 'ready' });
  if (days !== undefined) {
    writer.prune(days);
    setInterval(() => writer.prune(days), HOUR_MS).unref();
  }
}
