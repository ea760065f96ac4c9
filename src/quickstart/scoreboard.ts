/** Measures each model of the pipeline on questions that none of them was trained on. */

import type { Interval } from '../base/statistics.ts';
import { mean, wilsonInterval } from '../base/statistics.ts';
import { loadModel } from '../checkpoint/gpt-folder.ts';
import { TokenDataset } from '../data/shards/token-dataset.ts';
import { Answerer, type AnswerOptions } from '../eval/answers.ts';
import { perplexity } from '../eval/perplexity.ts';
import type { DType } from '../native/binding.ts';
import type { Gpt } from '../nn/gpt.ts';
import { RightAnswers } from './factbook/right-answers.ts';
import type { Question } from './factbook/task.ts';
import { RewardJudge } from './reward-judge.ts';

export interface ScoreboardOptions {
  /** Folder of token shards to measure bits per byte on. */
  data: string;
  dtype: DType;
  seed: number;
  heldOutPhrasings: readonly Question[];
  heldOutFacts: readonly Question[];
  values: ReadonlyMap<string, readonly string[]>;
  /** Largest number of new tokens per answer. */
  maxTokens: number;
  /** Number of answers from which the reward model chooses. */
  bestOf: number;
}

/** The figures of one model. */
export interface ScoreboardRow {
  model: string;
  bitsPerByte: number;
  /** Shares of right answers. */
  phrasingsGreedy: number;
  phrasingsSampled: number;
  factsGreedy: number;
  factsSampled: number;
  /**
   * Mean reward of sampled answers to held-out phrasings; undefined before there is a reward model.
   */
  reward: number | undefined;
  /**
   * KL divergence from the SFT model, in nats per sampled answer; undefined for a base model, which
   * reads no dialogue.
   */
  kl: number | undefined;
  winRate: WinRate | undefined;
  /** Answers to the shown questions: greedy ones, or the ones chosen among sampled answers. */
  shown: string[];
  /** Of each shown answer: whether it is right. */
  shownRight: boolean[];
}

/**
 * Compares a model with the one before: among the questions that only one of both answers right,
 * the share of this model.
 */
export interface WinRate {
  decided: number;
  /** Undefined when no question is decided. */
  share: (Interval & { value: number }) | undefined;
}

/** A measured model, with its sampled answers to the held-out phrasings. */
interface Entry {
  row: ScoreboardRow;
  sampled: readonly string[];
  right: readonly boolean[];
}

/** Number of questions that are shown with every model's answer. */
const SHOWN = 5;

/**
 * Measures each model when its stage is done. The reward model comes after two of them; then
 * `judge` adds its figures to their rows.
 */
export class Scoreboard {
  readonly #options: ScoreboardOptions;
  readonly #rule: RightAnswers;
  #base: Entry | undefined;
  #sft: { entry: Entry; folder: string } | undefined;
  #best: Entry | undefined;
  #ppo: Entry | undefined;
  #judge: RewardJudge | undefined;

  constructor(options: ScoreboardOptions) {
    this.#options = options;
    this.#rule = new RightAnswers(options.values);
  }

