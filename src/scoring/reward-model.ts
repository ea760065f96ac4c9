/** Rewards from a reward model: its score at the token of each answer that it reads. */
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { AthanorError } from '../base/errors.ts';
import { loadScoringModel } from '../checkpoint/gpt-folder.ts';
import type { GptOptions } from '../nn/decoder.ts';
import type { LoraAdapters } from '../nn/lora.ts';
import type { ScoringModel } from '../nn/scoring-model.ts';
import { noGrad } from '../tensor/autograd.ts';
import { scope } from '../tensor/tensor.ts';
import { ChatTemplate } from '../text/chat-template.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import type { Answer, RewardSource } from './reward-source.ts';
import { DrawnAnswerReader, readingWarning } from './score-reading.ts';
import { byTokens, lastRows, packSequences, SCORING_TOKENS } from './sequences.ts';

/** Owns its model: dispose() frees it. */
export class RewardModelSource implements RewardSource {
  readonly model: ScoringModel;
  /** What the user should know about how the model reads. */
  readonly warning: string | undefined;
  readonly #reader: DrawnAnswerReader | undefined;
  #adapters: LoraAdapters | undefined;

  /** @param reader of answers; undefined: the last token of each is scored */
  constructor(model: ScoringModel, reader?: DrawnAnswerReader, warning?: string) {
    this.model = model;
    this.#reader = reader;
    this.warning = warning;
  }

  /**
   * Notes that a value model's adapters are on the same weights. Answers are scored without them.
   */
  share(adapters: LoraAdapters): void {
    this.#adapters = adapters;
  }

  get isShared(): boolean {
    return this.#adapters !== undefined;
  }

  /**
   * Throws ERR_MISMATCH if the reward model has another tokenizer than the policy, or a context
   * that is too short.
   * @param longest largest number of tokens of a prompt with its response
   * @param stops the tokens that end a response. Default: those of the reward model's template
   */
  static load(
    folder: string,
    policyTokenizer: Tokenizer,
    longest: number,
    options: GptOptions,
    stops?: readonly number[],
  ): RewardModelSource {
    const tokenizer = Tokenizer.load(folder);
    if (tokenizer.fingerprint() !== policyTokenizer.fingerprint()) {
      throw new AthanorError(
        'ERR_MISMATCH',
        `the reward model in ${folder} has another tokenizer than the policy, so it would read a different text`,
        'train the reward model from the same model as the policy',
      );
    }
    const model = loadScoringModel(folder, options);
    const { contextLength } = model.config;
    if (longest > contextLength) {
      model.dispose();
      throw new AthanorError(
        'ERR_MISMATCH',
        `a prompt with its response can have ${longest} tokens, but the context of the reward model in ${folder} is ${contextLength}`,
        'lower `maxResponseLength`, or train a reward model with a longer context',
      );
    }
    if (tokenizer.chatTemplate === undefined) return new RewardModelSource(model);
    const template = ChatTemplate.of(tokenizer);
    const { reading } = model;
    const reader = new DrawnAnswerReader(template, reading, stops);
    return new RewardModelSource(model, reader, readingWarning(folder, reading, template));
  }

  score(answers: readonly Answer[]): Promise<Float32Array> {
    return this.scoreSequences(answers.map(({ tokens }) => tokens));
  }

  /**
   * f32 `[sequences]`: the scores of prompts with their responses. Other work of the process can
   * run between batches.
   */
  async scoreSequences(sequences: readonly Int32Array[]): Promise<Float32Array> {
    const scores: number[] = [];
    const read = this.#reader ? sequences.map((tokens) => this.#reader!.read(tokens)) : sequences;
    for (const group of byTokens(read, ({ length }) => length, SCORING_TOKENS)) {
      const score = () => scoreSequences(this.model, group);
      scores.push(...(this.#adapters ? this.#adapters.without(score) : score()));
      await yieldToEvents();
    }
    return Float32Array.from(scores);
  }

  dispose(): void {
    this.model.dispose();
  }
}

/** The score at the last token of each sequence, for any number of sequences. */
export function scoreAll(model: ScoringModel, sequences: readonly Int32Array[]): number[] {
  return byTokens(sequences, ({ length }) => length, SCORING_TOKENS).flatMap((group) => [
    ...scoreSequences(model, group),
  ]);
}

/**
 * f32 `[sequences]`: the score at the last token of each sequence. Reads all sequences in one
 * batch, without gradients.
 */
export function scoreSequences(model: ScoringModel, sequences: readonly Int32Array[]): Float32Array {
  return noGrad(() => scope(() => model.scores(packSequences(sequences), lastRows(sequences)).toFloats()));
}
