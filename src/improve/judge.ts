/** The reward model that judges win rates: trained on held-out votes alone. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readComparisons } from '../data/rows/comparisons.ts';
import type { RewardSettings } from '../train/preference/settings.ts';

/** With fewer prompts, neither training nor checking says anything. */
const LEAST_PROMPTS = 20;

/** The part of the votes that checks the judge. */
const CHECKED = 0.3;

/** Whether held-out votes are enough for a judge. */
export async function canJudge(rows: string): Promise<boolean> {
  const path = join(rows, 'held-out/comparisons');
  if (!existsSync(path)) return false;
  const { rows: comparisons } = await readComparisons(path);
  return new Set(comparisons.map(({ prompt }) => JSON.stringify(prompt))).size >= LEAST_PROMPTS;
}

/** The settings of its training. */
export function judgeSettings(rows: string, given: Partial<RewardSettings>): Partial<RewardSettings> {
  return { validationSplit: CHECKED, ...given, data: join(rows, 'held-out/comparisons') };
}
