/**
 * The reward model stage: one score at the end of each answer, trained so that better answers score
 * higher. A batch holds whole comparisons: the model reads each completion once, and the scores
 * give all pairs (Ouyang et al., 2022, section 3.5).
 */

import { mean } from '../../base/statistics.ts';
import { shareOut } from '../../comm/share-out.ts';
import type { ScoringModel } from '../../nn/scoring-model.ts';
import {
  comparisonBatch,
  comparisonTokens,
  type EncodedComparison,
} from '../../scoring/encoded-comparisons.ts';
import { scoreAll } from '../../scoring/reward-model.ts';
import { pairMetrics, type ScoredPair, scorePairs } from '../../scoring/scored-pairs.ts';
import { byTokens, ints, lastRows, longest, packSequences, SCORING_TOKENS } from '../../scoring/sequences.ts';
import { noGrad } from '../../tensor/autograd.ts';
import { rankingLoss } from '../../tensor/ops/preference.ts';
import { scope, tensor } from '../../tensor/tensor.ts';
import { RowStage, type RowStageOptions, type RowsLoss } from '../loop/row-stage.ts';
import type { Evaluation } from '../loop/stage.ts';
import type { TrainableModel } from '../loop/trainable-model.ts';
import { preferenceFigures } from './reward-figures.ts';

export interface RewardStageOptions extends RowStageOptions<EncodedComparison> {
  /** Weight of the penalty (better + worse)^2. */
  centering: number;
}

export type RewardBatch = EncodedComparison[];

export class RewardStage extends RowStage<EncodedComparison, ScoringModel> {
  readonly #centering: number;

  constructor(model: TrainableModel<ScoringModel>, options: RewardStageOptions) {
    super(model, options, {
      name: 'comparisons',
      tokensOf: comparisonTokens,
      contentsOf: ({ answers, pairs, margin }) => [
        ...answers.map(({ tokens }) => tokens),
        JSON.stringify([pairs, margin]),
      ],
      lengthOf: (_, rows) => longest(rows.flatMap(({ answers }) => answers)),
    });
    this.#centering = options.centering;
  }

  /** The figures are the pairs and the correct ones. */
  protected rowsLoss(comparisons: readonly EncodedComparison[], scale: number): RowsLoss {
    const { answers, pairs, weights, margins } = comparisonBatch(comparisons);
    const sequences = answers.map(({ tokens }) => tokens);
    const scores = this.model.scores(packSequences(sequences), lastRows(sequences));
    const { loss, correct } = rankingLoss(scores, ints(pairs), {
      weights: tensor(weights),
      margins: tensor(margins),
      centering: this.#centering,
      scale,
    });
    return { loss, figures: [weights.length, correct] };
  }

  protected metricsOf([pairs = 0, correct = 0]: readonly number[]): Record<string, number> {
    return { accuracy: correct / Math.max(1, pairs), pairs };
  }

  /** Evaluates on held-out prompts. */
  protected async evaluateRows(): Promise<Evaluation> {
    const groups = byTokens(this.validation, comparisonTokens, SCORING_TOKENS);
    const rows = await shareOut(this.communicator, groups, (group) =>
      scorePairs(this.model, group).flatMap((pair) => fields.map((name) => pair[name])),
    );
    const scored = rows.flatMap(pairsOf);
    const metrics = prefixed('val_', pairMetrics(scored, this.validation.length));
    return { metrics, score: metrics.val_loss!, events: preferenceFigures(scored) };
  }
}

/** The numbers of a scored pair that ranks exchange. */
const fields = ['better', 'worse', 'weight', 'loss'] as const;

function pairsOf(row: readonly number[]): ScoredPair[] {
  return Array.from({ length: row.length / fields.length }, (_, i) => {
    const [better, worse, weight, loss] = row.slice(i * fields.length) as [number, number, number, number];
    return { better, worse, weight, loss };
  });
}

function prefixed(prefix: string, metrics: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`${prefix}${name}`, value]));
}

/**
 * Moves the bias so that these sequences get a mean score of zero (Stiennon et al., 2020, appendix
 * B.1). Returns their mean score before.
 */
export function centerOn(model: ScoringModel, sequences: readonly Int32Array[]): number {
  const before = mean(scoreAll(model, sequences));
  const bias = model.score.bias!;
  noGrad(() => scope(() => bias.write(Float32Array.of(bias.item() - before))));
  return before;
}
