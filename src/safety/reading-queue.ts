/**
 * What the classifiers have to read. A batch is small, so that a request waits for little of what
 * others ask: every other batch takes the shortest requests, and the ones between take the oldest,
 * so that a long text goes on too.
 */
import type { Classified } from '../scoring/classifier.ts';
import type { ClassifierRequest } from './classifier-messages.ts';

/** Tokens between two looks at what has come, unless a part is longer. */
const MOST_TOKENS = 1024;

/** What the queue needs of a classifier. */
export interface PartReader {
  parts(input: Classified): Int32Array[];
  /** The probability of each part of its own. */
  score(inputs: readonly (readonly Int32Array[])[]): Float64Array;
  /** The same, of parts of texts that are asked about again when they are longer. */
  scoreGrowing(parts: readonly Int32Array[]): Float64Array;
}

/** Hears of each request once, unless it was cancelled. */
export interface ReadingListener {
  onScored(id: number, probabilities: number[]): void;
  onRefused(id: number, error: unknown): void;
}

/** A part of a text that is still to be read. */
interface OpenPart {
  question: number;
  classifier: number;
  tokens: Int32Array;
  grows: boolean;
}

/** A request that is worked on: the highest probabilities so far, and what is still to be read. */
interface OpenRequest {
  id: number;
  probabilities: number[];
  /** In the order of reading. */
  parts: OpenPart[];
  /** Index of the next part. */
  next: number;
  /** Tokens that are still to be read. */
  tokens: number;
}

interface Taken {
  request: OpenRequest;
  part: OpenPart;
}

export class ReadingQueue {
  readonly #classifiers: readonly PartReader[];
  readonly #listener: ReadingListener;
  /** By id, the oldest first. */
  readonly #open = new Map<number, OpenRequest>();
  #isTurnOfOldest = false;

  constructor(classifiers: readonly PartReader[], listener: ReadingListener) {
    this.#classifiers = classifiers;
    this.#listener = listener;
  }

  /** Whether there is more to read. */
  get isBusy(): boolean {
    return this.#open.size > 0;
  }

  add({ id, questions }: ClassifierRequest): void {
    try {
      const parts = questions.flatMap(({ classifier, input, grows = false }, question) =>
        this.#classifiers[classifier]!.parts(input).map((tokens) => ({
          question,
          classifier,
          tokens,
          grows,
        })),
      );
      const tokens = parts.reduce((sum, part) => sum + part.tokens.length, 0);
      this.#open.set(id, { id, probabilities: questions.map(() => 0), parts, next: 0, tokens });
    } catch (error) {
      this.#listener.onRefused(id, error);
    }
  }

  /** Forgets a request that nobody waits for. */
  cancel(id: number): void {
    this.#open.delete(id);
  }

  /** Reads a batch. */
  read(): void {
    const batch = this.#batch();
    try {
      this.#classifiers.forEach((classifier, index) => {
        const own = batch.filter(({ part }) => part.classifier === index);
        for (const grows of [false, true]) {
          const some = own.filter(({ part }) => part.grows === grows);
          if (some.length > 0) this.#score(classifier, some, grows);
        }
      });
    } catch (error) {
      for (const { id } of new Set(batch.map(({ request }) => request))) {
        this.#open.delete(id);
        this.#listener.onRefused(id, error);
      }
      return;
    }
    for (const { id, probabilities } of new Set(batch.map(({ request }) => request))) {
      if (this.#open.get(id)!.tokens > 0) continue;
      this.#open.delete(id);
      this.#listener.onScored(id, probabilities);
    }
  }

  #score(classifier: PartReader, taken: readonly Taken[], grows: boolean): void {
    const parts = taken.map(({ part }) => part.tokens);
    const scored = grows ? classifier.scoreGrowing(parts) : classifier.score(parts.map((one) => [one]));
    taken.forEach(({ request: { probabilities }, part: { question } }, i) => {
      probabilities[question] = Math.max(probabilities[question]!, scored[i]!);
    });
  }

  #batch(): Taken[] {
    this.#isTurnOfOldest = !this.#isTurnOfOldest;
    const oldest = this.#open.values().next().value!;
    const shortest = [...this.#open.values()].sort((a, b) => a.tokens - b.tokens);
    if (this.#isTurnOfOldest) return this.#partsOf(oldest, MOST_TOKENS);
    if (shortest[0]!.tokens > MOST_TOKENS) return this.#partsOf(shortest[0]!, MOST_TOKENS);
    const batch: Taken[] = [];
    let room = MOST_TOKENS;
    for (const request of shortest) {
      if (request.tokens > room) break;
      room -= request.tokens;
      batch.push(...this.#partsOf(request, request.tokens));
    }
    return batch;
  }

  /** Takes the next parts of a request, at least one. */
  #partsOf(request: OpenRequest, room: number): Taken[] {
    const taken: Taken[] = [];
    let used = 0;
    while (request.next < request.parts.length) {
      const part = request.parts[request.next]!;
      if (used > 0 && used + part.tokens.length > room) break;
      used += part.tokens.length;
      ++request.next;
      taken.push({ request, part });
    }
    request.tokens -= used;
    return taken;
  }
}
