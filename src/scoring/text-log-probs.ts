/** The log-probability of each token of a text, to compare a model with that of its owner. */
import { AthanorError } from '../base/errors.ts';
import type { Gpt } from '../nn/gpt.ts';
import { noGrad } from '../tensor/autograd.ts';
import { linearLogProb } from '../tensor/ops/loss.ts';
import { scope, tensor } from '../tensor/tensor.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

/** What a model says of a text. */
export type TextLogProbs = {
  /** The tokens, with those that the tokenizer's owner puts around a text. */
  token_ids: number[];
  /** Log-probability of each token after those before it, in nats; null for the first. */
  log_probs: (number | null)[];
  /** The sum of the negative log-probabilities. */
  nats: number;
  /** The same in bits, over the bytes of the text as UTF-8. */
  bits_per_byte: number;
};

/**
 * Reads a text in one pass. Throws ERR_ARGUMENT for a text without a token to predict and for one
 * that is longer than the model's context.
 */
export function textLogProbs(model: Gpt, tokenizer: Pick<Tokenizer, 'encode'>, text: string): TextLogProbs {
  const ids = tokenizer.encode(text, { addSpecialTokens: true });
  const { contextLength } = model.config;
  if (ids.length < 2) {
    throw new AthanorError('ERR_ARGUMENT', 'the text has no token behind the first', 'give a longer text');
  }
  if (ids.length - 1 > contextLength) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `the text has ${ids.length} tokens, and the context of the model is ${contextLength}`,
      'give a shorter text',
    );
  }
  const values = noGrad(() =>
    scope(() => {
      const hidden = model.forward({
        tokens: tensor(ids.slice(0, -1)),
        positions: tensor(Int32Array.from({ length: ids.length - 1 }, (_, i) => i)),
        cuSeqlens: tensor(Int32Array.from([0, ids.length - 1])),
      });
      const { logitSoftcap } = model.config;
      return linearLogProb(
        hidden,
        model.headWeight,
        tensor(ids.slice(1)),
        1,
        logitSoftcap,
      ).logProbs.toFloats();
    }),
  );
  const nats = values.reduce((sum, value) => sum - value, 0);
  return {
    token_ids: [...ids],
    log_probs: [null, ...values],
    nats,
    bits_per_byte: nats / Math.LN2 / Buffer.byteLength(text),
  };
}
