import { expect, it } from 'vitest';
import type { RunPlan } from '../../src/quickstart/plan.ts';
import { type PipelineState, RunProgress } from '../../src/quickstart/run-progress.ts';

const plan: RunPlan = {
  tokensPerSecond: 1000,
  parts: [
    { name: 'task', title: 'task', seconds: 1 },
    { name: 'pretrain', title: 'pretrain', seconds: 50 },
    { name: 'sft', title: 'sft', seconds: 49 },
  ],
};

function progressAt(clock: { now: number }): { progress: RunProgress; states: PipelineState[] } {
  const states: PipelineState[] = [];
  const progress = new RunProgress(
    plan,
    (state) => states.push(state),
    () => clock.now,
  );
  return { progress, states };
}

it('tells of every part that begins and ends, and of the time left', async () => {
  const clock = { now: 0 };
  const { progress, states } = progressAt(clock);
  await progress.part('task', async () => {
    clock.now = 2;
  });
  expect(states.map(({ parts }) => parts.map(({ status }) => status))).toEqual([
    ['running', 'waiting', 'waiting'],
    ['done', 'waiting', 'waiting'],
  ]);
  // So short a part says nothing about the next ones.
  expect(states[1]).toMatchObject({ seconds: 2, secondsLeft: 99 });
});

it('corrects the time left by what the parts behind took', async () => {
  const clock = { now: 0 };
  const { progress } = progressAt(clock);
  await progress.part('task', async () => {
    clock.now = 2;
  });
  await progress.part('pretrain', async () => {
    clock.now = 12;
    expect(progress.state().secondsLeft).toBe(89);
    clock.now = 102;
  });
  expect(progress.state().secondsLeft).toBeCloseTo(2 * 49, 9);
  await progress.part('sft', async () => {
    clock.now = 1000;
    // Longer than expected: it may end at any moment.
    expect(progress.state().secondsLeft).toBeCloseTo(0, 9);
  });
  expect(progress.state().secondsLeft).toBe(0);
});

it('shows a part that failed as stopped, and passes its error on', async () => {
  const { progress, states } = progressAt({ now: 0 });
  const failing = progress.part('task', async () => {
    throw new Error('no disk');
  });
  await expect(failing).rejects.toThrow('no disk');
  expect(states.at(-1)!.parts[0]!.status).toBe('stopped');
});
