/** The whole pipeline as a user starts it, cut short: every stage on the packaged data, its page, and a model that answers. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { athanor, lastLineJson, temporaryFolder } from '../helpers/cli.ts';

it('runs all stages, measures all models and leaves a page and an assistant', async () => {
  const out = join(temporaryFolder(), 'run');
  const { code, stdout, stderr } = await athanor(
    'quickstart',
    '--quick',
    '--seed',
    '3',
    '--out',
    out,
    '--json',
  );
  expect(code, stderr).toBe(0);
  const result = lastLineJson(stdout) as {
    standings: { model: string; kl: number | null; win_rate: number | null; bits_per_byte: number }[];
    stages: Record<string, Record<string, number>>;
  };
  expect(result.standings.map(({ model }) => model)).toEqual(['base', 'SFT', 'SFT, best of 8', 'PPO']);
  expect(result.standings.map(({ kl }) => kl === null)).toEqual([true, false, false, false]);
  expect(result.standings[1]!.kl).toBe(0);
  const { pretrain, sft, reward, ppo } = result.stages;
  // Untrained, 4,096 tokens cost 8.3 nats each.
  expect(pretrain!.val_loss).toBeLessThan(6.5);
  expect(sft!.val_loss).toBeLessThan(pretrain!.val_loss!);
  expect(reward!.val_accuracy).toBeGreaterThan(0.5);
  expect(ppo!.ratio_max_deviation).toBe(0);

  const saved = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8'));
  expect(saved.standings).toEqual(result.standings);
  const page = readFileSync(join(out, 'report.html'), 'utf8');
  for (const stage of ['pretrain', 'sft', 'reward', 'ppo']) {
    expect(page).toContain(`<a href="${stage}/report.html">`);
    expect(existsSync(join(out, stage, 'report.html'))).toBe(true);
  }
  expect(page).not.toContain('No step was logged');

  const answer = await athanor(
    'chat',
    '--model',
    join(out, 'ppo'),
    '--message',
    'What is the capital of France?',
  );
  expect(answer.code, answer.stderr).toBe(0);
}, 300_000);
