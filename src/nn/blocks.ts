/** What a decoder is stacked from: attention, feed-forward network and their pre-norm block. */
import { swiglu } from '../tensor/ops/activation.ts';
import { type AttentionShape, causalSelfAttention, type SequenceIndex } from '../tensor/ops/attention.ts';
import { geluFeedForward } from '../tensor/ops/linear.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { ModelConfig } from './config.ts';
import type { Initializer } from './init.ts';
import { LayerNorm, Linear, type Norm, RmsNorm } from './layers.ts';
import { Module } from './module.ts';

class Attention extends Module {
  readonly qkv: Linear;
  readonly output: Linear;
  readonly #shape: AttentionShape;

  constructor(config: ModelConfig, init: Initializer, residualStd: number) {
    super();
    const { heads, kvHeads, headDim, hiddenSize, initializerRange: std } = config;
    const bias = config.architecture === 'gpt2';
    this.#shape = { heads, kvHeads, headDim };
    this.qkv = new Linear(hiddenSize, (heads + 2 * kvHeads) * headDim, init, { bias, std });
    this.output = new Linear(heads * headDim, hiddenSize, init, { bias, std: residualStd });
  }

  forward(x: Tensor, index: SequenceIndex, ropeTable?: Tensor): Tensor {
    return this.output.forward(causalSelfAttention(this.qkv.forward(x), index, this.#shape, ropeTable));
  }
}

class GeluMlp extends Module {
  readonly up: Linear;
  readonly down: Linear;

  constructor(config: ModelConfig, init: Initializer, residualStd: number) {
    super();
    const { hiddenSize, intermediateSize, initializerRange: std } = config;
    this.up = new Linear(hiddenSize, intermediateSize, init, { bias: true, std });
    this.down = new Linear(intermediateSize, hiddenSize, init, { bias: true, std: residualStd });
  }

  forward(x: Tensor): Tensor {
    return geluFeedForward(x, {
      up: this.up.weight,
      down: this.down.weight,
      ...(this.up.bias && { upBias: this.up.bias }),
      ...(this.down.bias && { downBias: this.down.bias }),
      ...(this.up.adapter && { upAdapter: this.up.adapter }),
      ...(this.down.adapter && { downAdapter: this.down.adapter }),
    });
  }
}

class SwigluMlp extends Module {
  readonly gateUp: Linear;
  readonly down: Linear;

  constructor(config: ModelConfig, init: Initializer, residualStd: number) {
    super();
    const { hiddenSize, intermediateSize, initializerRange: std } = config;
    this.gateUp = new Linear(hiddenSize, 2 * intermediateSize, init, { std });
    this.down = new Linear(intermediateSize, hiddenSize, init, { std: residualStd });
  }

  forward(x: Tensor): Tensor {
    return this.down.forward(swiglu(this.gateUp.forward(x)));
  }
}

/** Pre-norm block. The residual stream travels as (x, delta): the next norm adds delta as it reads. */
export class Block extends Module {
  readonly attentionNorm: Norm;
  readonly attention: Attention;
  readonly mlpNorm: Norm;
  readonly mlp: GeluMlp | SwigluMlp;

  constructor(config: ModelConfig, init: Initializer) {
    super();
    // Each block adds two branches to the stream; dividing by sqrt(2 layers) keeps its variance at depth (GPT-2 §2.3).
    const residualStd = config.initializerRange / Math.sqrt(2 * config.layers);
    this.attentionNorm = makeNorm(config, init);
    this.attention = new Attention(config, init, residualStd);
    this.mlpNorm = makeNorm(config, init);
    this.mlp =
      config.architecture === 'gpt2'
        ? new GeluMlp(config, init, residualStd)
        : new SwigluMlp(config, init, residualStd);
  }

  /** Whether anything in here learns, adapters included. */
  get trains(): boolean {
    if (this.trainable().size > 0) return true;
    return [...this.modules().values()].some((module) => module instanceof Linear && module.adapter);
  }

  /** What multiplies, in the order of use. */
  get projections(): readonly [qkv: Linear, output: Linear, up: Linear, down: Linear] {
    const up = this.mlp instanceof GeluMlp ? this.mlp.up : this.mlp.gateUp;
    return [this.attention.qkv, this.attention.output, up, this.mlp.down];
  }

  /** What has weights, in the order of use. */
  get weighted(): readonly (Norm | Linear)[] {
    const [qkv, output, up, down] = this.projections;
    return [this.attentionNorm, qkv, output, this.mlpNorm, up, down];
  }

  forward(x: Tensor, delta: Tensor | undefined, index: SequenceIndex, ropeTable?: Tensor) {
    const first = this.attentionNorm.forward(x, delta);
    const attended = this.attention.forward(first.y, index, ropeTable);
    const second = this.mlpNorm.forward(first.sum, attended);
    return { x: second.sum, delta: this.mlp.forward(second.y) };
  }
}

export function makeNorm(config: ModelConfig, init: Initializer): Norm {
  const { architecture, hiddenSize, normEps } = config;
  return architecture === 'gpt2'
    ? new LayerNorm(hiddenSize, init, normEps)
    : new RmsNorm(hiddenSize, init, normEps);
}
