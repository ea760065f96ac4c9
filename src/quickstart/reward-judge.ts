/** The pipeline's reward model, with the tokenizer that it shares with the assistants. */
import { loadScoringModel } from '../checkpoint/gpt-folder.ts';
import type { DType } from '../native/binding.ts';
import type { Gpt } from '../nn/gpt.ts';
import type { ScoreReading, ScoringModel } from '../nn/scoring-model.ts';
import { encodeComparison } from '../scoring/encoded-comparisons.ts';
import { responseLogProbs } from '../scoring/response-log-probs.ts';
import { scoreAll } from '../scoring/reward-model.ts';
import { DrawnAnswerReader } from '../scoring/score-reading.ts';
import type { ResponseSequence } from '../scoring/sequences.ts';
import { ChatTemplate } from '../text/chat-template.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import type { Question } from './factbook/task.ts';

export class RewardJudge {
  readonly #model: ScoringModel;
  readonly #template: ChatTemplate;

  constructor(folder: string, dtype: DType) {
    this.#model = loadScoringModel(folder, { dtype });
    this.#template = ChatTemplate.of(Tokenizer.load(folder));
  }

  /** The score of the answer to each question. */
  score(questions: readonly Question[], texts: readonly string[]): number[] {
    const sequences = this.#sequences(questions, texts, this.#model.reading);
    return scoreAll(
      this.#model,
      sequences.map(({ tokens }) => tokens),
    );
  }

  /** The score of each dialogue with a drawn answer, given as tokens. */
  scoreTokens(sequences: readonly Int32Array[]): number[] {
    const reader = new DrawnAnswerReader(this.#template, this.#model.reading);
    return scoreAll(
      this.#model,
      sequences.map((tokens) => reader.read(tokens)),
    );
  }

  /**
   * The KL divergence of `model` from `reference`, in nats per answer. `texts` are the model's own
   * sampled answers, so the mean of their log-ratios estimates it.
   */
  kl(model: Gpt, reference: Gpt, questions: readonly Question[], texts: readonly string[]): number {
    const sequences = this.#sequences(questions, texts);
    const own = responseLogProbs(model, sequences, 1);
    const other = responseLogProbs(reference, sequences, 1);
    return own.reduce((sum, logProb, i) => sum + logProb - other[i]!, 0) / sequences.length;
  }

  #sequences(
    questions: readonly Question[],
    texts: readonly string[],
    reading?: ScoreReading,
  ): ResponseSequence[] {
    return questions.map(({ question }, i) => {
      const prompt = [{ role: 'user', content: question }];
      const comparison = { id: '', prompt, completions: [texts[i]!], ranks: [0] };
      return encodeComparison(comparison, this.#template, reading).answers[0]!;
    });
  }

  dispose(): void {
    this.#model.dispose();
  }
}
