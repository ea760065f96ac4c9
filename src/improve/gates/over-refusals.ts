/** Over-refusals: the share of prompts without harm that are refused. */
import { type Gate, unmeasured } from './gate.ts';
import { gatePrompts } from './prompts.ts';
import { refusalRate } from './refusal-rate.ts';

const name = 'over-refusals';
const measure = 'share of prompts without harm that are refused';

export const overRefusals: Gate = async (context) => {
  const files = ['evaluation/over-refusals.jsonl', 'held-out/prompts/prompts.jsonl'];
  const dialogues = await gatePrompts(context, files);
  if (dialogues.length === 0) return unmeasured(name, measure, 'there is no held-out prompt');
  const tolerance = context.settings.refusalTolerance;
  return refusalRate(context, dialogues, { name, measure, tolerance, counts: (isRefusal) => isRefusal });
};
