/**
 * LoRA (Hu et al., "LoRA: low-rank adaptation of large language models", 2021): every chosen
 * projection W of a frozen decoder becomes W + (alpha / rank) B A, and only A and B train. Adapters
 * are attached to layers and are not among the parameters of the model, so its names are the same
 * with and without them.
 */

import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import { noGrad } from '../tensor/autograd.ts';
import { storedFloats } from '../tensor/frozen-weight.ts';
import { axpby } from '../tensor/ops/elementwise.ts';
import type { LowRank } from '../tensor/ops/low-rank.ts';
import { scope, Tensor, tensor } from '../tensor/tensor.ts';
import type { Decoder } from './decoder.ts';
import { Initializer } from './init.ts';
import { Projection } from './layers.ts';
import { Module } from './module.ts';

/**
 * Projections of a block, by the last part of their names: `up` with GELU, `gate_up` with SwiGLU.
 */
export const loraTargets = ['qkv', 'output', 'up', 'gate_up', 'down'] as const;
/** The last part of the name of a projection. */
export type LoraTarget = (typeof loraTargets)[number];

/** The size and place of the adapters. */
export interface LoraOptions {
  /** The inner width of each adapter: the number of rows of A. */
  rank: number;
  /** The product B A is scaled by alpha / rank, so alpha need not change with the rank. */
  alpha: number;
  /** The projections that get an adapter. */
  targets: readonly (LoraTarget | 'all')[];
  /** The seed of the initial A. */
  seed: number;
}

/** A parameter with the product of its adapter added, computed on demand. */
export interface MergedParameter {
  dtype: 'f32';
  shape: readonly number[];
  data: () => Float32Array;
}

/** One projection's A and B. */
class Adapter extends Module implements LowRank {
  /** `[rank, in]` */
  readonly a: Tensor;
  /** `[out, rank]` */
  readonly b: Tensor;
  readonly scale: number;

  constructor(layer: Projection, { rank, alpha }: LoraOptions, init: Initializer) {
    super();
    const [outFeatures = 0, inFeatures = 0] = layer.weight.shape;
    // As PEFT: kaiming_uniform_(a = sqrt(5)), which is U(-1 / sqrt(in), 1 / sqrt(in)). B is zero,
    // so the results of the model do not change yet.
    this.a = init.uniform([rank, inFeatures], 1 / Math.sqrt(inFeatures));
    this.b = init.constant([outFeatures, rank], 0);
    this.scale = alpha / rank;
  }
}

interface Place {
  layer: Projection;
  adapter: Adapter;
}

/** The adapters of one model, which attachLora makes. */
export class LoraAdapters extends Module {
  /** The options that the adapters were made with. */
  readonly options: Readonly<LoraOptions>;
  readonly #model: Decoder;
  readonly #places: ReadonlyMap<string, Place>;
  readonly #frozen: readonly Tensor[];

