/** A round that is killed again and again ends as one that was left alone. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { athanor, cliPath, lastLineJson, runNode, temporaryFolder } from '../helpers/cli.ts';
import { rng } from '../helpers/reference.ts';
import { quickRound, writeWorld } from '../helpers/voting.ts';

const args = [
  '--seed',
  '3',
  '--dtype',
  'f32',
  '--max-tokens',
  '8',
  '--gate-prompts',
  '8',
  '--win-tolerance',
  '0.3',
];

/** Kills the command at random times until it ends. Returns how often. */
async function killed(command: readonly string[], out: string, wholeMs: number): Promise<number> {
  const random = rng(5);
  let patience = wholeMs / 3;
  for (let kills = 0; kills < 60; ++kills) {
    const begun = existsSync(join(out, 'rounds/0001/round.json'));
    const rest = begun ? ['improve', '--out', out, '--resume'] : [...command, '--out', out];
    const { signal, code, stderr } = await runNode([cliPath, ...rest], {
      started: (child) => {
        setTimeout(() => child.kill('SIGKILL'), patience * (0.5 + random.uniform())).unref();
      },
    });
    if (signal !== 'SIGKILL') {
      expect(code, stderr).toBe(0);
      return kills;
    }
    patience *= 1.1;
  }
  throw new Error('the round did not get to its end');
}

it('gives the same model, gates and link', async () => {
  const folder = temporaryFolder();
  const { model, feedback } = await writeWorld(folder, { corrections: 1 });
  const stages = join(folder, 'stages.json');
  writeFileSync(stages, JSON.stringify(quickRound.stages));
  const command = ['improve', '--model', model, '--feedback', feedback, '--stages', stages, ...args];
  const [whole, out] = [join(folder, 'whole'), join(folder, 'killed')];
  const startedAt = performance.now();
  const { code, stdout, stderr } = await athanor(...command, '--json', '--out', whole);
  expect(code, stderr).toBe(0);
  expect(lastLineJson(stdout)).toMatchObject({ outcome: 'promoted', reason: 'no gate fell' });
  const kills = await killed(command, out, performance.now() - startedAt);
  expect(kills).toBeGreaterThan(1);
  const round = (root: string, name: string) => readFileSync(join(root, 'rounds/0001', name));
  for (const name of ['model/model.safetensors', 'rows/funnel.json', 'rows/comparisons/votes.jsonl']) {
    expect(round(out, name).equals(round(whole, name)), name).toBe(true);
  }
  const steps = (root: string) => JSON.parse(String(round(root, 'round.json'))).steps;
  expect(steps(out)).toEqual(steps(whole));
  expect(readdirSync(out).sort()).toEqual(readdirSync(whole).sort());
  const history = (root: string) =>
    readFileSync(join(root, 'history.jsonl'), 'utf8').replace(/"at":"[^"]*"/, '');
  expect(history(out)).toBe(history(whole));
  expect(readFileSync(join(out, 'current/config.json'), 'utf8')).toBe(
    readFileSync(join(out, 'rounds/0001/model/config.json'), 'utf8'),
  );
  const stray = await athanor('improve', '--resume', '--out', out, '--held-out', '0.1');
  expect([stray.code, stray.stderr]).toEqual([2, expect.stringContaining('--held-out is given')]);
  // The way back.
  const back = await athanor('improve', 'rollback', '--out', out, '--json');
  expect(lastLineJson(back.stdout)).toMatchObject({ action: 'rollback', round: '0001' });
});
