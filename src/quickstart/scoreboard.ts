/** Where each model of the pipeline stands on questions that none of them was trained on. */

import { type Interval, mean, wilsonInterval } from '../base/statistics.ts';
import { loadGpt, loadScoringModel } from '../checkpoint/gpt-folder.ts';
import { TokenDataset } from '../data/shards/token-dataset.ts';
import { Answerer, type AnswerOptions } from '../eval/answers.ts';
import { isCorrect } from '../eval/exact-match.ts';
import { perplexity } from '../eval/perplexity.ts';
import type { DType } from '../native/binding.ts';
import type { Gpt } from '../nn/gpt.ts';
import type { ScoringModel } from '../nn/scoring-model.ts';
import { encodeComparison } from '../scoring/encoded-comparisons.ts';
import { responseLogProbs } from '../scoring/response-log-probs.ts';
import { scoreAll } from '../scoring/reward-model.ts';
import type { ResponseSequence } from '../scoring/sequences.ts';
import { ChatTemplate } from '../text/chat-template.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import type { Question } from './factbook/task.ts';

export interface StandingOptions {
  /** Model folders after each stage, and shards to measure bits per byte on. */
  base: string;
  sft: string;
  reward: string;
  ppo: string;
  data: string;
  dtype: DType;
  seed: number;
  heldOutPhrasings: readonly Question[];
  heldOutFacts: readonly Question[];
  values: ReadonlyMap<string, readonly string[]>;
  maxTokens: number;
  /** Answers among which the reward model chooses. */
  bestOf: number;
}

export interface Standing {
  model: string;
  bitsPerByte: number;
  /** Shares of right answers. */
  phrasingsGreedy: number;
  phrasingsSampled: number;
  factsGreedy: number;
  factsSampled: number;
  /** Of sampled answers to held-out phrasings. */
  reward: number;
  /** Nats a sampled answer; undefined for a base model, which reads no dialogue. */
  kl: number | undefined;
  /** Against the stage before, by the rule, of the questions where just one is right. */
  winRate: (Interval & { share: number; decided: number }) | undefined;
  /** Answers to the shown questions: greedy ones, or those chosen among sampled ones. */
  shown: string[];
}

/** How many questions are shown with every model's answer. */
const SHOWN = 5;

interface Contender {
  model: string;
  gpt: Gpt;
  answerer: Answerer;
  /** Chooses among sampled answers; undefined for one that says what it samples. */
  best?: AnswerOptions['best'];
}

/** Base, SFT, SFT with the reward model choosing, PPO. */
export async function standings(options: StandingOptions): Promise<Standing[]> {
  const { dtype } = options;
  const judge = new Judge(options.reward, dtype);
  const load = (folder: string): [Gpt, Answerer] => {
    const gpt = loadGpt(folder, { dtype });
    return [gpt, new Answerer(gpt, Tokenizer.load(folder))];
  };
  const [[base, asBase], [sft, asSft], [ppo, asPpo]] = [
    load(options.base),
    load(options.sft),
    load(options.ppo),
  ] as const;
  const best = {
    candidates: options.bestOf,
    score: async (sequences: readonly Int32Array[]) => judge.scoreTokens(sequences),
  };
  const contenders: Contender[] = [
    { model: 'base', gpt: base, answerer: asBase },
    { model: 'SFT', gpt: sft, answerer: asSft },
    { model: `SFT, best of ${options.bestOf}`, gpt: sft, answerer: asSft, best },
    { model: 'PPO', gpt: ppo, answerer: asPpo },
  ];
  const results: Standing[] = [];
  let before: boolean[] | undefined;
  try {
    for (const contender of contenders) {
      const { standing, right } = await measure(contender, judge, sft, options, before);
      results.push(standing);
      // Choosing among answers is no stage: what comes after it is measured against the model itself.
      if (!contender.best) before = right;
    }
  } finally {
    judge.dispose();
    for (const model of [base, sft, ppo]) model.dispose();
  }
  return results;
}

