/**
 * More token rows for a base model whose tokenizer got new tokens, such as those of a chat
 * template. A new row is the mean of the old ones (Hewitt, "Initializing new word embeddings for
 * pretrained language models", 2021). A new token's logit is then the mean of the old logits, so it
 * takes little probability from them before it is trained.
 */

import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Gpt } from './gpt.ts';
import { Projection } from './layers.ts';

/**
 * A copy of the model with `vocabSize` tokens. The old rows of the token table and of an untied
 * head keep their bits. The model itself does not change, and the caller still disposes of it.
 * Throws ERR_ARGUMENT for fewer tokens than the model has, and ERR_STATE for a model with LoRA
 * adapters, which the copy would lack.
 */
export function growVocabulary(model: Gpt, vocabSize: number): Gpt {
  const before = model.config.vocabSize;
  if (!Number.isInteger(vocabSize) || vocabSize < before) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `[growVocabulary] expected a whole number of at least ${before} tokens, which the model has, but got ${vocabSize}`,
    );
  }
  if ([...model.modules().values()].some((module) => module instanceof Projection && module.adapter)) {
    throw new AthanorError(
      'ERR_STATE',
      '[growVocabulary] the model has LoRA adapters, which the larger one would lack',
      'grow the vocabulary first, then attach adapters',
    );
  }
  const { dtype, weights, frozenProjections, checkpointActivations } = model;
  const options = { dtype, weights, frozenProjections, checkpointActivations };
  const grown = new Gpt({ ...model.config, vocabSize }, options);
  const targets = grown.parameters();
  for (const [name, source] of model.parameters()) {
    const target = targets.get(name)!;
    if (target.shape[0] === source.shape[0]) native.copyInto(target.handle, source.handle);
    else copyRows(target, source);
    target.requiresGrad = source.requiresGrad;
  }
  const frozen = grown.frozenWeights();
  for (const [name, source] of model.frozenWeights()) frozen.get(name)!.copyFrom(source);
  return grown;
}

/** Copies the rows of source, and their mean into every further row. */
function copyRows(target: Tensor, source: Tensor): void {
  const [rows = 0, width = 0] = source.shape;
  const values = new Float32Array(target.size);
  values.set(source.toFloats());
  const mean = columnMeans(values, rows, width);
  for (let at = rows * width; at < values.length; at += width) values.set(mean, at);
  target.writeFloats(values);
}

/** In double precision, because a vocabulary has many rows. */
function columnMeans(values: Float32Array, rows: number, width: number): Float64Array {
  const sums = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < width; column++) sums[column]! += values[row * width + column]!;
  }
  return sums.map((sum) => sum / rows);
}
