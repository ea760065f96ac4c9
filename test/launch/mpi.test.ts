/** Training under a real mpirun: the bits are those of one process. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { athanor, cliPath } from '../helpers/cli.ts';
import { mpirun } from '../helpers/mpirun.ts';
import { noMpi } from '../helpers/rank-processes.ts';
import { type RlModels, writeRlModels } from '../helpers/rl-models.ts';
import { leftIn } from '../helpers/run-files.ts';

let root: string;
let models: RlModels;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-mpi-'));
  models = await writeRlModels(root);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const common = [
  '--batch-size',
  '2',
  '--grad-accum',
  '4',
  '--steps',
  '6',
  '--dtype',
  'f32',
  '--eval-every',
  '3',
];

const stages: Record<string, () => string[]> = {
  pretrain: () => ['pretrain', '--data', models.text, '--model', 'tiny', '--context', '32', ...common],
  sft: () => {
    const rows = Array.from({ length: 30 }, (_, i) =>
      JSON.stringify({ prompt: `what is ${i}?`, completion: `${i * i}.` }),
    );
    const data = join(root, 'rows.jsonl');
    writeFileSync(data, rows.join('\n'));
    return ['sft', '--model', models.model, '--data', data, ...common, '--neftune-alpha', '5'];
  },
  grpo: () => [
    ...['grpo', '--model', models.model, '--data', models.data, '--reward', models.reward, ...common],
    ...[
      '--rollout-size',
      '16',
      '--num-generations',
      '4',
      '--max-response-length',
      '6',
      '--max-prompt-length',
      '40',
    ],
  ],
};

describe.skipIf(noMpi !== undefined)(`under mpirun${noMpi ? ` (skipped: ${noMpi})` : ''}`, () => {
  it.each([
    ['pretrain', 2],
    ['pretrain', 3],
    ['pretrain', 4],
    ['sft', 2],
    ['grpo', 3],
  ] as const)('%s on %i ranks leaves the files of one process', async (stage, size) => {
    const alone = join(root, `${stage}-alone`);
    const shared = join(root, `${stage}-${size}`);
    const args = stages[stage]!();
    if (!existing.has(stage)) {
      expect(await athanor(...args, '--out', alone)).toMatchObject({ code: 0 });
      existing.add(stage);
    }
    const { code, output } = await mpirun(size, [...args, '--out', shared]);
    expect(code, output).toBe(0);
    expect(output).toContain(`${size} ranks, ZeRO-1`);
    expect(leftIn(shared)).toEqual(leftIn(alone));
  });

  it('a run of 4 ranks goes on under mpirun with 2, and ends with the same bits', async () => {
    const out = join(root, 'resumed');
    const args = stages.pretrain!().map((word, i, all) => (all[i - 1] === '--steps' ? '3' : word));
    expect(await mpirun(4, [...args, '--schedule', 'constant', '--out', out])).toMatchObject({ code: 0 });
    const more = ['pretrain', '--resume', '--steps', '6', '--out', out];
    expect(await mpirun(2, more)).toMatchObject({ code: 0 });
    const whole = join(root, 'whole');
    await athanor(...stages.pretrain!(), '--schedule', 'constant', '--out', whole);
    expect(leftIn(out).model).toBe(leftIn(whole).model);
    expect(leftIn(out).moments).toBe(leftIn(whole).moments);
  });

  it('the result of data prepare is printed once', async () => {
    const corpus = join(root, 'corpus.txt');
    writeFileSync(corpus, 'the cat sat on the mat\n'.repeat(200));
    const args = ['data', 'prepare', corpus, '--vocab-size', '260', '--out', join(root, 'prepared')];
    const { code, output } = await mpirun(2, args);
    expect(code, output).toBe(0);
    expect(output.match(/^\d+ documents, /gm)).toHaveLength(1);
  });

  it('ranks that were given different settings are refused by all', async () => {
    const args = ['--allow-run-as-root', '--oversubscribe', '--bind-to', 'none'];
    const command = [process.execPath, cliPath, ...stages.pretrain!(), '--out', join(root, 'differ')];
    const parts = ['-n', '1', ...command, ':', '-n', '1', ...command, '--lr', '0.5'];
    const child = spawn('mpirun', [...args, ...parts], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdout.resume();
    expect(await new Promise((resolve) => child.on('close', resolve))).not.toBe(0);
    expect(stderr).toContain('--lr is 0.5 on rank 1 and no value on rank 0 [ERR_MISMATCH]');
  });
});

/** Stages that one process has trained. */
const existing = new Set<string>();
