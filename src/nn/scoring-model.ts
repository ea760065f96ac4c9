/**
 * A decoder with one score per token. A reward model reads it at the last token of a response, a
 * value model at every token. A reward model's normalisation is in the bias of the head, so the
 * bias is saved with the weights.
 */
import { cast } from '../tensor/ops/elementwise.ts';
import { linear } from '../tensor/ops/linear.ts';
import { gatherRows, reshape } from '../tensor/ops/rows.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { DecoderCache } from './cached-decoder.ts';
import type { ModelConfig } from './config.ts';
import { Decoder, type GptInput, type GptOptions } from './decoder.ts';
import { Initializer } from './init.ts';
import { Linear } from './layers.ts';

/** The token of a dialogue, rendered with its answer, that a reward model scores. */
export interface ScoreReading {
  /**
   * `last`: the last token that is not `padTokenId`, where transformers and TRL read. `end`: the
   * token that ends the answer, whatever the template writes behind it.
   */
  token: 'last' | 'end';
  /** The token with which transformers pads a batch; undefined: none. */
  padTokenId?: number | undefined;
}

/** A reward model or a value model. */
export class ScoringModel extends Decoder {
  /** The head: weight f32 `[1, d]` and bias f32 `[1]`. */
  readonly score: Linear;
  /** Where a reward model reads. It is saved with the weights. */
  reading: ScoreReading = { token: 'last' };

  /**
   * A model with random weights. The head is normal with standard deviation 1 / sqrt(d + 1)
   * (Stiennon et al., 2020, appendix B.1).
   */
  constructor(config: ModelConfig, options: GptOptions = {}) {
    const init = new Initializer(options.seed ?? 0, options.weights);
    super(config, init, options);
    const { hiddenSize } = config;
    const std = 1 / Math.sqrt(hiddenSize + 1);
    // The head is one row and reads f32. In bf16 it would save nothing and make
    // scores less precise.
    this.score = new Linear(hiddenSize, 1, init, { bias: true, std, dtype: 'f32' });
  }

  /**
   * The scores at the listed rows, f32 `[m]`. They are computed in f32 for activations
   * of any dtype. With a cache the tokens continue the cached sequences.
   * @param rows i32 `[m]`
   */
  scores(input: GptInput, rows: Tensor, cache?: DecoderCache): Tensor {
    const hidden = cast(gatherRows(this.forward(input, cache), rows), 'f32');
    return reshape(linear(hidden, this.score.weight, this.score.bias), [rows.size]);
  }
}
