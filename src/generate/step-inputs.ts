/**
 * The inputs of a decoding step: one token of each of some sequences. They are parts of one tensor
 * that each step overwrites, because a recorded step reads them at fixed addresses.
 */
import { native } from '../native/addon.ts';
import type { GptInput } from '../nn/decoder.ts';
import { keep, Tensor, tensor } from '../tensor/tensor.ts';

/** The inputs of one sequence. */
export interface StepSequence {
  /** Random stream. */
  readonly stream: number;
  readonly slot: number;
  /** Prompt and new tokens, i32 `[length]` at the front of a longer array. */
  readonly tokens: Int32Array;
  readonly length: number;
}

export class StepInputs {
  readonly sequences: number;
  readonly pass: GptInput;
  /** i32 `[sequences]`, like the two tensors below. */
  readonly slots: Tensor;
  readonly streams: Tensor;
  /** Number of tokens of each sequence, including the one of this step. */
  readonly lengths: Tensor;
  readonly #numbers: Int32Array;
  readonly #all: Tensor;

  constructor(sequences: number) {
    const n = sequences;
    this.sequences = n;
    this.#numbers = new Int32Array(6 * n + 1);
    for (let i = 0; i <= n; ++i) this.#numbers[5 * n + i] = i;
    this.#all = keep(tensor(this.#numbers));
    const part = (begin: number, end: number) => keep(new Tensor(native.slice(this.#all.handle, begin, end)));
    this.pass = { tokens: part(0, n), positions: part(n, 2 * n), cuSeqlens: part(5 * n, 6 * n + 1) };
    this.slots = part(2 * n, 3 * n);
    this.streams = part(3 * n, 4 * n);
    this.lengths = part(4 * n, 5 * n);
  }

  /** i32 `[sequences]`: tokens already in each slot, which is the position of the new token. */
  get pastLengths(): Tensor {
    return this.pass.positions;
  }

  write(sequences: readonly StepSequence[]): void {
    const n = this.sequences;
    const numbers = this.#numbers;
    for (let i = 0; i < n; ++i) {
      const { stream, slot, tokens, length } = sequences[i]!;
      numbers[i] = tokens[length - 1]!;
      numbers[n + i] = length - 1;
      numbers[2 * n + i] = slot;
      numbers[3 * n + i] = stream;
      numbers[4 * n + i] = length;
    }
    this.#all.write(numbers);
  }

  dispose(): void {
    const { tokens, positions, cuSeqlens } = this.pass;
    for (const part of [tokens, positions, cuSeqlens, this.slots, this.streams, this.lengths]) part.dispose();
    this.#all.dispose();
  }
}
