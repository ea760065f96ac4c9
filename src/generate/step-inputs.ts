/** What a decoding step takes, one token of each of a number of sequences, in one tensor that each step overwrites. */
import { native } from '../native/addon.ts';
import type { GptInput } from '../nn/decoder.ts';
import { keep, Tensor, tensor } from '../tensor/tensor.ts';

/** One sequence's part of a step. */
export interface StepSequence {
  /** Which prompt it continues: its random stream. */
  prompt: number;
  slot: number;
  /** Prompt and new tokens; all but the last are cached. */
  tokens: readonly number[];
}

export class StepInputs {
  readonly sequences: number;
  readonly pass: GptInput;
  readonly slots: Tensor;
  readonly prompts: Tensor;
  /** Tokens of each sequence, the last one included. */
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
    this.prompts = part(3 * n, 4 * n);
    this.lengths = part(4 * n, 5 * n);
  }

  /** Tokens already in each slot: the new one's position. */
  get pastLengths(): Tensor {
    return this.pass.positions;
  }

  write(sequences: readonly StepSequence[]): void {
    const n = this.sequences;
    const numbers = this.#numbers;
    for (let i = 0; i < n; ++i) {
      const { prompt, slot, tokens } = sequences[i]!;
      const length = tokens.length;
      numbers[i] = tokens[length - 1]!;
      numbers[n + i] = length - 1;
      numbers[2 * n + i] = slot;
      numbers[3 * n + i] = prompt;
      numbers[4 * n + i] = length;
    }
    this.#all.write(numbers);
  }

  dispose(): void {
    const { tokens, positions, cuSeqlens } = this.pass;
    for (const part of [tokens, positions, cuSeqlens, this.slots, this.prompts, this.lengths]) part.dispose();
    this.#all.dispose();
  }
}
