/**
 * Random sequences of given lengths, end to end, and the losses and gradients of models on them.
 */
import type { Decoder, GptInput } from '../../src/nn/decoder.ts';
import type { Gpt } from '../../src/nn/gpt.ts';
import type { Module } from '../../src/nn/module.ts';
import { backward, noGrad } from '../../src/tensor/autograd.ts';
import { scope, type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { randomIntegers } from './reference.ts';

export const ints = (values: ArrayLike<number>): Tensor => tensor(Int32Array.from(values));

export interface TokenBatch {
  n: number;
  /** Where each sequence begins, and n. */
  starts: number[];
  ids: Int32Array;
  targets: Int32Array;
  positions: number[];
}

export function tokenBatch(lengths: readonly number[], vocabulary: number, seed = 3): TokenBatch {
  const n = lengths.reduce((a, b) => a + b, 0);
  const starts = [0];
  for (const length of lengths) starts.push(starts.at(-1)! + length);
  return {
    n,
    starts,
    ids: randomIntegers(n, seed, vocabulary),
    targets: randomIntegers(n, seed + 1, vocabulary),
    positions: lengths.flatMap((length) => Array.from({ length }, (_, i) => i)),
  };
}

export const inputOf = ({ ids, positions, starts }: TokenBatch): GptInput => ({
  tokens: ints(ids),
  positions: ints(positions),
  cuSeqlens: ints(starts),
});

/** Loss of one step, and the gradients of what it trains: the model, or `owner`'s parameters. */
export function gradients(
  model: Gpt,
  made: TokenBatch,
  owner: Module = model,
  input: GptInput = inputOf(made),
): { loss: number; grads: Map<string, Float32Array> } {
  const loss = scope(() => {
    const value = model.loss(input, ints(made.targets), { scale: 1 / made.n }).loss;
    backward(value);
    return value.item();
  });
  const grads = new Map([...owner.parameters()].map(([name, p]) => [name, p.grad!.toFloats()]));
  owner.zeroGrad();
  return { loss, grads };
}

/** The final hidden states as numbers. */
export function hiddenStates(model: Decoder, made: TokenBatch): Float32Array {
  return noGrad(() => scope(() => model.forward(inputOf(made)).toFloats()));
}