async function measure(
  contender: Contender,
  judge: Judge,
  reference: Gpt,
  options: StandingOptions,
  before: readonly boolean[] | undefined,
) {
  const { heldOutPhrasings, heldOutFacts, values, seed, maxTokens } = options;
  const rightOf = (questions: readonly Question[], texts: readonly string[]) =>
    questions.map(({ answer, relation, country }, i) =>
      isCorrect(texts[i]!, answer, values.get(relation), country),
    );
  const ask = (questions: readonly Question[], temperature: number) =>
    contender.answerer.answer(
      questions.map(({ question }) => [{ role: 'user', content: question }]),
      { maxTokens, temperature, seed, batchSize: 64, best: temperature > 0 ? contender.best : undefined },
    );
  const greedy = await ask(heldOutPhrasings, 0);
  const sampled = await ask(heldOutPhrasings, 1);
  const right = rightOf(heldOutPhrasings, sampled);
  const dataset = TokenDataset.open(options.data);
  const { bitsPerByte } = await perplexity(contender.gpt, dataset, {
    batchSize: 16,
    context: contender.gpt.config.contextLength,
    maxTokens: 32768,
  });
  dataset.close();
  const standing: Standing = {
    model: contender.model,
    bitsPerByte,
    phrasingsGreedy: share(rightOf(heldOutPhrasings, greedy)),
    phrasingsSampled: share(right),
    factsGreedy: share(rightOf(heldOutFacts, await ask(heldOutFacts, 0))),
    factsSampled: share(rightOf(heldOutFacts, await ask(heldOutFacts, 1))),
    reward: mean(judge.score(heldOutPhrasings, sampled)),
    kl:
      contender.model === 'base' ? undefined : judge.kl(contender.gpt, reference, heldOutPhrasings, sampled),
    winRate: before && winRate(right, before),
    shown: shownQuestions(heldOutPhrasings).map(({ index }) => (contender.best ? sampled : greedy)[index]!),
  };
  return { standing, right };
}

/** Questions from all over the list, the same for every model. */
export function shownQuestions(questions: readonly Question[]): { index: number; question: Question }[] {
  const stride = Math.max(1, Math.floor(questions.length / SHOWN));
  return Array.from({ length: Math.min(SHOWN, questions.length) }, (_, i) => {
    const index = Math.min(questions.length - 1, i * stride + i);
    return { index, question: questions[index]! };
  });
}

/** The reward model with the tokenizer that it and the assistants share. */
class Judge {
  readonly #model: ScoringModel;
  readonly #template: ChatTemplate;

  constructor(folder: string, dtype: DType) {
    this.#model = loadScoringModel(folder, { dtype });
    this.#template = ChatTemplate.of(Tokenizer.load(folder));
  }

  score(questions: readonly Question[], texts: readonly string[]): number[] {
    const sequences = this.#sequences(questions, texts).map(({ tokens }) => tokens);
    return this.scoreTokens(sequences);
  }

  scoreTokens(sequences: readonly Int32Array[]): number[] {
    return scoreAll(this.#model, sequences);
  }

  /** Mean over answers of the log-ratio of all their tokens: an estimate of the divergence, as the answers are the model's. */
  kl(model: Gpt, reference: Gpt, questions: readonly Question[], texts: readonly string[]): number {
    if (model === reference) return 0;
    const sequences = this.#sequences(questions, texts);
    const own = responseLogProbs(model, sequences, 1);
    const other = responseLogProbs(reference, sequences, 1);
    return own.reduce((sum, logProb, i) => sum + logProb - other[i]!, 0) / sequences.length;
  }

  #sequences(questions: readonly Question[], texts: readonly string[]): ResponseSequence[] {
    return questions.map(({ question }, i) => {
      const prompt = [{ role: 'user', content: question }];
      const comparison = { id: '', prompt, completions: [texts[i]!], ranks: [0] };
      return encodeComparison(comparison, this.#template).answers[0]!;
    });
  }

  dispose(): void {
    this.#model.dispose();
  }
}

function share(right: readonly boolean[]): number {
  return right.filter(Boolean).length / right.length;
}

function winRate(now: readonly boolean[], before: readonly boolean[]) {
  const wins = now.filter((right, i) => right && !before[i]).length;
  const losses = now.filter((right, i) => !right && before[i]).length;
  const decided = wins + losses;
  if (decided === 0) return { share: 0.5, low: 0, high: 1, decided };
  return { share: wins / decided, ...wilsonInterval(wins, decided), decided };
}
