/** Value models: their start, their training, and what they share. */
import { describe, expect, it } from 'vitest';
import type { DType } from '../../../src/native/binding.ts';
import { responseHidden } from '../../../src/scoring/response-log-probs.ts';
import { RewardModelSource, scoreSequences } from '../../../src/scoring/reward-model.ts';
import { type ResponseSequence, responseInput, responseStarts } from '../../../src/scoring/sequences.ts';
import { backward, noGrad } from '../../../src/tensor/autograd.ts';
import { sum } from '../../../src/tensor/ops/elementwise.ts';
import { scope } from '../../../src/tensor/tensor.ts';
import { AdaptedCritic, type Critic, SeparateCritic, SharedCritic } from '../../../src/train/rl/critic.ts';
import { expectSameBits, randomIntegers } from '../../helpers/reference.ts';
import { sequenceOf, tinyPolicy, tinyScorer, weights } from './world.ts';

const sequences: ResponseSequence[] = [3, 1, 6].map((length, i) =>
  sequenceOf(2 + i, [...randomIntegers(length, i, 60)]),
);
const lora = { rank: 4, alpha: 8, targets: ['all'] as const, seed: 5 };

function valuesOf(critic: Critic, policy = tinyPolicy()): Float32Array {
  return noGrad(() =>
    scope(() => {
      const input = responseInput(sequences);
      return critic.values(input, critic.sharesTrunk ? responseHidden(policy, input) : undefined).toFloats();
    }),
  );
}

/** Moves every trained number. */
function disturb(critic: Critic): void {
  for (const parameter of critic.group.parameters.values())
    parameter.write(parameter.toFloats().map((value) => value + 0.01));
}

describe('R3: the value model starts', () => {
  it('as a head of exactly 0 where it shares the policy', () => {
    const critic = new SharedCritic(tinyPolicy().config.hiddenSize, 1);
    expect(valuesOf(critic).every((value) => value === 0)).toBe(true);
    expect([...critic.group.parameters.keys()]).toEqual(['score.weight', 'score.bias']);
  });

  it.each(['f32', 'bf16'] as DType[])('as the reward model, bias included (%s)', (dtype) => {
    const [scorer, copy] = [tinyScorer(4, dtype), tinyScorer(4, dtype)];
    for (const model of [scorer, copy]) model.score.bias!.write(Float32Array.of(0.75));
    // The value of the state before a token is the reward model's score of what precedes it.
    const prefixes = sequences.map(({ tokens }) => tokens.subarray(0, -1));
    const wanted = scoreSequences(scorer, prefixes);
    const starts = responseStarts(sequences);
    const adapted = new AdaptedCritic(scorer, lora, 1, false);
    for (const critic of [new SeparateCritic(copy, 1), adapted]) {
      const values = valuesOf(critic);
      expectSameBits(
        Float32Array.from(wanted, (_, i) => values[starts[i + 1]! - 1]!),
        wanted,
      );
    }
  });
});

describe('adapters on the reward model', () => {
  it('train, and the reward model goes on scoring with the same bits', async () => {
    const source = new RewardModelSource(tinyScorer(4));
    const answers = sequences.map(({ tokens }) => ({ id: '', tokens, prompt: '', response: '', row: {} }));
    const before = await source.score(answers);
    const frozen = weights(source.model.parameters());
    const critic = new AdaptedCritic(source.model, lora, 1, false);
    source.share(critic.adapters);
    expectSameBits(await source.score(answers), before);
    const start = valuesOf(critic);
    disturb(critic);
    expect(valuesOf(critic)).not.toEqual(start);
    expectSameBits(await source.score(answers), before);
    for (const [name, value] of weights(source.model.parameters())) {
      expectSameBits(value, frozen.get(name)!, name);
    }
    critic.dispose();
    expect(source.model.tokenEmbedding.weight.disposed).toBe(false);
    source.dispose();
  });
});

it('a value model trains with all of its parameters, and the shared one reaches into the policy', () => {
  const policy = tinyPolicy();
  const made: Critic[] = [
    new SharedCritic(policy.config.hiddenSize, 1),
    new SeparateCritic(tinyScorer(), 1),
    new AdaptedCritic(tinyScorer(), lora, 1, true),
  ];
  for (const critic of made) {
    disturb(critic);
    scope(() => {
      const input = responseInput(sequences);
      backward(sum(critic.values(input, critic.sharesTrunk ? responseHidden(policy, input) : undefined)));
    });
    for (const [name, parameter] of critic.group.parameters) {
      // What positions beyond the longest sequence say is never read.
      expect(
        parameter.grad?.toFloats().some((value) => value !== 0),
        name,
      ).toBe(true);
    }
    expect(policy.tokenEmbedding.weight.grad !== undefined).toBe(critic.sharesTrunk);
    policy.zeroGrad();
  }
});

it('is restored from what it gave', () => {
  const make = () => [
    new SharedCritic(32, 1),
    new SeparateCritic(tinyScorer(), 1),
    new AdaptedCritic(tinyScorer(), lora, 1, true),
  ];
  const fresh = make();
  make().forEach((critic, i) => {
    disturb(critic);
    const saved = new Map(
      critic.tensors().map(([name, { data }]) => [name, typeof data === 'function' ? data() : data]),
    );
    fresh[i]!.restore((name) => ({ data: saved.get(name) }) as never);
    expectSameBits(valuesOf(fresh[i]!), valuesOf(critic));
  });
});
