/**
 * Samples the policy's answers to prompts from its whole distribution, without top-k or top-p. Only
 * ids without a token are never drawn. The recorded log-probabilities are those of the whole
 * distribution, suppressed ids included. The loss computes the same, so with unchanged weights the
 * ratio of new to old probabilities is exactly 1. For that reason the policy itself scores the
 * responses that its int8 copy has drawn.
 */

import { concatFloats, concatInts } from '../../base/concat.ts';
import type { ShuffledCycle } from '../../data/rows/cycle.ts';
import { generate } from '../../generate/generate.ts';
import type { Completion } from '../../generate/sequence.ts';
import type { Gpt } from '../../nn/gpt.ts';
import { type Quantization, quantizeForDecoding } from '../../nn/quantized-weights.ts';
import { responseLogProbs } from '../../scoring/response-log-probs.ts';
import type { ResponseSequence } from '../../scoring/sequences.ts';
import type { EncodedPrompt } from './prompts.ts';
import type { DrawnResponses } from './sampled-responses.ts';

export interface SamplerOptions {
  /** Prompts per rollout. */
  promptsPerRollout: number;
  responsesPerPrompt: number;
  /** Largest number of new tokens per response. */
  maxResponseLength: number;
  /** Divides the logits. */
  temperature: number;
  stopTokens: readonly number[];
  /** Ids that are never drawn: those without a token. */
  suppressTokens: readonly number[];
  /** Sequences to decode at the same time. */
  decodeBatchSize: number;
  /** Weights that draw the responses of rollouts. Default: the policy's own. */
  quantize?: Quantization;
  seed: number;
}

/**
 * Distance between the seeds of two iterations. Two runs share the seed of a rollout only if their
 * own seeds differ by a multiple of this number. So it is larger than the differences of usual
 * seeds, and not a round number.
 */
const ITERATION_SEED_STRIDE = 1_000_003;

export class Sampler {
  readonly #policy: Gpt;
  readonly #prompts: readonly EncodedPrompt[];

  /** Does not own the policy. */
  constructor(
    policy: Gpt,
    prompts: readonly EncodedPrompt[],
    readonly options: SamplerOptions,
  ) {
    this.#policy = policy;
    this.#prompts = prompts;
  }

  /** Responses per rollout. */
  get rolloutSize(): number {
    return this.options.promptsPerRollout * this.options.responsesPerPrompt;
  }

  /** The indices of the next prompts of the cycle. Each index is repeated once per response. */
  nextPrompts(cycle: ShuffledCycle): number[] {
    const { promptsPerRollout, responsesPerPrompt } = this.options;
    const chosen = cycle.take(promptsPerRollout);
    return chosen.flatMap((prompt) => new Array<number>(responsesPerPrompt).fill(prompt));
  }

  /**
   * The seed of an iteration's rollout. Each response in it has its own random stream. Evaluations
   * use `seed` itself.
   */
  iterationSeed(iteration: number): number {
    return this.options.seed + ITERATION_SEED_STRIDE * (iteration + 1);
  }

  /**
   * Samples one response to each of these prompts, given by their indices.
   * @param quantize the weights to draw with; the log-probabilities are those of the policy
   * @param first the place of the first of them in the whole rollout, which decides the draws
   */
  async draw(
    indices: readonly number[],
    seed: number,
    quantize: Quantization = 'none',
    first = 0,
  ): Promise<DrawnResponses> {
    const { maxResponseLength: maxTokens, decodeBatchSize: batchSize } = this.options;
    const { temperature, stopTokens, suppressTokens } = this.options;
    const startedAt = performance.now();
    // The weights change between rollouts, so each has copies of its own.
    using quantized = quantize === 'int8' ? quantizeForDecoding(this.#policy) : undefined;
    const completions = await generate(
      this.#policy,
      indices.map((index) => this.#prompts[index]!.tokens),
      { maxTokens, temperature, stopTokens, suppressTokens, batchSize, seed, firstStream: first },
    );
    const sequences = completions.map((completion, i) => this.#sequence(indices[i]!, completion));
    const drawn = concatFloats(completions.map(({ logProbs }) => logProbs));
    const logProbs = quantized ? responseLogProbs(this.#policy, sequences, temperature) : drawn;
    return {
      sequences,
      logProbs,
      ...(quantized && { drawnLogProbs: drawn }),
      seconds: (performance.now() - startedAt) / 1000,
    };
  }

  #sequence(index: number, { tokens, finish }: Completion): ResponseSequence {
    const prompt = this.#prompts[index]!.tokens;
    return {
      prompt: index,
      tokens: concatInts([prompt, tokens]),
      promptLength: prompt.length,
      finished: finish === 'stop',
    };
  }
}
