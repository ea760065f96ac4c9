/** What classifiers read: in which order, how much at once, and nothing that nobody waits for. */
import { expect, it } from 'vitest';
import { type PartReader, ReadingQueue } from '../../src/safety/reading-queue.ts';

/** A classifier of texts with a token per character, in parts of 64. It counts what it reads. */
class Characters implements PartReader {
  readonly batches: number[] = [];
  readonly grown: number[] = [];
  error: Error | undefined;

  parts(input: Parameters<PartReader['parts']>[0]): Int32Array[] {
    if (!('text' in input)) throw new Error('reads texts');
    const { text } = input;
    const parts = Array.from({ length: Math.ceil(text.length / 64) }, (_, i) =>
      Int32Array.from(text.slice(64 * i, 64 * (i + 1)), (c) => c.charCodeAt(0)),
    );
    return parts.length > 0 ? parts : [new Int32Array(1)];
  }

  score(inputs: readonly (readonly Int32Array[])[]): Float64Array {
    if (this.error) throw this.error;
    const parts = inputs.flat();
    this.batches.push(parts.reduce((sum, { length }) => sum + length, 0));
    return Float64Array.from(parts, (part) => Math.max(...part) / 128);
  }

  scoreGrowing(parts: readonly Int32Array[]): Float64Array {
    this.grown.push(parts.reduce((sum, { length }) => sum + length, 0));
    return this.score(parts.map((part) => [part]));
  }
}

function queueOf(classifier = new Characters()) {
  const order: (number | string)[] = [];
  const scores = new Map<number, number[]>();
  const queue = new ReadingQueue([classifier], {
    onScored: (id, probabilities) => {
      order.push(id);
      scores.set(id, probabilities);
    },
    onRefused: (id, error) => order.push(`${id}: ${(error as Error).message}`),
  });
  const ask = (id: number, ...texts: string[]) =>
    queue.add({ id, questions: texts.map((text) => ({ classifier: 0, input: { text } })) });
  return { queue, classifier, order, scores, ask };
}

it('a batch is small however long a text is, and the likeliest part counts', () => {
  const { queue, classifier, scores, ask } = queueOf();
  ask(0, `${'a'.repeat(10_000)}z${'a'.repeat(10_000)}`, 'b');
  while (queue.isBusy) queue.read();
  expect(scores.get(0)).toEqual([122 / 128, 98 / 128]);
  expect(Math.max(...classifier.batches)).toBe(1024);
  expect(classifier.batches.reduce((a, b) => a + b)).toBe(20_002);
});

it('a short text waits for one batch of a long one, and is in none with it', () => {
  const { queue, classifier, order, ask } = queueOf();
  ask(0, 'a'.repeat(20_000));
  queue.read();
  ask(1, 'b');
  queue.read();
  queue.read();
  expect(order).toEqual([1]);
  expect(classifier.batches.filter((tokens) => tokens < 1024)).toEqual([1]);
});

it('of two long texts the shorter one is done first, although it came later', () => {
  const { queue, order, ask } = queueOf();
  ask(0, 'a'.repeat(100_000));
  ask(1, 'a'.repeat(3000));
  for (let i = 0; i < 6; ++i) queue.read();
  expect(order).toEqual([1]);
});

it('a long text goes on while short ones keep coming', () => {
  const { queue, order, ask } = queueOf();
  ask(0, 'a'.repeat(5000));
  for (let i = 1; i <= 20; ++i) {
    ask(i, 'b'.repeat(60));
    queue.read();
  }
  expect(order).toContain(0);
});

it('nothing more of a cancelled text is read, and nobody hears of it', () => {
  const { queue, classifier, order, ask } = queueOf();
  ask(0, 'a'.repeat(20_000));
  queue.read();
  queue.cancel(0);
  expect([queue.isBusy, order, classifier.batches]).toEqual([false, [], [1024]]);
  queue.cancel(7);
});

it('texts that grow are read by what keeps their beginnings', () => {
  const { queue, classifier, ask } = queueOf();
  queue.add({ id: 0, questions: [{ classifier: 0, input: { text: 'abc' }, grows: true }] });
  ask(1, 'defg');
  while (queue.isBusy) queue.read();
  expect(classifier.grown).toEqual([3]);
});

it('a text that cannot be read fails alone, and a batch that fails ends what is in it', () => {
  const { queue, classifier, order, ask } = queueOf();
  const messages = [{ role: 'user', content: 'a' }];
  queue.add({ id: 0, questions: [{ classifier: 0, input: { messages } }] });
  expect(order).toEqual(['0: reads texts']);
  ask(1, 'a');
  classifier.error = new Error('out of memory');
  queue.read();
  expect([order.at(-1), queue.isBusy]).toEqual(['1: out of memory', false]);
});
