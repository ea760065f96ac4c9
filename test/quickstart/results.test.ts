import { describe, expect, it } from 'vitest';
import { gainTable, meanInterval, resultsPage, summaryTable } from '../../src/quickstart/results.ts';
import type { ScoreboardRecord } from '../../src/quickstart/summary.ts';

function row(model: string, accuracy: number, kl: number | null): ScoreboardRecord {
  return {
    model,
    bits_per_byte: 0.5,
    accuracy_new_wordings_greedy: accuracy,
    accuracy_new_wordings_sampled: accuracy - 0.1,
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
  it("give the mean with Student's interval", () => {
    // t(2) = 4.303, standard error 0.1 / sqrt(3).
    const { mean, low, high } = meanInterval([0.5, 0.6, 0.7]);
    expect(mean).toBeCloseTo(0.6, 12);
    expect(high - mean).toBeCloseTo((4.303 * 0.1) / Math.sqrt(3), 6);
    expect(mean - low).toBeCloseTo(high - mean, 12);
  });

  it('need at least two seeds', () => {
    expect(() => meanInterval([1])).toThrow('expected 2 to 15 seeds but got 1');
  });

  it('leave out what a model has no figure for', () => {
    const [, , base, sft] = summaryTable(results).split('\n');
    expect(base).toMatch(/^\| base \| 0\.500 \(0\.500 to 0\.500\) .* \| – \| – \|$/);
    expect(sft).toContain('60.0 (35.2 to 84.8)');
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
