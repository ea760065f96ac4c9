/** Responses to prompts, scored: generation, reward, reference and critic in one pass each, none of them with gradients. */

import { concatFloats, concatInts } from '../../base/concat.ts';
import type { JsonObject } from '../../base/json.ts';
import type { ShuffledCycle } from '../../data/rows/cycle.ts';
import { generate } from '../../generate/generate.ts';
import type { Gpt } from '../../nn/gpt.ts';
import type { Episode } from '../../scoring/episode.ts';
import { responseLogProbs } from '../../scoring/log-probs.ts';
import type { Answer, RewardSource } from '../../scoring/reward-source.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import { type MissingEosOptions, withMissingEos } from './rewards.ts';

/** A prompt as the policy reads it. */
export interface EncodedPrompt {
  id: string;
  tokens: Int32Array;
  /** The last user message. */
  text: string;
  row: JsonObject;
}

export interface SamplerOptions extends MissingEosOptions {
  /** Prompts of one rollout, and responses to each. */
  prompts: number;
  responsesPerPrompt: number;
  /** New tokens at most. */
  maxResponse: number;
  temperature: number;
  stopTokens: readonly number[];
  /** Sequences decoded at once. */
  decodeBatch: number;
  /** Largest absolute score; larger ones are cut to it. 0 cuts none. */
  rewardClip: number;
  seed: number;
}

export interface SampledResponses {
  episodes: Episode[];
  /** Flat, a response token each: the policy's own, as sampled. */
  logProbs: Float32Array;
  referenceLogProbs: Float32Array;
  /** A response each, before and after what unfinished ones are due. */
  rawScores: Float32Array;
  scores: Float32Array;
  rolloutSeconds: number;
  scoringSeconds: number;
}

export interface SamplerParts {
  policy: Gpt;
  /** Undefined where it is the policy without its adapters. */
  reference: Gpt | undefined;
  tokenizer: Tokenizer;
  prompts: readonly EncodedPrompt[];
  reward: RewardSource;
  /** Runs body with the frozen reference. */
  withReference: <T>(body: (reference: Gpt) => T) => T;
}

export class Sampler {
  constructor(
    readonly parts: SamplerParts,
    readonly options: SamplerOptions,
  ) {}

  /** Responses of one iteration to the next prompts of the cycle, those to one prompt side by side. */
  async sample(cycle: ShuffledCycle, iteration: number): Promise<SampledResponses> {
    const { prompts, responsesPerPrompt, seed } = this.options;
    const chosen = Array.from({ length: prompts }, () => cycle.next());
    const repeated = chosen.flatMap((prompt) => new Array<number>(responsesPerPrompt).fill(prompt));
    // A seed of its own for each iteration: within one, every response draws from its own stream.
    return this.respond(repeated, seed + 1_000_003 * (iteration + 1));
  }

  /** Responses to the prompts of these indices. */
  async respond(indices: readonly number[], seed: number): Promise<SampledResponses> {
    const { policy, prompts, withReference } = this.parts;
    const { maxResponse, temperature, stopTokens, decodeBatch } = this.options;
    const startedAt = performance.now();
    const completions = await generate(
      policy,
      indices.map((index) => prompts[index]!.tokens),
      { maxTokens: maxResponse, temperature, stopTokens, batchSize: decodeBatch, seed },
    );
    const sampledAt = performance.now();
    const episodes = completions.map(({ tokens, finish }, i): Episode => {
      const prompt = prompts[indices[i]!]!.tokens;
      return {
        prompt: indices[i]!,
        tokens: concatInts([prompt, tokens]),
        promptLength: prompt.length,
        finished: finish === 'stop',
      };
    });
    const rawScores = await this.#score(episodes);
    const referenceLogProbs = withReference((reference) =>
      responseLogProbs(reference, episodes, temperature),
    );
    return {
      episodes,
      logProbs: concatFloats(completions.map(({ logProbs }) => logProbs)),
      referenceLogProbs,
      rawScores,
      scores: withMissingEos(rawScores, episodes, this.options),
      rolloutSeconds: (sampledAt - startedAt) / 1000,
      scoringSeconds: (performance.now() - sampledAt) / 1000,
    };
  }

  /** The response as text, without the token that ended it. */
  responseText({ tokens, promptLength }: Episode): string {
    return this.parts.tokenizer.decode(tokens.subarray(promptLength), { skipSpecial: true });
  }

  async #score(episodes: readonly Episode[]): Promise<Float32Array> {
    const answers = episodes.map((episode): Answer => {
      const { text, row } = this.parts.prompts[episode.prompt]!;
      return { tokens: episode.tokens, prompt: text, response: this.responseText(episode), row };
    });
    const scores = await this.parts.reward.score(answers);
    const most = this.options.rewardClip;
    return most > 0 ? scores.map((score) => Math.min(most, Math.max(-most, score))) : scores;
  }
}
