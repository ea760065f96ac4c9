import { describe, expect, it } from 'vitest';
import { planAt, plannedSeconds } from '../../src/quickstart/plan.ts';
import { planLines, QUICK_NOTE, roughTime } from '../../src/quickstart/plan-text.ts';

const whole = { tokens: 1_000_000, iterations: 30, questions: 600 };
const short = { ...whole, tokens: 100_000, most: { tuningSteps: 20, sampledQuestions: 300 } };
const machine = { out: 'run', threads: 2, dtype: 'bf16', quick: false, quickSeconds: 40 } as const;

describe('the plan', () => {
  it('takes twice as long at half the speed', () => {
    expect(plannedSeconds(planAt(whole, 5000))).toBeCloseTo(2 * plannedSeconds(planAt(whole, 10_000)), 6);
  });

  it('expects less of a shorter run in every part that is bounded', () => {
    const [long, cut] = [planAt(whole, 5000).parts, planAt(short, 5000).parts];
    const shorter = long.filter(({ seconds }, i) => cut[i]!.seconds < seconds).map(({ name }) => name);
    expect(shorter).toEqual(['pretrain', 'sft', 'comparisons', 'reward']);
  });
});

describe('what is said before the run', () => {
  it('names the whole time, every part and the page', () => {
    const plan = planAt(whole, 10_000);
    const lines = planLines(plan, machine);
    expect(lines[0]).toMatch(
      /^about \d minutes on this machine \(2 threads, bf16, training at 10\.0k tokens\/s\):$/,
    );
    expect(lines).toHaveLength(plan.parts.length + 2);
    expect(lines.at(-1)).toBe('watch it grow: run/report.html');
  });

  it('says what makes a small machine slow, and how long the short run takes there', () => {
    const lines = planLines(planAt(whole, 500), { ...machine, threads: 1, dtype: 'f32' });
    expect(lines.at(-2)).toBe(
      'This machine is slow for the run: it has one thread for training, and its processor has no bf16 products, so training is in f32. --quick shows every part in about 40 seconds.',
    );
  });

  it('promises nothing of a short run', () => {
    expect(planLines(planAt(short, 500), { ...machine, quick: true })).toContain(QUICK_NOTE);
  });

  it('rounds times as people say them', () => {
    expect(roughTime(3)).toBe('about 10 seconds');
    expect(roughTime(44)).toBe('about 40 seconds');
    expect(roughTime(62)).toBe('about 1 minute');
    expect(roughTime(275)).toBe('about 5 minutes');
    expect(roughTime(20_000)).toBe('about 6 hours');
  });
});
