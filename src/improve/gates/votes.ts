/**
 * Held-out votes: the share of pairs in which training raised the better answer more than the worse
 * one, against the served model. That is the accuracy of the implicit reward of DPO; a model that
 * did not change has one half.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { wilsonInterval } from '../../base/statistics.ts';
import { rankedPairs, readComparisons } from '../../data/rows/comparisons.ts';
import { voteTolerance } from '../tolerances.ts';
import { answerLogProbs, type GivenAnswer } from './answer-log-probs.ts';
import { type Gate, measured, unmeasured } from './gate.ts';

const name = 'votes';
const measure = 'share of held-out votes that the new model moved towards';

export const votes: Gate = async ({ served, candidate, rows, settings, dtype }) => {
  const path = join(rows, 'held-out/comparisons');
  if (!existsSync(path)) return unmeasured(name, measure, 'there is no held-out vote');
  const pairs = await pairsOf(path);
  const answers = pairs.flat();
  const before = answerLogProbs(served, answers, dtype);
  const after = answerLogProbs(candidate, answers, dtype);
  const moved = after.map((nats, i) => nats - before[i]!);
  const margins = pairs
    .map((_, i) => moved[2 * i]! - moved[2 * i + 1]!)
    .filter((margin) => !Number.isNaN(margin));
  if (margins.length === 0) return unmeasured(name, measure, 'no held-out vote fits into the context');
  const right = margins.reduce((sum, margin) => sum + (margin > 0 ? 1 : margin === 0 ? 0.5 : 0), 0);
  const share = right / margins.length;
  const { low, high } = wilsonInterval(right, margins.length);
  return measured(name, measure, {
    ...{ served: null, candidate: share, tolerance: voteTolerance(settings), items: margins.length },
    ...{ lead: share - 0.5, low: low - 0.5, high: high - 0.5 },
  });
};

/** The better and the worse answer of each pair. */
async function pairsOf(path: string): Promise<[GivenAnswer, GivenAnswer][]> {
  const { rows } = await readComparisons(path);
  return rows.flatMap((row) => {
    const { id, prompt, completions, inputs } = row;
    const answer = (index: number): GivenAnswer => ({ id, prompt, answer: completions[index]!, inputs });
    return rankedPairs(row).map(([better, worse]): [GivenAnswer, GivenAnswer] => [
      answer(better),
      answer(worse),
    ]);
  });
}
