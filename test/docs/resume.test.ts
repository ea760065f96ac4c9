/** The table of docs/resume.md says of every option what a resumed run may do with it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { optionName } from '../../src/cli/options.ts';
import type { ResumeKind, SettingRule } from '../../src/train/loop/setting-rules.ts';
import { dpoRules, ktoRules, rewardRules } from '../../src/train/preference/rules.ts';
import { pretrainRules } from '../../src/train/pretrain/rules.ts';
import { grpoRules, ppoRules } from '../../src/train/rl/rules.ts';
import { sftRules } from '../../src/train/sft/rules.ts';

const stages: Record<string, Readonly<Record<string, SettingRule>>> = {
  pretrain: pretrainRules,
  sft: sftRules,
  reward: rewardRules,
  dpo: dpoRules,
  kto: ktoRules,
  ppo: ppoRules,
  grpo: grpoRules,
};

const words: Record<ResumeKind, string> = {
  free: 'yes',
  length: 'yes: how long to train',
  place: 'another path to the same contents',
  bits: 'yes, and the bits differ from then on',
  fixed: 'no',
};
const order: ResumeKind[] = ['length', 'place', 'free', 'bits', 'fixed'];

/** One row per option and answer, with the stages that have it. */
function table(): string {
  const rows = new Map<string, { key: string; rule: SettingRule; of: string[] }>();
  for (const [stage, rules] of Object.entries(stages)) {
    for (const [key, rule] of Object.entries(rules)) {
      const id = [key, rule.resume, rule.why].join();
      const row = rows.get(id) ?? { key, rule, of: [] };
      row.of.push(stage);
      rows.set(id, row);
    }
  }
  const all = Object.keys(stages).length;
  const lines = [...rows.values()]
    .sort((a, b) => order.indexOf(a.rule.resume) - order.indexOf(b.rule.resume))
    .map(({ key, rule, of }) => {
      const who = of.length === all ? 'all' : of.join(', ');
      const why = rule.why ? `: ${rule.why}` : '';
      return `| \`--${optionName(key)}\` | ${who} | ${words[rule.resume]}${why} |`;
    });
  return ['| option | stages | may a resumed run change it? |', '| --- | --- | --- |', ...lines].join('\n');
}

it('is what the rules of the stages say', () => {
  const page = readFileSync(join(packageRoot, 'docs/resume.md'), 'utf8');
  const begin = page.indexOf('| option | stages |');
  const end = page.indexOf('\n\n', begin);
  expect(page.slice(begin, end < 0 ? undefined : end).trimEnd()).toBe(table());
});
