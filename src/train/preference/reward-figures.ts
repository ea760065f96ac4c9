/**
 * The figures of a reward model's report: distributions of scores, calibration, and
 * accuracy by margin.
 */

import { calibrationBins, wilsonInterval } from '../../base/statistics.ts';
import { type Figure, figureEvent } from '../../report/figures.ts';
import type { ScoredPair } from '../../scoring/scored-pairs.ts';
import type { StageEvent } from '../loop/stage.ts';

const BINS = 10;
/** Bounds of |difference| in standard deviations of all differences. */
const MARGINS = [0.25, 0.5, 1, 2, Number.POSITIVE_INFINITY];

export function preferenceFigures(pairs: readonly ScoredPair[]): StageEvent[] {
  const histogram: Figure = {
    kind: 'histogram',
    title: 'Scores of better and worse answers',
    unit: 'score',
    series: [
      { label: 'better', values: pairs.map(({ better }) => better) },
      { label: 'worse', values: pairs.map(({ worse }) => worse) },
    ],
  };
  return [histogram, calibrationFigure(pairs), marginFigure(pairs)].map(figureEvent);
}

/** Half of the pairs are reversed, so that predicted probabilities lie on both sides of 0.5. */
function calibrationFigure(pairs: readonly ScoredPair[]): Figure {
  const turned = pairs.map(({ better, worse }, i) => ({
    probability: 1 / (1 + Math.exp(i % 2 === 0 ? worse - better : better - worse)),
    outcome: i % 2 === 0,
  }));
  const bins = calibrationBins(
    turned.map(({ probability }) => probability),
    turned.map(({ outcome }) => outcome),
    BINS,
  );
  return { kind: 'calibration', title: 'Predicted and actual preferences', bins };
}

function marginFigure(pairs: readonly ScoredPair[]): Figure {
  const differences = pairs.map(({ better, worse }) => better - worse);
  const spread = Math.sqrt(differences.reduce((sum, d) => sum + d * d, 0) / differences.length) || 1;
  const bars = MARGINS.map((bound, i) => {
    const from = i === 0 ? 0 : MARGINS[i - 1]!;
    const inside = differences.filter((d) => Math.abs(d) >= from * spread && Math.abs(d) < bound * spread);
    const right = inside.filter((d) => d > 0).length;
    const { low, high } = wilsonInterval(right, Math.max(1, inside.length));
    const label = Number.isFinite(bound) ? `${from} to ${bound}` : `over ${from}`;
    return { label, value: inside.length > 0 ? right / inside.length : 0, low, high, count: inside.length };
  });
  const title = 'Accuracy by difference of scores, in standard deviations';
  return { kind: 'bars', title, bars: bars.filter(({ count }) => count > 0) };
}
