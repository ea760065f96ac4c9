/**
 * int8 copies of a language model's matrices, to decode with. Decoding one sequence takes as long
 * as reading the weights, and int8 is half of bf16. They are symmetric, with one scale per output
 * channel. native/kernels/quantized.h has the arithmetic.
 */
import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import { type Weight, withMatrix } from '../tensor/frozen-weight.ts';
import { keep, Tensor } from '../tensor/tensor.ts';
import type { Gpt } from './gpt.ts';

/** Weights to decode with: the model's own, or int8 copies of them. */
export type Quantization = 'none' | 'int8';

/** The quantized weights that a model decodes with. Use quantizeForDecoding. */
export class QuantizedWeights implements Disposable {
  readonly #model: Gpt;
  readonly #copies: ReadonlyMap<Weight, Tensor>;

  /** Use quantizeForDecoding. */
  constructor(model: Gpt) {
    this.#model = model;
    const weights = model.blocks.flatMap(({ projections }) => projections.map(({ weight }) => weight));
    const copy = (weight: Weight) =>
      withMatrix(weight, 'f32', ({ handle }) => keep(new Tensor(native.quantizeWeight(handle))));
    this.#copies = new Map([...weights, model.headWeight].map((weight) => [weight, copy(weight)]));
    model.attachQuantized(this);
  }

  /** Bytes of the int8 weights with their scales. */
  get bytes(): number {
    return [...this.#copies.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** The int8 copy of one of the model's weights, as u8 in the engine's layout. */
  of(weight: Weight): Tensor | undefined {
    return this.#copies.get(weight);
  }

  /**
   * Frees what products with the model's own weights keep of them, for a model that only decodes
   * from now on. The next such product makes it again.
   */
  releasePacked(): void {
    for (const weight of this.#copies.keys()) {
      if (weight instanceof Tensor) native.releasePacked(weight.handle);
    }
  }

  /** Frees the copies. The model decodes with its own weights again. */
  dispose(): void {
    if (this.#model.quantized === this) this.#model.attachQuantized(undefined);
    for (const copy of this.#copies.values()) copy.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * From now on the model decodes with int8 copies of its projections and its head: in generate(), in
 * a Batch and in what is built on them. Everything else stays as it is: the table of embeddings,
 * norms, keys and values, adapters, and the forward pass without a cache, which losses and
 * evaluations use. The copies are of the weights as they are now: after an update dispose of them
 * and quantize again.
 *
 * Throws ERR_ARGUMENT on a GPU, and ERR_STATE for a model that is quantized already.
 */
export function quantizeForDecoding(model: Gpt): QuantizedWeights {
  checkQuantization('int8');
  if (model.quantized) {
    throw new AthanorError(
      'ERR_STATE',
      '[quantizeForDecoding] the model decodes with int8 weights already',
      'dispose of them first',
    );
  }
  return new QuantizedWeights(model);
}

/**
 * Throws ERR_ARGUMENT for int8 on a GPU.
 * @param setting the name of the setting that asks for it
 */
export function checkQuantization(quantize: Quantization, setting = 'quantize'): void {
  if (quantize === 'none' || native.device() === 'cpu') return;
  throw new AthanorError(
    'ERR_ARGUMENT',
    `\`${setting}\` int8 is for decoding on the CPU, and the device is a GPU`,
    `leave \`${setting}\` out, or choose \`device\` cpu`,
  );
}
