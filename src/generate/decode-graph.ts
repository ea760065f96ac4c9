/**
 * On a GPU, the forward pass of a decoding step is recorded, and later steps queue it as one graph.
 * Launching its hundred kernels one by one takes the host longer than the GPU needs to run them.
 */
import { native } from '../native/addon.ts';
import type { NativeTensor } from '../native/binding.ts';
import type { Gpt } from '../nn/gpt.ts';
import { keep, scope, type Tensor } from '../tensor/tensor.ts';
import type { KvCache } from './kv-cache.ts';
import type { StepInputs } from './step-inputs.ts';

/**
 * Record after this many steps with the same number of sequences in a row: recording costs more
 * than one step.
 */
const STEPS_BEFORE_RECORDING = 4;

/** f32 `[sequences, vocab]`: logits of the token after the one that each sequence brings. */
export function stepLogits(model: Gpt, cache: KvCache, inputs: StepInputs): Tensor {
  return model.logits(model.forward(inputs.pass, cache.view(inputs.slots, inputs.pastLengths)));
}

export class DecodeGraphs {
  readonly #model: Gpt;
  readonly #cache: KvCache;
  /** ATHANOR_CUDA_GRAPHS=none turns recording off. */
  readonly #isWanted = native.device() === 'cuda' && process.env.ATHANOR_CUDA_GRAPHS !== 'none';
  #recorded: RecordedStep | undefined;
  #inputs: StepInputs | undefined;
  #steps = 0;

  constructor(model: Gpt, cache: KvCache) {
    this.#model = model;
    this.#cache = cache;
  }

  /**
   * As stepLogits; valid until the next call. Undefined when the caller must run the step itself.
   */
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

/** A recorded pass: it reads its inputs and writes its logits at fixed addresses. */
class RecordedStep {
  readonly inputs: StepInputs;
  readonly #logits: Tensor;
  /** The tensors that the graph writes: logits, keys and values. */
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
