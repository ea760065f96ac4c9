/** The classifiers of a policy. They run in a thread of their own, so nobody waits for them. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { AthanorError } from '../base/errors.ts';
import { packageRoot } from '../base/package-root.ts';
import type {
  ClassifierQuestion,
  ClassifierRequest,
  ClassifierThreadSettings,
  FromClassifiers,
  ToClassifiers,
} from './classifier-messages.ts';

// Compiled code: Node 20 cannot start a thread from TypeScript.
const PROGRAM = join(packageRoot, 'dist/safety/classifier-worker.js');

/** Gives probabilities to texts. */
export interface ClassifierSource {
  /**
   * One probability per question. Throws AthanorError when there is none, and the reason of the
   * signal when it is aborted: then nothing more is read.
   */
  score(questions: readonly ClassifierQuestion[], signal?: AbortSignal): Promise<number[]>;
  close(): Promise<void>;
}

interface Waiting {
  resolve(probabilities: number[]): void;
  reject(error: Error): void;
}

export class ClassifierThread implements ClassifierSource {
  readonly #settings: ClassifierThreadSettings;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Promise<Worker> | undefined;
  #nextId = 0;
  #isClosed = false;

  private constructor(settings: ClassifierThreadSettings) {
    this.#settings = settings;
  }

  /** Loads the classifiers. Throws as Classifier.load. */
  static async start(settings: ClassifierThreadSettings): Promise<ClassifierThread> {
    const thread = new ClassifierThread(settings);
    await thread.#launched();
    return thread;
  }

  /**
   * Throws ERR_STATE when the thread ends; the next call starts another one. Throws the reason of
   * the signal.
   */
  async score(questions: readonly ClassifierQuestion[], signal?: AbortSignal): Promise<number[]> {
    if (questions.length === 0) return [];
    const worker = await this.#launched();
    signal?.throwIfAborted();
    const request: ClassifierRequest = { id: this.#nextId++, questions };
    const stop = () => {
      this.#waiting.get(request.id)?.reject(signal!.reason as Error);
      this.#waiting.delete(request.id);
      worker.postMessage({ cancel: request.id } satisfies ToClassifiers);
    };
    signal?.addEventListener('abort', stop, { once: true });
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.set(request.id, { resolve, reject });
        worker.postMessage(request satisfies ToClassifiers);
      });
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const worker = await this.#worker?.catch(() => undefined);
    await worker?.terminate();
  }

  #launched(): Promise<Worker> {
    if (this.#isClosed) return Promise.reject(ended('the server is stopping'));
    this.#worker ??= this.#launch();
    return this.#worker;
  }

  #launch(): Promise<Worker> {
    const worker = new Worker(PROGRAM, { workerData: this.#settings });
    return new Promise((resolve, reject) => {
      let reason = 'it ended';
      worker.on('message', (message: FromClassifiers) => {
        if (message.type === 'ready') return resolve(worker);
        if (message.type !== 'unusable') return this.#take(message);
        reject(received(message.error));
        void worker.terminate();
      });
      worker.on('error', (error) => {
        reason = error.message;
      });
      worker.on('exit', () => {
        const error = ended(`the thread of the safety classifiers ended: ${reason}`);
        reject(error);
        this.#worker = undefined;
        for (const [, { reject: lose }] of this.#waiting) lose(error);
        this.#waiting.clear();
      });
    });
  }

  #take(message: Extract<FromClassifiers, { id: number }>): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.type === 'scored') waiting?.resolve(message.probabilities);
    else waiting?.reject(received(message.error));
  }
}

function ended(reason: string): AthanorError {
  return new AthanorError('ERR_STATE', reason, 'send the request again');
}

function received({
  code,
  message,
  remedy,
}: Extract<FromClassifiers, { error: unknown }>['error']): AthanorError {
  return new AthanorError(code, message, remedy);
}
