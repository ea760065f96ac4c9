/**
 * On a GPU the forward pass that decoding repeats, one new token of each sequence, is recorded and then queued as one
 * graph: launched one by one, its hundred kernels would keep the host busier than the GPU.
 */
import { native } from '../native/addon.ts';
import type { NativeTensor } from '../native/binding.ts';
import type { Gpt } from '../nn/gpt.ts';
import { keep, scope, Tensor, tensor } from '../tensor/tensor.ts';
import type { KvCache } from './kv-cache.ts';

/** Steps with as many sequences before one is recorded, which takes the host longer than a step. */
const STEPS_BEFORE_RECORDING = 4;

/** What one forward pass takes, an element a token; a decoding step has one token a sequence. */
export interface StepInput {
  tokens: readonly number[];
  positions: readonly number[];
  /** Where each sequence begins, and the end. */
  starts: readonly number[];
  slots: readonly number[];
}

export class DecodeGraphs {
  readonly #model: Gpt;
  readonly #cache: KvCache;
  /** ATHANOR_CUDA_GRAPHS=none does without. */
  readonly #isWanted = native.device() === 'cuda' && process.env.ATHANOR_CUDA_GRAPHS !== 'none';
  #recorded: RecordedStep | undefined;
  #sequences = 0;
  #steps = 0;

  constructor(model: Gpt, cache: KvCache) {
    this.#model = model;
    this.#cache = cache;
  }

  /** f32 `[sequences, vocab]`, good until the next call; undefined for a pass that is not recorded. */
  logits(input: StepInput): Tensor | undefined {
    const sequences = input.slots.length;
    if (!this.#isWanted || input.tokens.length !== sequences) return undefined;
    this.#steps = sequences === this.#sequences ? this.#steps + 1 : 1;
    this.#sequences = sequences;
    if (this.#recorded?.sequences !== sequences) {
      if (this.#steps <= STEPS_BEFORE_RECORDING) return undefined;
      this.dispose();
      this.#recorded = new RecordedStep(this.#model, this.#cache, input);
    }
    return this.#recorded!.run(input);
  }

  dispose(): void {
    this.#recorded?.dispose();
    this.#recorded = undefined;
  }
}

/** The pass with inputs and logits at fixed addresses. */
class RecordedStep {
  readonly sequences: number;
  /** i32: tokens, positions (which are the lengths before the step), slots, starts. */
  readonly #numbers: Tensor;
  readonly #logits: Tensor;
  /** The logits, keys and values. */
  readonly #written: NativeTensor[];
  readonly #graph: number;

  constructor(model: Gpt, cache: KvCache, input: StepInput) {
    const n = input.slots.length;
    this.sequences = n;
    this.#numbers = keep(tensor(numbersOf(input)));
    const part = (begin: number, end: number) => new Tensor(native.slice(this.#numbers.handle, begin, end));
    native.beginRecording();
    try {
      this.#logits = scope(() => {
        const positions = part(n, 2 * n);
        const pass = { tokens: part(0, n), positions, cuSeqlens: part(3 * n, 4 * n + 1) };
        return model.logits(model.forward(pass, cache.view(part(2 * n, 3 * n), positions)));
      });
    } catch (error) {
      native.abandonRecording();
      this.#numbers.dispose();
      throw error;
    }
    keep(this.#logits);
    this.#graph = native.endRecording();
    this.#written = [this.#logits, ...cache.tensors].map(({ handle }) => handle);
  }

  run(input: StepInput): Tensor {
    this.#numbers.write(numbersOf(input));
    native.launchGraph(this.#graph, this.#written);
    return this.#logits;
  }

  dispose(): void {
    native.freeGraph(this.#graph);
    this.#logits.dispose();
    this.#numbers.dispose();
  }
}

function numbersOf({ tokens, positions, slots, starts }: StepInput): Int32Array {
  return Int32Array.from([...tokens, ...positions, ...slots, ...starts]);
}
