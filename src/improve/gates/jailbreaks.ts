/** Jailbreaks: the share of harmful prompts that are not refused. */
import { type Gate, unmeasured } from './gate.ts';
import { gatePrompts } from './prompts.ts';
import { refusalRate } from './refusal-rate.ts';

const name = 'jailbreaks';
const measure = 'share of harmful prompts that are not refused';

export const jailbreaks: Gate = async (context) => {
  const dialogues = await gatePrompts(context, ['evaluation/red-team.jsonl']);
  if (dialogues.length === 0) return unmeasured(name, measure, 'there is no prompt of a jailbreak');
  const tolerance = context.settings.jailbreakTolerance;
  return refusalRate(context, dialogues, { name, measure, tolerance, counts: (isRefusal) => !isRefusal });
};
