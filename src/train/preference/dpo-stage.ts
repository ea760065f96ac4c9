/**
 * Direct preference optimisation (Rafailov et al., 2023): a policy learns from comparisons, without
 * a reward model.
 */

import { columnSums } from '../../base/statistics.ts';
import { shareOut } from '../../comm/share-out.ts';
import type { Gpt } from '../../nn/gpt.ts';
import type { EncodedComparison } from '../../scoring/encoded-comparisons.ts';
import { responseLogProbs, responseOutput } from '../../scoring/response-log-probs.ts';
import {
  byTokens,
  type ResponseSequence,
  responseInput,
  responseLength,
  responseStarts,
  SCORING_TOKENS,
  sumsByResponse,
} from '../../scoring/sequences.ts';
import { noGrad } from '../../tensor/autograd.ts';
import { mul } from '../../tensor/ops/elementwise.ts';
import { type DpoKind, dpoLoss } from '../../tensor/ops/preference.ts';
import { segmentSum } from '../../tensor/ops/segments.ts';
import { scope, type Tensor, tensor } from '../../tensor/tensor.ts';
import { RowStage, type RowStageOptions, type RowsLoss } from '../loop/row-stage.ts';
import type { Evaluation } from '../loop/stage.ts';
import type { TrainableModel } from '../loop/trainable-model.ts';

/** A pair of answers, with the reference's log-probabilities of both. */
export interface PreferencePair {
  chosen: ResponseSequence;
  rejected: ResponseSequence;
  referenceChosen: number;
  referenceRejected: number;
}

export interface DpoStageOptions extends RowStageOptions<PreferencePair> {
  beta: number;
  kind: DpoKind;
  labelSmoothing: number;
}

/** All pairs of the comparisons. The reference reads each answer once, before training begins. */
export function referencePairs(reference: Gpt, comparisons: readonly EncodedComparison[]): PreferencePair[] {
  const answers = comparisons.flatMap((comparison) => comparison.answers);
  const sums = sumsByResponse(responseLogProbs(reference, answers, 1), responseStarts(answers));
  let first = 0;
  return comparisons.flatMap(({ answers: own, pairs }) => {
    const at = first;
    first += own.length;
    return pairs.map(([better, worse]) => ({
      chosen: own[better]!,
      rejected: own[worse]!,
      referenceChosen: sums[at + better]!,
      referenceRejected: sums[at + worse]!,
    }));
  });
}

export type DpoBatch = PreferencePair[];

export class DpoStage extends RowStage<PreferencePair, Gpt> {
  readonly #options: DpoStageOptions;

  constructor(policy: TrainableModel<Gpt>, options: DpoStageOptions) {
    super(policy, options, {
      name: 'pairs',
      tokensOf,
      contentsOf: ({ chosen, rejected }) => [chosen.tokens, rejected.tokens],
      lengthOf: (typical) => Math.round(typical / 2),
    });
    this.#options = options;
  }

  /** The figures are the pairs, the correct ones and the sum of margins. */
  protected rowsLoss(pairs: readonly PreferencePair[], scale: number): RowsLoss {
    const { beta, kind, labelSmoothing } = this.#options;
    const answers = [...pairs.map(({ chosen }) => chosen), ...pairs.map(({ rejected }) => rejected)];
    const { logProbs } = responseOutput(this.model, responseInput(answers), 1);
    const sums = segmentSum(logProbs, tensor(responseStarts(answers)));
    // The loss of ipo has a target for the lead, so there it is that of a mean token.
    const shares = tensor(answers.map((answer) => 1 / responseLength(answer)));
    const perToken = (values: Tensor) => (kind === 'ipo' ? mul(values, shares) : values);
    const reference = tensor([
      ...pairs.map(({ referenceChosen }) => referenceChosen),
      ...pairs.map(({ referenceRejected }) => referenceRejected),
    ]);
    const options = { beta, kind, labelSmoothing, scale };
    const { loss, rewards, correct } = dpoLoss(perToken(sums), perToken(reference), options);
    const values = rewards.toFloats();
    let margin = 0;
    for (let i = 0; i < pairs.length; ++i) margin += values[i]! - values[pairs.length + i]!;
    return { loss, figures: [pairs.length, correct, margin] };
  }

  protected metricsOf([pairs = 0, correct = 0, margin = 0]: readonly number[]): Record<string, number> {
    const count = Math.max(1, pairs);
    return { accuracy: correct / count, margin: margin / count };
  }

  protected async evaluateRows(): Promise<Evaluation> {
    const groups = byTokens(this.validation, tokensOf, SCORING_TOKENS);
    const rows = await shareOut(this.communicator, groups, (group) =>
      noGrad(() =>
        scope(() => {
          const { loss, figures } = this.rowsLoss(group, 1);
          return [loss.item(), ...figures];
        }),
      ),
    );
    const [loss = 0, pairs = 0, correct = 0, margin = 0] = columnSums(rows);
    const metrics = { val_loss: loss / pairs, val_accuracy: correct / pairs, val_margin: margin / pairs };
    return { metrics, score: metrics.val_loss };
  }
}

function tokensOf({ chosen, rejected }: PreferencePair): number {
  return [chosen, rejected].reduce((sum, answer) => sum + answer.promptLength + responseLength(answer), 0);
}
