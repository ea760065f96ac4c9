/** Rewards that tell nothing: the reason, and one warning of a run that learned nothing. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../../src/checkpoint/gpt-folder.ts';
import { readMetrics } from '../../../src/report/metrics-log.ts';
import type { RewardFunction } from '../../../src/scoring/reward-calls.ts';
import type { RunEvent } from '../../../src/train/loop/run-events.ts';
import type { StageResult } from '../../../src/train/loop/run-stage.ts';
import { trainingRecord } from '../../../src/train/loop/training-record.ts';
import { grpo } from '../../../src/train/rl/grpo.ts';
import { ppo } from '../../../src/train/rl/ppo.ts';
import { withoutSignal } from '../../../src/train/rl/reward-signal.ts';
import { expectSameBits } from '../../helpers/reference.ts';
import { type RlModels, writeRlModels } from '../../helpers/rl-models.ts';
import { grpoDefaults, ppoDefaults } from '../../helpers/stages.ts';

describe('the reason', () => {
  const options = { groupSize: 2, missingEos: 'score', maxResponseLength: 8 } as const;
  const reasonOf = (scores: number[], finished: boolean[], more = {}) => {
    const sequences = finished.map((end) => ({
      prompt: 0,
      tokens: new Int32Array(2),
      promptLength: 1,
      finished: end,
    }));
    return withoutSignal({ scores: Float32Array.from(scores), sequences }, { ...options, ...more });
  };

  it('is none where rewards differ within a group', () => {
    expect(reasonOf([1, 1, 1, 2], [true, true, true, true])).toBeUndefined();
    expect(reasonOf([1, 1, 2, 2], [true, true, true, true], { groupSize: 4 })).toBeUndefined();
  });

  it.each([
    [[-1, -1, -1, -1], false, {}, /^no answer ended within 8 tokens/],
    [[-1, -1, -1, -1], false, { missingEos: 'none' }, /^all 4 answers of a rollout got the same reward, -1/],
    [[0.5, 0.5, 0.5, 0.5], true, {}, /^all 4 answers of a rollout got the same reward, 0.5/],
    [[0, 0, 1, 1], true, {}, /^all 2 answers to each prompt got the same reward/],
  ] as const)('of %j is named', (scores, finished, more, reason) => {
    expect(
      reasonOf(
        [...scores],
        scores.map(() => finished),
        more,
      ),
    ).toMatch(reason);
  });
});

let root: string;
let models: RlModels;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-signal-'));
  models = await writeRlModels(root, { hiddenSize: 16, layers: 1, heads: 2 });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

let runs = 0;
type Stage = (options: Parameters<typeof grpo>[0], hooks: Parameters<typeof grpo>[1]) => Promise<StageResult>;

async function run(stage: Stage, given: object, rewardFn: RewardFunction) {
  runs += 1;
  const out = join(root, `run-${runs}`);
  const warnings: string[] = [];
  const onEvent = (event: RunEvent) => event.type === 'warning' && warnings.push(event.text);
  const { model, data } = models;
  const settings = { ...given, evalPrompts: 0, model, data, out, rewardFn };
  const result = await stage(settings, { onEvent });
  const logged = readMetrics(out).records.filter(({ event }) => event === 'warning');
  expect(logged.map(({ text }) => text)).toEqual(warnings);
  return { out, result, warnings };
}

const onGrpo = { ...grpoDefaults, epochs: 1, missingEos: 'none' } as const;

it('a stop does not wait for a reward that hangs', async () => {
  const stop = new AbortController();
  const out = join(root, 'hangs');
  const { model, data } = models;
  let calls = 0;
  const rewardFn = () => {
    calls += 1;
    if (calls <= 16) return calls;
    stop.abort();
    return new Promise<number>(() => {});
  };
  const settings = { ...onGrpo, evalPrompts: 0, steps: 6, model, data, out, rewardFn, rewardTimeout: 600 };
  expect(await grpo(settings, { signal: stop.signal })).toMatchObject({ interrupted: true, step: 4 });
  expect(await grpo({ out, resume: true, rewardFn: () => 1 })).toMatchObject({ interrupted: false, step: 6 });
});

describe('a run that learned nothing', () => {
  it('says so once, in an event, the log and the result: GRPO with equal rewards', async () => {
    const { out, result, warnings } = await run(grpo, { ...onGrpo, steps: 6 }, () => 1);
    expect(warnings).toEqual([
      'no update of the run had anything to learn from: all 8 answers of a rollout got the same reward, 1; check the reward on a few answers',
    ]);
    expect(result.idleUpdates).toBe(6);
    expect(trainingRecord(result).idle_updates).toBe(6);
    // Nothing was learned: the model is the one that it began with.
    const [before, after] = [loadModel(models.model), loadModel(out)];
    const now = new Map(after.parameters());
    for (const [name, value] of before.parameters())
      expectSameBits(now.get(name)!.toFloats(), value.toFloats());
    before.dispose();
    after.dispose();
  });

  it('says so after many updates, and not again at the end', async () => {
    const { result, warnings } = await run(grpo, { ...onGrpo, steps: 24 }, () => 1);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^the last 20 updates had nothing to learn from: all 8 answers/);
    expect(result.idleUpdates).toBe(24);
  });

  it('names answers that never end', async () => {
    const settings = { ...grpoDefaults, epochs: 1, steps: 2, maxResponseLength: 1 };
    const { warnings } = await run(grpo, settings, (_, response) => response.length);
    expect(warnings).toEqual([expect.stringContaining('no answer ended within 1 tokens')]);
  });

  it('names groups whose answers tie', async () => {
    const { warnings } = await run(grpo, { ...onGrpo, steps: 2 }, (prompt) => prompt.length);
    expect(warnings).toEqual([expect.stringContaining('all 4 answers to each prompt got the same reward')]);
  });

  it('is PPO with a constant reward too', async () => {
    const settings = { ...ppoDefaults, valueInit: 'head', missingEos: 'none', steps: 4 };
    const { warnings, result } = await run(ppo as Stage, settings, () => 0);
    expect(warnings).toEqual([expect.stringContaining('all 8 answers of a rollout got the same reward, 0')]);
    expect(result.idleUpdates).toBe(4);
  });

  it('is no run whose rewards differ', async () => {
    const { warnings, result } = await run(grpo, { ...onGrpo, steps: 4 }, (_, response) => response.length);
    expect(warnings).toEqual([]);
    expect(result.idleUpdates).toBe(0);
  });

  it('is known to a resumed run', async () => {
    const stop = new AbortController();
    const out = join(root, 'resumed');
    const { model, data } = models;
    const rewardFn = () => 1;
    const settings = { ...onGrpo, evalPrompts: 0, steps: 6, model, data, out, rewardFn };
    const seen: number[] = [];
    await grpo(settings, {
      signal: stop.signal,
      onEvent: (event) => event.type === 'step' && seen.push(event.step) === 3 && stop.abort(),
    });
    const warnings: string[] = [];
    const onEvent = (event: RunEvent) => event.type === 'warning' && warnings.push(event.text);
    const result = await grpo({ out, resume: true, rewardFn }, { onEvent });
    expect(result.idleUpdates).toBe(6);
    expect(warnings).toEqual([expect.stringMatching(/^no update of the run had anything to learn from/)]);
  });
});
