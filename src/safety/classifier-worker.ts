/** The thread of the classifiers. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { AthanorError } from '../base/errors.ts';
import { setDevice, setThreads } from '../native/engine.ts';
import { Classifier } from '../scoring/classifier.ts';
import type { ClassifierThreadSettings, FromClassifiers, ToClassifiers } from './classifier-messages.ts';
import { ReadingQueue } from './reading-queue.ts';

const port = parentPort!;
const post = (message: FromClassifiers) => port.postMessage(message);

function load({ folders, device, dtype, threads }: ClassifierThreadSettings): Classifier[] | undefined {
  try {
    setDevice(device, { dtype });
    if (threads !== undefined) setThreads(threads);
    return folders.map((folder) => Classifier.load(folder, { dtype }));
  } catch (error) {
    post({ type: 'unusable', error: sentError(error) });
    return undefined;
  }
}

function sentError(error: unknown) {
  if (error instanceof AthanorError) {
    return { code: error.code, message: error.message, remedy: error.remedy };
  }
  return {
    code: 'ERR_INTERNAL' as const,
    message: (error as Error).stack ?? String(error),
    remedy: undefined,
  };
}

const classifiers = load(workerData as ClassifierThreadSettings);
if (classifiers) {
  const queue = new ReadingQueue(classifiers, {
    onScored: (id, probabilities) => post({ type: 'scored', id, probabilities }),
    onRefused: (id, error) => post({ type: 'refused', id, error: sentError(error) }),
  });
  const take = (message: ToClassifiers) => {
    if ('cancel' in message) queue.cancel(message.cancel);
    else queue.add(message);
  };
  port.on('message', (first: ToClassifiers) => {
    take(first);
    for (;;) {
      for (let got = receiveMessageOnPort(port); got; got = receiveMessageOnPort(port)) {
        take(got.message as ToClassifiers);
      }
      if (!queue.isBusy) return;
      queue.read();
    }
  });
  post({ type: 'ready' });
}
