/**
 * Scores of responses from the reward source, and their log-probabilities from the reference.
 * Neither has gradients.
 */

import { responseLogProbs } from '../../scoring/response-log-probs.ts';
import type { Answer } from '../../scoring/reward-source.ts';
import type { ResponseSequence } from '../../scoring/sequences.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { RolloutModels } from './models.ts';
import type { EncodedPrompt } from './prompts.ts';
import { clipScores, type MissingEosOptions } from './rewards.ts';
import type { ResponseScores } from './sampled-responses.ts';

export interface ScorerOptions extends MissingEosOptions {
  /** The sampling temperature, which also divides the reference's logits. */
  temperature: number;
  /** Largest absolute score; larger scores are clipped. 0: no limit. */
  rewardClip: number;
}

export class Scorer {
  readonly #models: RolloutModels;
  readonly #prompts: readonly EncodedPrompt[];
  readonly #tokenizer: Tokenizer;

  /** Does not own the models. */
  constructor(
    models: RolloutModels,
    prompts: readonly EncodedPrompt[],
    tokenizer: Tokenizer,
    readonly options: ScorerOptions,
  ) {
    this.#models = models;
    this.#prompts = prompts;
    this.#tokenizer = tokenizer;
  }

  /**
   * Scores of the reward source and log-probabilities of the reference. Throws as
   * the reward source.
   */
  async score(sequences: readonly ResponseSequence[]): Promise<Omit<ResponseScores, 'scores'>> {
    const startedAt = performance.now();
    const rawScores = await this.#rewards(sequences);
    const referenceLogProbs = this.#models.withReference((reference) =>
      responseLogProbs(reference, sequences, this.options.temperature),
    );
    const scoringSeconds = (performance.now() - startedAt) / 1000;
    return { rawScores, referenceLogProbs, scoringSeconds };
  }

  /** f32 `[responses]`: clipped scores. */
  async #rewards(sequences: readonly ResponseSequence[]): Promise<Float32Array> {
    const scores = await this.#models.reward.score(sequences.map((sequence) => this.#answer(sequence)));
    return clipScores(scores, this.options.rewardClip);
  }

  promptText({ prompt }: ResponseSequence): string {
    return this.#prompts[prompt]!.text;
  }

  /** The text of a response without control tokens, and so without its end token. */
  responseText({ tokens, promptLength }: ResponseSequence): string {
    return this.#tokenizer.decode(tokens.subarray(promptLength), { skipSpecial: true });
  }

  #answer(sequence: ResponseSequence): Answer {
    const { id, text: prompt, row } = this.#prompts[sequence.prompt]!;
    return { id, tokens: sequence.tokens, prompt, response: this.responseText(sequence), row };
  }
}
