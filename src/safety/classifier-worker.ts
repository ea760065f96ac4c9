/** The thread of the classifiers. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { AthanorError } from '../base/errors.ts';
import { setDevice, setThreads } from '../native/engine.ts';
import { Classifier } from '../scoring/classifier.ts';
import type { ClassifierRequest, ClassifierThreadSettings, FromClassifiers } from './classifier-messages.ts';

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

/** Parts of texts that are read between two looks at what has come. */
const MOST_PARTS = 32;

/** A part of a text that is still to be read. */
interface OpenPart {
  question: number;
  classifier: number;
  tokens: Int32Array;
}

/** A request that is worked on: the highest probabilities so far, and what is still to be read. */
interface OpenRequest {
  id: number;
  probabilities: number[];
  parts: OpenPart[];
}

/** Reads requests in common batches, those with the least to read first: a long one waits. */
class Reader {
  readonly #classifiers: readonly Classifier[];
  #open: OpenRequest[] = [];

  constructor(classifiers: readonly Classifier[]) {
    this.#classifiers = classifiers;
  }

  add({ id, questions }: ClassifierRequest): void {
    try {
      const parts = questions.flatMap(({ classifier, input }, question) =>
        this.#classifiers[classifier]!.parts(input).map((tokens) => ({ question, classifier, tokens })),
      );
      this.#open.push({ id, probabilities: questions.map(() => 0), parts });
    } catch (error) {
      post({ type: 'refused', id, error: sentError(error) });
    }
  }

  /** Reads a batch. Returns whether there is more to read. */
  read(): boolean {
    this.#open.sort((a, b) => a.parts.length - b.parts.length);
    let room = MOST_PARTS;
    const batch = this.#open.flatMap((request) => {
      const taken = request.parts.splice(0, room);
      room -= taken.length;
      return taken.map((part) => ({ request, part }));
    });
    try {
      this.#classifiers.forEach((classifier, index) => {
        const own = batch.filter(({ part }) => part.classifier === index);
        const scored = classifier.score(own.map(({ part }) => [part.tokens]));
        own.forEach(({ request: { probabilities }, part: { question } }, i) => {
          probabilities[question] = Math.max(probabilities[question]!, scored[i]!);
        });
      });
    } catch (error) {
      for (const id of new Set(batch.map(({ request }) => request.id))) {
        post({ type: 'refused', id, error: sentError(error) });
        this.#open = this.#open.filter((request) => request.id !== id);
      }
    }
    for (const { id, probabilities, parts } of this.#open) {
      if (parts.length === 0) post({ type: 'scored', id, probabilities });
    }
    this.#open = this.#open.filter(({ parts }) => parts.length > 0);
    return this.#open.length > 0;
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
  const reader = new Reader(classifiers);
  port.on('message', (first: ClassifierRequest) => {
    reader.add(first);
    do {
      for (let got = receiveMessageOnPort(port); got; got = receiveMessageOnPort(port)) {
        reader.add(got.message as ClassifierRequest);
      }
    } while (reader.read());
  });
  post({ type: 'ready' });
}
