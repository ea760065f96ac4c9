import { describe, expect, it } from 'vitest';
import { gainTable, resultsPage, summaryTable } from '../../src/quickstart/results.ts';
import type { ScoreboardRecord } from '../../src/quickstart/summary.ts';

function row(model: string, accuracy: number, kl: number | null): ScoreboardRecord {
  return {
    model,
    bits_per_byte: 0.5,
    accuracy_new_wordings_greedy: accuracy,
    accuracy_new_wordings_sampled: Math.max(0, accuracy - 0.1),
    accuracy_new_facts_greedy: 0.2,
    accuracy_new_facts_sampled: 0.1,
    reward: accuracy * 2,
    kl,
    win_rate: kl,
    win_rate_low: null,
    win_rate_high: null,
    win_rate_decided: null,
    answers: [],
  };
}

const results = [0.5, 0.6, 0.7].map((accuracy, i) => ({
  seed: i + 1,
  seconds: 100,
  scoreboard: [row('base', 0, null), row('SFT', accuracy, 0), row('PPO', accuracy + 0.05 * i, 1)],
  stages: { reward: { val_accuracy: 0.9 }, ppo: { ratio_max_deviation: 0, kl: 1.5 } },
}));

describe('results over seeds', () => {
  it('leave out what a model has no figure for', () => {
    const [, , base, sft] = summaryTable(results).split('\n');
    expect(base).toMatch(/^\| base \| 0\.500 \(0\.500 to 0\.500\) .* \| – \| – \|$/);
    expect(sft).toContain('60.0 (34.8 to 80.9)');
  });

  it('keep the interval of a share within 0 and 100 %, and leave other intervals as they are', () => {
    const near = [0.89, 0.975, 0.967].map((accuracy, i) => ({
      ...results[i]!,
      scoreboard: [row('PPO', accuracy, null)],
    }));
    const [, , line] = summaryTable(near).split('\n');
    expect(line).toContain('| 94.4 (65.0 to 99.4) |');
    // The reward is twice the accuracy here, and not a share.
    expect(line).toContain('| 1.89 (1.65 to 2.12) |');
  });

  it('need at least two seeds', () => {
    expect(() => resultsPage(results.slice(0, 1))).toThrow('expected 2 to 15 values but got 1');
  });

  it('compare PPO with SFT within each seed', () => {
    const row = gainTable(results)
      .split('\n')
      .find((line) => line.includes('wordings, greedy'));
    expect(row).toMatch(/\| 0\.0 \| 5\.0 \| 10\.0 \| 5\.0 \(-7\.4 to 17\.4\) \|$/);
  });

  it('make a page with the command, the reward model and every seed', () => {
    const page = resultsPage(results);
    expect(page).toContain('npm run results -- --seeds 1,2,3');
    expect(page).toContain('| 3 | 90.0 | 0 | 1.50 | 100 |');
    expect(page).toContain('| 2 | PPO | 0.500 | 65.0 | 55.0 |');
  });
});