  /** Use attachLora. */
  constructor(model: Decoder, options: LoraOptions) {
    super();
    this.options = options;
    this.#model = model;
    const init = new Initializer(options.seed);
    const layers = targetLayers(model, options);
    this.#places = new Map(
      [...layers].map(([path, layer]) => [path, { layer, adapter: new Adapter(layer, options, init) }]),
    );
    // A score head is new on a trained trunk, so it trains as a whole.
    this.#frozen = [...model.trainable()].flatMap(([name, value]) =>
      name.startsWith('score.') ? [] : [value],
    );
    for (const parameter of this.#frozen) parameter.requiresGrad = false;
    for (const { layer, adapter } of this.#places.values()) layer.attachAdapter(adapter);
  }

  /** A and B of every adapted layer by its name: `blocks.0.attention.qkv.lora_a`, `….lora_b`. */
  override parameters(): Map<string, Tensor> {
    const found = new Map<string, Tensor>();
    for (const [path, { adapter }] of this.#places) {
      found.set(`${path}.lora_a`, adapter.a);
      found.set(`${path}.lora_b`, adapter.b);
    }
    return found;
  }

  /** Whether these adapters were made for that model. */
  belongsTo(model: Decoder): boolean {
    return model === this.#model;
  }

  /**
   * Runs body on the base model. It is the frozen reference of a policy, without a second model in
   * memory. No gradient is recorded inside, because a later backward pass would recompute with the
   * adapters on. Throws ERR_ARGUMENT when body returns a promise.
   */
  without<T>(body: () => T): T {
    const before = [...this.#places.values()].map(({ layer }) => [layer, layer.adapter] as const);
    for (const [layer] of before) layer.attachAdapter(undefined);
    try {
      const result = noGrad(body);
      if (result instanceof Promise) {
        throw new AthanorError(
          'ERR_ARGUMENT',
          '[without] expected a synchronous function',
          'await outside of it',
        );
      }
      return result;
    } finally {
      for (const [layer, adapter] of before) layer.attachAdapter(adapter);
    }
  }

  /**
   * The parameters of the model in f32 for export, with W + (alpha / rank) B A in place of each
   * adapted W. The model itself does not change, and one merged matrix exists at a time. Where W is
   * in int8 or NF4 it is read again from the folder that the model came from, without rounding.
   */
  mergedParameters(): [string, MergedParameter][] {
    return [...this.#model.parameters(), ...this.#model.frozenWeights()].map(([name, value]) => {
      const place = this.#places.get(name.replace(/\.weight$/, ''));
      const adapted = place?.layer.weight === value;
      const own = () => storedFloats(value);
      const data = () => (adapted ? merged(own(), place.adapter) : own());
      return [name, { dtype: 'f32', shape: value.shape, data }];
    });
  }

  /** Takes the adapters off the model and frees them. Parameters that they froze train again. */
  override dispose(): void {
    for (const { layer, adapter } of this.#places.values()) {
      if (layer.adapter === adapter) layer.attachAdapter(undefined);
    }
    for (const parameter of this.#frozen) parameter.requiresGrad = true;
    super.dispose();
  }
}

/**
 * Freezes all parameters of a model except a score head's, and attaches fresh adapters. Until the
 * first step the model computes the same bits as before. Train `adapters.parameters()`, and
 * `model.trainable()` where there is a score head.
 *
 * Throws ERR_ARGUMENT for a rank or alpha that is not a positive number, for no targets and for
 * targets that the model lacks; ERR_STATE for a model that has adapters.
 */
export function attachLora(model: Decoder, options: LoraOptions): LoraAdapters {
  const { rank, alpha } = options;
  if (!Number.isInteger(rank) || rank < 1) {
    throw new AthanorError('ERR_ARGUMENT', `[attachLora] expected rank to be 1 or more but it is ${rank}`);
  }
  if (!Number.isFinite(alpha) || alpha <= 0) {
    throw new AthanorError('ERR_ARGUMENT', `[attachLora] expected alpha to be above 0 but it is ${alpha}`);
  }
  return new LoraAdapters(model, options);
}

function targetLayers(model: Decoder, { targets }: LoraOptions): Map<string, Projection> {
  const found = new Map<string, Projection>();
  const has = new Set<string>();
  for (const [path, layer] of model.modules()) {
    if (!(layer instanceof Projection) || !path.startsWith('blocks.')) continue;
    const target = path.slice(path.lastIndexOf('.') + 1) as LoraTarget;
    has.add(target);
    if (!targets.includes('all') && !targets.includes(target)) continue;
    if (layer.adapter) {
      throw new AthanorError(
        'ERR_STATE',
        `[attachLora] ${path} has an adapter already`,
        'dispose of the adapters that are on the model, or merge them and load the result',
      );
    }
    found.set(path, layer);
  }
  const missing = targets.filter((target) => target !== 'all' && !has.has(target));
  if (missing.length > 0 || found.size === 0) {
    const what =
      missing.length > 0 ? `no layers ${missing.join(', ')}` : 'none of the targets, because none were named';
    throw new AthanorError(
      'ERR_ARGUMENT',
      `[attachLora] the ${model.config.architecture} model has ${what}`,
      `name some of ${[...has].join(', ')}, or all`,
    );
  }
  return found;
}

function merged(weight: Float32Array, { a, b, scale }: LowRank): Float32Array {
  return scope(() => {
    const product = new Tensor(native.gemm(b.handle, a.handle, false, false, 'f32'));
    return axpby(tensor(weight, product.shape), 1, product, scale).toFloats();
  });
}