  /** Rows of the models measured so far: base, SFT, SFT with the reward model choosing, PPO. */
  get rows(): ScoreboardRow[] {
    return [this.#base, this.#sft?.entry, this.#best, this.#ppo].flatMap((entry) => entry?.row ?? []);
  }

  async addBase(folder: string): Promise<void> {
    this.#base = await this.#measure('base', folder);
  }

  async addSft(folder: string): Promise<void> {
    this.#sft = { entry: await this.#measure('SFT', folder, this.#base), folder };
    this.#sft.entry.row.kl = 0;
  }

  /**
   * Scores the sampled answers with the reward model in `folder`, and lets it choose among the
   * answers of SFT.
   */
  async judge(folder: string): Promise<void> {
    this.#judge = new RewardJudge(folder, this.#options.dtype);
    const { entry } = this.#sft!;
    for (const { row, sampled } of [this.#base!, entry]) row.reward = this.#reward(sampled);
    this.#best = await this.#chosen(this.#judge);
  }

  async addPpo(folder: string): Promise<void> {
    const { dtype, heldOutPhrasings } = this.#options;
    const { entry, folder: sft } = this.#sft!;
    this.#ppo = await this.#measure('PPO', folder, entry);
    const { row, sampled } = this.#ppo;
    row.reward = this.#reward(sampled);
    row.kl = using([loadModel(folder, { dtype }), loadModel(sft, { dtype })], ([model, reference]) =>
      this.#judge!.kl(model!, reference!, heldOutPhrasings, sampled),
    );
  }

  dispose(): void {
    this.#judge?.dispose();
  }

  #reward(sampled: readonly string[]): number {
    return mean(this.#judge!.score(this.#options.heldOutPhrasings, sampled));
  }

  async #measure(model: string, folder: string, before?: Entry): Promise<Entry> {
    const { dtype, heldOutPhrasings, heldOutFacts } = this.#options;
    const gpt = loadModel(folder, { dtype });
    try {
      const answerer = Answerer.of(gpt, folder);
      const ask = (questions: readonly Question[], temperature: number) =>
        this.#ask(answerer, questions, { temperature });
      const greedy = await ask(heldOutPhrasings, 0);
      const sampled = await ask(heldOutPhrasings, 1);
      const right = this.#rightOf(heldOutPhrasings, sampled);
      const rightGreedy = this.#rightOf(heldOutPhrasings, greedy);
      const row: ScoreboardRow = {
        model,
        bitsPerByte: await this.#bitsPerByte(gpt),
        phrasingsGreedy: share(rightGreedy),
        phrasingsSampled: share(right),
        factsGreedy: share(this.#rightOf(heldOutFacts, await ask(heldOutFacts, 0))),
        factsSampled: share(this.#rightOf(heldOutFacts, await ask(heldOutFacts, 1))),
        reward: undefined,
        kl: undefined,
        winRate: before && winRate(right, before.right),
        shown: shownQuestions(heldOutPhrasings).map(({ index }) => greedy[index]!),
        shownRight: shownQuestions(heldOutPhrasings).map(({ index }) => rightGreedy[index]!),
      };
      return { row, sampled, right };
    } finally {
      gpt.dispose();
    }
  }

  /**
   * SFT again, with chosen answers in place of the sampled ones. The greedy answers and the bits
   * per byte do not change.
   */
  async #chosen(judge: RewardJudge): Promise<Entry> {
    const { dtype, heldOutPhrasings, heldOutFacts, bestOf } = this.#options;
    const { entry: sft, folder } = this.#sft!;
    const gpt = loadModel(folder, { dtype });
    try {
      const answerer = Answerer.of(gpt, folder);
      const best = {
        candidates: bestOf,
        score: async (sequences: readonly Int32Array[]) => judge.scoreTokens(sequences),
      };
      const ask = (questions: readonly Question[]) =>
        this.#ask(answerer, questions, { temperature: 1, best });
      const sampled = await ask(heldOutPhrasings);
      const right = this.#rightOf(heldOutPhrasings, sampled);
      const row: ScoreboardRow = {
        ...sft.row,
        model: `SFT, best of ${bestOf}`,
        phrasingsSampled: share(right),
        factsSampled: share(this.#rightOf(heldOutFacts, await ask(heldOutFacts))),
        reward: this.#reward(sampled),
        // Choosing among answers is no stage: it and the next stage are both compared with
        // the SFT model.
        winRate: winRate(right, sft.right),
        shown: shownQuestions(heldOutPhrasings).map(({ index }) => sampled[index]!),
        shownRight: shownQuestions(heldOutPhrasings).map(({ index }) => right[index]!),
      };
      return { row, sampled, right };
    } finally {
      gpt.dispose();
    }
  }

  #ask(
    answerer: Answerer,
    questions: readonly Question[],
    sampling: Pick<AnswerOptions, 'temperature' | 'best'>,
  ): Promise<string[]> {
    const { maxTokens, seed } = this.#options;
    const dialogues = questions.map(({ question }) => [{ role: 'user', content: question }]);
    return answerer.answer(dialogues, { maxTokens, seed, batchSize: 64, ...sampling });
  }

  #rightOf(questions: readonly Question[], texts: readonly string[]): boolean[] {
    return questions.map((question, i) => this.#rule.isRight(question, texts[i]!));
  }

  async #bitsPerByte(gpt: Gpt): Promise<number> {
    const dataset = TokenDataset.open(this.#options.data);
    try {
      const context = gpt.config.contextLength;
      const result = await perplexity(gpt, dataset, { batchSize: 16, context, maxTokens: 32768 });
      return result.bitsPerByte;
    } finally {
      dataset.close();
    }
  }
}

/** Questions spread over the list, the same for every model. */
export function shownQuestions(questions: readonly Question[]): { index: number; question: Question }[] {
  const stride = Math.max(1, Math.floor(questions.length / SHOWN));
  return Array.from({ length: Math.min(SHOWN, questions.length) }, (_, i) => {
    const index = Math.min(questions.length - 1, i * stride + i);
    return { index, question: questions[index]! };
  });
}

function share(right: readonly boolean[]): number {
  return right.filter(Boolean).length / right.length;
}

function winRate(now: readonly boolean[], before: readonly boolean[]): WinRate {
  const wins = now.filter((right, i) => right && !before[i]).length;
  const losses = now.filter((right, i) => !right && before[i]).length;
  const decided = wins + losses;
  if (decided === 0) return { decided, share: undefined };
  return { decided, share: { value: wins / decided, ...wilsonInterval(wins, decided) } };
}

/** Runs `work` on models, then disposes of them. */
function using<T>(models: readonly Gpt[], work: (models: readonly Gpt[]) => T): T {
  try {
    return work(models);
  } finally {
    for (const model of models) model.dispose();
  }
}
