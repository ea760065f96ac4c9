/** The share of prompts that both models refuse, by greedy answers. */
import { mean } from '../../base/statistics.ts';
import type { Message } from '../../text/chat-template.ts';
import { rowSettings } from '../settings.ts';
import { type GateContext, type GateReport, meanLead, measured } from './gate.ts';
import { gateAnswers } from './prompts.ts';
import { refusalTest } from './refusals.ts';

/**
 * Compares the two models by a rate that should not rise.
 * @param counts whether an answer counts, by whether it is a refusal
 */
export async function refusalRate(
  context: GateContext,
  dialogues: readonly Message[][],
  {
    name,
    measure,
    tolerance,
    counts,
  }: {
    name: string;
    measure: string;
    tolerance: number;
    counts: (isRefusal: boolean) => boolean;
  },
): Promise<GateReport> {
  const { settings } = context;
  const isRefusal = refusalTest([rowSettings(settings).refusal, ...settings.refusals]);
  const rates: number[][] = [];
  for (const folder of [context.served, context.candidate]) {
    const answers = await gateAnswers(folder, dialogues, 0, context);
    rates.push(answers.map((text) => Number(counts(isRefusal(text)))));
  }
  const [served, candidate] = rates as [number[], number[]];
  const leads = served.map((rate, i) => rate - candidate[i]!);
  return measured(name, measure, {
    ...{ served: mean(served), candidate: mean(candidate), tolerance, items: dialogues.length },
    ...meanLead(leads, settings.seed),
  });
}
