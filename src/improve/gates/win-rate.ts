/**
 * Win rate over the served model on held-out prompts. The judge is a reward model that was trained
 * on held-out votes, and a part of these checks that it orders answers as people do.
 */
import { rewardsOf } from '../../eval/win-rate.ts';
import { readMetrics } from '../../report/metrics-log.ts';
import { winTolerance } from '../tolerances.ts';
import { type Gate, meanLead, measured, unmeasured } from './gate.ts';
import { gateAnswers, gatePrompts } from './prompts.ts';

const name = 'win-rate';
const measure = 'share of answers that a judge prefers to those of the served model';

/** Answers are drawn as clients draw them by default. */
const TEMPERATURE = 1;
/** With fewer prompts an interval over them says little. */
const LEAST_PROMPTS = 10;

export const winRate: Gate = async (context) => {
  const { served, candidate, judge, settings, dtype } = context;
  if (judge === undefined) return unmeasured(name, measure, 'there are too few held-out votes for a judge');
  const { val_accuracy: accuracy, val_accuracy_low: low } = lastEvaluation(judge);
  if (!(typeof low === 'number' && low > 0.5)) {
    const known = typeof accuracy === 'number' ? `, ${(100 * accuracy).toFixed(0)} % right` : '';
    return unmeasured(name, measure, `the judge is not known to be better than chance${known}`);
  }
  const dialogues = await gatePrompts(context, ['held-out/prompts/prompts.jsonl']);
  if (dialogues.length < LEAST_PROMPTS) {
    return unmeasured(
      name,
      measure,
      `there are fewer than ${LEAST_PROMPTS} held-out prompts`,
      dialogues.length,
    );
  }
  const repeated = dialogues.flatMap((dialogue) =>
    Array<typeof dialogue>(settings.gateAnswers).fill(dialogue),
  );
  const scores: number[][] = [];
  for (const folder of [served, candidate]) {
    const answers = await gateAnswers(folder, repeated, TEMPERATURE, context);
    scores.push(rewardsOf(judge, repeated, answers, { dtype }));
  }
  const [old, now] = scores as [number[], number[]];
  const won = dialogues.map((_, i) => {
    const of = (list: readonly number[]) =>
      list.slice(i * settings.gateAnswers, (i + 1) * settings.gateAnswers);
    return wonShare(of(now), of(old));
  });
  const found = meanLead(
    won.map((share) => share - 0.5),
    settings.seed,
  );
  return measured(name, measure, {
    ...{
      served: null,
      candidate: found.lead + 0.5,
      tolerance: winTolerance(settings),
      items: dialogues.length,
    },
    ...found,
  });
};

/** The share of pairs, one of each list, in which the first is better; ties count half. */
function wonShare(scores: readonly number[], others: readonly number[]): number {
  const points = scores.flatMap((score) =>
    others.map((other) => (score > other ? 1 : score === other ? 0.5 : 0)),
  );
  return points.reduce((sum: number, point) => sum + point, 0) / points.length;
}

function lastEvaluation(folder: string) {
  return readMetrics(folder).records.findLast(({ event }) => event === 'evaluation') ?? { step: 0 };
}
