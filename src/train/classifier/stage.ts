/** The classifier stage: one score per sequence, trained as the logit of a class. */
import { calibrationBins } from '../../base/statistics.ts';
import { shareOut } from '../../comm/share-out.ts';
import type { ScoringModel } from '../../nn/scoring-model.ts';
import { figureEvent } from '../../report/figures.ts';
import { decisionMetrics, type LabelledProbability, rocAuc } from '../../scoring/binary-metrics.ts';
import { scoreAll } from '../../scoring/reward-model.ts';
import { byTokens, lastRows, longest, packSequences, SCORING_TOKENS } from '../../scoring/sequences.ts';
import { binaryCrossEntropy, sigmoid } from '../../tensor/ops/classification.ts';
import { RowStage, type RowStageOptions, type RowsLoss } from '../loop/row-stage.ts';
import type { Evaluation, StageEvent } from '../loop/stage.ts';
import type { TrainableModel } from '../loop/trainable-model.ts';

/** The tokens of a row, at whose last one the model is read, and whether it is of the class. */
export interface LabelledSequence {
  tokens: Int32Array;
  label: boolean;
}

export type ClassifierBatch = LabelledSequence[];

export class ClassifierStage extends RowStage<LabelledSequence, ScoringModel> {
  constructor(model: TrainableModel<ScoringModel>, options: RowStageOptions<LabelledSequence>) {
    super(model, options, {
      name: 'rows',
      tokensOf: ({ tokens }) => tokens.length,
      contentsOf: ({ tokens, label }) => [tokens, String(label)],
      lengthOf: (_, rows) => longest(rows),
    });
  }

  /** The figures are the rows and the correct ones. */
  protected rowsLoss(rows: readonly LabelledSequence[], scale: number): RowsLoss {
    const sequences = rows.map(({ tokens }) => tokens);
    const labels = rows.map(({ label }) => label);
    const scores = this.model.scores(packSequences(sequences), lastRows(sequences));
    const { loss, probabilities } = binaryCrossEntropy(scores, labels, scale);
    const correct = labels.filter((label, i) => label === probabilities[i]! >= 0.5).length;
    return { loss, figures: [labels.length, correct] };
  }

  protected metricsOf([rows = 0, correct = 0]: readonly number[]): Record<string, number> {
    return { accuracy: correct / Math.max(1, rows) };
  }

  protected async evaluateRows(): Promise<Evaluation> {
    const groups = byTokens(this.validation, ({ tokens }) => tokens.length, SCORING_TOKENS);
    const probabilities = await shareOut(this.communicator, groups, (group) =>
      classified(this.model, group).map(({ probability }) => probability),
    );
    const rows = groups.flatMap((group, g) =>
      group.map(({ label }, i) => ({ probability: probabilities[g]![i]!, label })),
    );
    const { accuracy, precision, recall } = decisionMetrics(rows, 0.5);
    const losses = rows.map(
      ({ probability, label }) => -Math.log(Math.max(1e-12, label ? probability : 1 - probability)),
    );
    const loss = losses.reduce((sum, one) => sum + one, 0) / rows.length;
    const shares = { val_precision: precision, val_recall: recall, val_roc_auc: rocAuc(rows) };
    const defined = Object.fromEntries(Object.entries(shares).filter(([, share]) => !Number.isNaN(share)));
    const metrics = { val_loss: loss, val_accuracy: accuracy, ...defined };
    return { metrics, score: loss, events: classifierFigures(rows) };
  }
}

/** The probabilities that a model gives to rows. */
export function classified(model: ScoringModel, rows: readonly LabelledSequence[]): LabelledProbability[] {
  const scores = scoreAll(
    model,
    rows.map(({ tokens }) => tokens),
  );
  return rows.map(({ label }, i) => ({ probability: sigmoid(scores[i]!), label }));
}

function classifierFigures(rows: readonly LabelledProbability[]): StageEvent[] {
  const valuesOf = (wanted: boolean) =>
    rows.filter(({ label }) => label === wanted).map(({ probability }) => probability);
  const probabilities = rows.map(({ probability }) => probability);
  const labels = rows.map(({ label }) => label);
  return [
    figureEvent({
      kind: 'histogram',
      title: 'Probabilities of held-out rows',
      unit: 'probability',
      series: [
        { label: 'of the class', values: valuesOf(true) },
        { label: 'others', values: valuesOf(false) },
      ],
    }),
    figureEvent({
      kind: 'calibration',
      title: 'Predicted and actual shares of the class',
      bins: calibrationBins(probabilities, labels, 10),
    }),
  ];
}
