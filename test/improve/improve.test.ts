import { existsSync, mkdirSync, readFileSync, readlinkSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { modelHash } from '../../src/checkpoint/model-hash.ts';
import { improve, rollback } from '../../src/improve/improve.ts';
import { isLink, readHistory } from '../../src/improve/promotion.ts';
import type { RunEvent } from '../../src/train/loop/run-events.ts';
import { temporaryFolder } from '../helpers/cli.ts';
import { quickRound, writeWorld } from '../helpers/voting.ts';

const statuses = (gates: readonly { name: string; status: string }[]) =>
  Object.fromEntries(gates.map(({ name, status }) => [name, status]));

describe('a round', () => {
  it('promotes a model that held-out people prefer, and a rollback takes it back', async () => {
    const folder = temporaryFolder();
    const world = await writeWorld(folder, { corrections: 1 });
    const out = join(folder, 'improve');
    const report = await improve({ ...quickRound, ...world, out });
    expect(statuses(report.gates)).toEqual({
      ...{ quality: 'passed', 'over-refusals': 'passed', jailbreaks: 'unmeasured' },
      ...{ votes: 'passed', 'win-rate': expect.stringMatching(/passed|unmeasured/) },
    });
    expect(report.outcome).toBe('promoted');
    const link = join(out, 'current');
    expect(realpathSync(link)).toBe(realpathSync(report.model));
    expect(readlinkSync(link)).toBe('rounds/0001/model');
    expect(modelHash(link)).toBe(report.candidateHash);
    expect(report.candidateHash).not.toBe(report.servedHash);
    expect(readFileSync(join(report.round, 'report.html'), 'utf8')).toContain('held-out votes');
    // The next round starts from the link, which it replaces.
    const second = await improve({ ...quickRound, ...world, model: link, out, promote: false });
    expect(second.servedHash).toBe(report.candidateHash);
    expect(second.outcome).not.toBe('promoted');
    expect(rollback(out)).toMatchObject({ action: 'rollback', hash: report.servedHash, round: '0001' });
    expect(realpathSync(link)).toBe(realpathSync(world.model));
    expect(() => rollback(out)).toThrow(/no promotion to take back/);
    expect(readHistory(out).map(({ action }) => action)).toEqual(['promote', 'rollback']);
  });

  it('of wrong votes alone does not get through', async () => {
    const folder = temporaryFolder();
    const world = await writeWorld(folder, { wrong: 400 });
    const out = join(folder, 'improve');
    // Without the limits of the cleaning, so that the gates alone must hold.
    const rows = { ...quickRound.rows, floodLeast: 1000 };
    const report = await improve({ ...quickRound, ...world, rows, out });
    expect(report.outcome).toBe('kept');
    expect(statuses(report.gates).votes).toBe('fell');
    expect(realpathSync(join(out, 'current'))).toBe(realpathSync(world.model));
    expect(readHistory(out)).toEqual([]);
  });

  it('with a reward model and PPO has the same gates', async () => {
    const folder = temporaryFolder();
    const world = await writeWorld(folder);
    const ppo = {
      iterations: 1,
      rolloutSize: 8,
      batchSize: 8,
      epochs: 1,
      maxPromptLength: 48,
      evalPrompts: 0,
    };
    const stages = { ...quickRound.stages, ppo: { ...ppo, maxResponseLength: 8 } };
    const report = await improve({
      ...quickRound,
      ...{ ...world, stages, method: 'ppo', out: join(folder, 'improve') },
    });
    expect(report.gates).toHaveLength(5);
    expect(existsSync(join(report.round, 'ppo/report.html'))).toBe(true);
  });

  it('with KTO learns from each rating', async () => {
    const folder = temporaryFolder();
    const world = await writeWorld(folder, { ratings: true });
    const stages = { ...quickRound.stages, kto: { epochs: 1, batchSize: 8, warmupSteps: 0 } };
    const report = await improve({
      ...{ ...quickRound, ...world, stages, method: 'kto', out: join(folder, 'improve') },
    });
    expect(report.gates).toHaveLength(5);
    expect(existsSync(join(report.round, 'kto/report.html'))).toBe(true);
    expect(existsSync(join(report.round, 'dpo'))).toBe(false);
  });

  it('that is stopped before a stage has a step says how it goes on', async () => {
    const folder = temporaryFolder();
    const world = await writeWorld(folder);
    const out = join(folder, 'improve');
    const stop = new AbortController();
    const onEvent = ({ type }: RunEvent) => type === 'start' && stop.abort();
    const stopped = improve({ ...quickRound, ...world, out }, { signal: stop.signal, onEvent });
    await expect(stopped).rejects.toMatchObject({
      code: 'ERR_INTERRUPTED',
      remedy: expect.stringMatching(/continue the round with `resume`/),
    });
    expect(await improve({ out, resume: true })).toMatchObject({ outcome: 'promoted' });
  });

  it('without anything to learn from says so', async () => {
    const folder = temporaryFolder();
    const world = await writeWorld(folder);
    const options = { ...quickRound, ...world, out: join(folder, 'improve') };
    // Twice: the first one leaves no round that stands in the way.
    for (let i = 0; i < 2; ++i) {
      await expect(improve({ ...options, method: 'sft' })).rejects.toThrow(/no correction to learn from/);
    }
    const feedback = join(folder, 'text.db');
    writeFileSync(feedback, 'This is no store.');
    for (let i = 0; i < 2; ++i) {
      await expect(improve({ ...options, feedback })).rejects.toThrow(/text.db: it is no SQLite file/);
    }
    expect(isLink(join(options.out, 'current'))).toBe(false);
    const link = join(folder, 'taken');
    mkdirSync(link);
    for (let i = 0; i < 2; ++i) {
      await expect(improve({ ...options, link })).rejects.toThrow(/taken is not a symbolic link/);
    }
    const stop = new AbortController();
    stop.abort();
    await expect(improve(options, { signal: stop.signal })).rejects.toThrow(/stopped/);
    await expect(improve(options)).rejects.toThrow(/has not ended/);
    await expect(improve({ ...options, feedback: 'none.db' })).rejects.toThrow(/none.db does not exist/);
  });
});
