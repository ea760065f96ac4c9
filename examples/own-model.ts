/**
 * A language model that is no transformer: that of Bengio et al. (2003), over the last bytes of any
 * text file. Run it with: npm run example own-model [FILE]
 */
import { readFileSync } from 'node:fs';
import {
  AdamW,
  backward,
  Embedding,
  gelu,
  Initializer,
  Linear,
  linearCrossEntropy,
  Module,
  reshape,
  scope,
  type Tensor,
  tensor,
} from 'athanor';

const WINDOW = 8;
const VOCABULARY = 256;

/** Looks up the last bytes, joins their vectors, predicts the next byte with one hidden layer. */
export class FeedForwardModel extends Module {
  readonly bytes: Embedding;
  readonly hidden: Linear;
  readonly output: Linear;
  readonly #width: number;

  constructor(width: number, hidden: number, seed: number) {
    super();
    const init = new Initializer(seed);
    this.#width = width;
    this.bytes = new Embedding(VOCABULARY, width, init, 0.1);
    const std = 1 / Math.sqrt(WINDOW * width);
    this.hidden = new Linear(WINDOW * width, hidden, init, { bias: true, std });
    this.output = new Linear(hidden, VOCABULARY, init);
  }

  /** i32 `[n * WINDOW]` -> `[n, hidden]` */
  forward(windows: Tensor): Tensor {
    const vectors = this.bytes.forward(windows);
    const joined = reshape(vectors, [windows.size / WINDOW, WINDOW * this.#width]);
    return gelu(this.hidden.forward(joined));
  }

  /** Mean cross-entropy of the next bytes in nats. */
  loss(windows: Tensor, next: Tensor): Tensor {
    const options = { scale: 1 / next.size };
    return linearCrossEntropy(this.forward(windows), this.output.weight, next, options).loss;
  }
}

/** `size` windows of the text, spread evenly, and the byte after each. */
export function batchOf(text: Uint8Array, step: number, size: number) {
  const windows = new Int32Array(size * WINDOW);
  const next = new Int32Array(size);
  for (let i = 0; i < size; ++i) {
    const at = (step * size * 7919 + i * 104729) % (text.length - WINDOW - 1);
    windows.set(text.subarray(at, at + WINDOW), i * WINDOW);
    next[i] = text[at + WINDOW]!;
  }
  return { windows, next };
}

/** Trains for `steps` updates and returns the loss of each. */
export function train(model: FeedForwardModel, text: Uint8Array, steps: number): number[] {
  const optimizer = new AdamW(model.parameters(), { weightDecay: 0.01 });
  const losses: number[] = [];
  for (let step = 0; step < steps; ++step) {
    const batch = batchOf(text, step, 256);
    losses.push(
      scope(() => {
        const loss = model.loss(tensor(batch.windows), tensor(batch.next));
        backward(loss);
        return loss.item();
      }),
    );
    optimizer.step(3e-3);
    model.zeroGrad();
  }
  optimizer.dispose();
  return losses;
}

/** The text of the file named on the command line, or of this package's README. */
export function main(file = 'README.md'): void {
  const text = readFileSync(file);
  const model = new FeedForwardModel(16, 128, 1);
  const losses = train(model, text, 150);
  console.log(`loss ${losses[0]!.toFixed(3)} -> ${losses.at(-1)!.toFixed(3)} nats per byte`);
  model.dispose();
}

if (import.meta.filename === process.argv[1]) main(process.argv[2]);
