/** The thread of the classifiers: reads all requests that wait in common batches. */
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

/** A question of a request, as tokens. */
interface Read {
  classifier: number;
  parts: Int32Array[];
}

/** The questions of a request as tokens; undefined when it was refused. */
function readRequest(
  classifiers: readonly Classifier[],
  { id, questions }: ClassifierRequest,
): Read[] | undefined {
  try {
    return questions.map(({ classifier, input }) => ({
      classifier,
      parts: classifiers[classifier]!.parts(input),
    }));
  } catch (error) {
    post({ type: 'refused', id, error: sentError(error) });
    return undefined;
  }
}

function answer(classifiers: readonly Classifier[], requests: readonly ClassifierRequest[]): void {
  const read = requests.flatMap((request) => {
    const questions = readRequest(classifiers, request);
    return questions ? [{ id: request.id, questions }] : [];
  });
  const all = read.flatMap(({ questions }) => questions);
  const probabilities = new Map<Read, number>();
  try {
    classifiers.forEach((classifier, index) => {
      const own = all.filter((question) => question.classifier === index);
      const scored = classifier.score(own.map(({ parts }) => parts));
      own.forEach((question, i) => void probabilities.set(question, scored[i]!));
    });
  } catch (error) {
    for (const { id } of read) post({ type: 'refused', id, error: sentError(error) });
    return;
  }
  for (const { id, questions } of read) {
    post({ type: 'scored', id, probabilities: questions.map((question) => probabilities.get(question)!) });
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
  port.on('message', (first: ClassifierRequest) => {
    const requests = [first];
    for (let got = receiveMessageOnPort(port); got; got = receiveMessageOnPort(port)) {
      requests.push(got.message as ClassifierRequest);
    }
    answer(classifiers, requests);
  });
  post({ type: 'ready' });
}
