/**
 * The whole pipeline as a user starts it, shortened: every stage on the packaged data, the page
 * during and after the run, and a model that answers.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { athanor, cliPath, lastLineJson, runNode, temporaryFolder } from '../helpers/cli.ts';

/**
 * Pages as they are while later parts still run: one each time that the terminal says what begins.
 */
function pagesOf(out: string): {
  pages: Map<string, string>;
  watch: (stderr: NodeJS.ReadableStream) => void;
} {
  const pages = new Map<string, string>();
  const watch = (stderr: NodeJS.ReadableStream) => {
    let said = '';
    stderr.on('data', (chunk: string) => {
      said += chunk;
      for (const [line, place] of said.matchAll(/^— (\d) of 6: .*$/gm)) {
        if (!pages.has(place!)) pages.set(place!, readFileSync(join(out, 'report.html'), 'utf8'));
        expect(line).toMatch(/\(about .* left\)$/);
      }
    });
  };
  return { pages, watch };
}

it('runs all stages, measures all models and leaves a page and an assistant', async () => {
  const out = join(temporaryFolder(), 'run');
  const { pages, watch } = pagesOf(out);
  const { code, stdout, stderr } = await runNode(
    [cliPath, 'quickstart', '--quick', '--seed', '3', '--out', out, '--json'],
    { started: (child) => watch(child.stderr!) },
  );
  expect(code, stderr).toBe(0);
  const result = lastLineJson(stdout) as {
    scoreboard: { model: string; kl: number | null; win_rate: number | null; bits_per_byte: number }[];
    stages: Record<string, Record<string, number>>;
  };
  expect(result.scoreboard.map(({ model }) => model)).toEqual(['base', 'SFT', 'SFT, best of 8', 'PPO']);
  expect(result.scoreboard.map(({ kl }) => kl === null)).toEqual([true, false, false, false]);
  expect(result.scoreboard[1]!.kl).toBe(0);
  const { pretrain, sft, reward, ppo } = result.stages;
  // Untrained, 4,096 tokens cost 8.3 nats each.
  expect(pretrain!.val_loss).toBeLessThan(6.5);
  expect(sft!.val_loss).toBeLessThan(pretrain!.val_loss!);
  expect(reward!.val_accuracy).toBeGreaterThan(0.5);
  expect(ppo!.ratio_max_deviation).toBe(0);

  const saved = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8'));
  expect(saved.scoreboard).toEqual(result.scoreboard);
  const page = readFileSync(join(out, 'report.html'), 'utf8');
  for (const stage of ['pretrain', 'sft', 'reward', 'ppo']) {
    expect(page).toContain(`<a href="${stage}/report.html">`);
    expect(existsSync(join(out, stage, 'report.html'))).toBe(true);
  }
  expect(page).not.toContain('No step was logged');
  expect(page).not.toContain('http-equiv="refresh"');

  // What was said before anything ran, and the page that grew meanwhile.
  expect(stderr).toMatch(
    /^about \d+ (seconds|minutes?) on this machine \(\d+ threads?, (bf16|f32), training at /m,
  );
  expect(stderr).toContain(`watch it grow: ${out}/report.html`);
  expect(stderr).toContain('answers are nonsense');
  expect(page).toContain('answers are nonsense');
  expect([...pages.keys()]).toEqual(['1', '2', '3', '4', '5', '6']);
  for (const growing of pages.values()) {
    expect(growing).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
    expect(growing).toContain('http-equiv="refresh"');
    expect(growing).not.toContain('No step was logged');
  }
  expect(pages.get('1')).not.toContain('After each stage');
  expect(pages.get('3')).toContain('<td>base</td>');
  expect(pages.get('3')).toContain('<a href="sft/report.html">');
  expect(pages.get('3')).not.toContain('<a href="ppo/report.html">');
  expect(pages.get('6')).toContain('<td>SFT, best of 8</td>');

  const answer = await athanor(
    'chat',
    '--model',
    join(out, 'ppo'),
    '--message',
    'What is the capital of France?',
  );
  expect(answer.code, answer.stderr).toBe(0);
}, 300_000);
