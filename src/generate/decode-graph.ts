/**
 * On a GPU the forward pass that decoding repeats, one new token of each sequence, is recorded and then queued as one
 * graph: launched one by one, its hundred kernels would keep the host busier than the GPU.
 */
import { native } from '../native/addon.ts';
import type { NativeTensor } from '../native/binding.ts';
import type { Gpt } from '../nn/gpt.ts';
import { keep, scope, type Tensor } from '../tensor/tensor.ts';
import type { KvCache } from './kv-cache.ts';
import type { StepInputs } from './step-inputs.ts';

/** Steps with as many sequences before one is recorded, which takes the host longer than a step. */
const STEPS_BEFORE_RECORDING = 4;

/** f32 `[sequences, vocab]` of the token after each sequence's one new token. */
export function stepLogits(model: Gpt, cache: KvCache, inputs: StepInputs): Tensor {
  return model.logits(model.forward(inputs.pass, cache.view(inputs.slots, inputs.pastLengths)));
}

export class DecodeGraphs {
  readonly #model: Gpt;
  readonly #cache: KvCache;
  /** ATHANOR_CUDA_GRAPHS=none does without. */
  readonly #isWanted = native.device() === 'cuda' && process.env.ATHANOR_CUDA_GRAPHS !== 'none';
  #recorded: RecordedStep | undefined;
  #inputs: StepInputs | undefined;
  #steps = 0;

  constructor(model: Gpt, cache: KvCache) {
    this.#model = model;
    this.#cache = cache;
  }

  /** As stepLogits, good until the next call; undefined for a step that is not recorded. */
  logits(inputs: StepInputs): Tensor | undefined {
    if (!this.#isWanted) return undefined;
    this.#steps = inputs === this.#inputs ? this.#steps + 1 : 1;
    this.#inputs = inputs;
    if (this.#recorded?.inputs !== inputs) {
      if (this.#steps <= STEPS_BEFORE_RECORDING) return undefined;
      this.dispose();
      this.#recorded = new RecordedStep(this.#model, this.#cache, inputs);
    }
    return this.#recorded!.run();
  }

  dispose(): void {
    this.#recorded?.dispose();
    this.#recorded = undefined;
  }
}

/** The pass with inputs and logits at fixed addresses. */
class RecordedStep {
  readonly inputs: StepInputs;
  readonly #logits: Tensor;
  /** The logits, keys and values. */
  readonly #written: NativeTensor[];
  readonly #graph: number;

  constructor(model: Gpt, cache: KvCache, inputs: StepInputs) {
    this.inputs = inputs;
    native.beginRecording();
    try {
      this.#logits = scope(() => stepLogits(model, cache, inputs));
    } catch (error) {
      native.abandonRecording();
      throw error;
    }
    keep(this.#logits);
    this.#graph = native.endRecording();
    this.#written = [this.#logits, ...cache.tensors].map(({ handle }) => handle);
  }

  run(): Tensor {
    native.launchGraph(this.#graph, this.#written);
    return this.#logits;
  }

  dispose(): void {
    native.freeGraph(this.#graph);
    this.#logits.dispose();
  }
}
