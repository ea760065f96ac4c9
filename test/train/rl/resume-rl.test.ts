/**
 * PPO and GRPO, killed while they sample, while they learn and (PPO) at any moment, and resumed,
 * give the same bits in every file as an undisturbed run. Real processes, SIGKILL. The PPO run has
 * every part with a state: adaptive KL, moving average, pretraining text, a value model of its own.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckpointStore } from '../../../src/checkpoint/store.ts';
import { cliPath, runNode } from '../../helpers/cli.ts';
import {
  expectSameRun,
  newestStep,
  resume,
  runKilled,
  runWhole,
  signalWhen,
} from '../../helpers/killed-run.ts';
import { type RlModels, writeRlModels } from '../../helpers/rl-models.ts';

let root: string;
let models: RlModels;
/** Grows by a byte with every answer that is scored. */
let scored: string;
/** A reward that takes its time, so that a kill can come in the midst of it. */
let reward: string;

const STEPS = 48;
const STEPS_A_ROLLOUT = 16;
const ROLLOUT = 8;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-resume-rl-'));
  models = await writeRlModels(root);
  scored = join(root, 'scored');
  reward = join(root, 'reward.mjs');
  writeFileSync(
    reward,
    `import { appendFileSync } from 'node:fs';
     import { setTimeout } from 'node:timers/promises';
     export default async (prompt, response, { wanted }) => {
       appendFileSync(${JSON.stringify(scored)}, '.');
       await setTimeout(40);
       return response.split(wanted[0]).length - 1 + response.length / 10;
     };`,
  );
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const common = () => [
  ...[
    '--model',
    models.model,
    '--data',
    models.data,
    '--reward-fn',
    reward,
    '--rollout-size',
    String(ROLLOUT),
  ],
  ...[
    '--batch-size',
    '2',
    '--grad-accum',
    '2',
    '--epochs',
    '8',
    '--iterations',
    '3',
    '--max-response-length',
    '8',
  ],
  ...[
    '--max-prompt-length',
    '40',
    '--eval-prompts',
    '3',
    '--eval-every',
    '12',
    '--save-every',
    '4',
    '--keep-checkpoints',
    '20',
  ],
  ...['--sample-every', '10', '--lr', '1e-3', '--dtype', 'bf16', '--threads', '2', '--temperature', '0.8'],
];

const stages: Record<string, () => string[]> = {
  ppo: () => [
    ...['ppo', ...common(), '--value-init', models.reward, '--target-kl', '0.5', '--kl-horizon', '50'],
    ...['--ema-decay', '0.9', '--ptx-data', models.text, '--ptx-batch-size', '1', '--entropy-coef', '0.01'],
  ],
  grpo: () => [
    'grpo',
    ...common(),
    '--num-generations',
    '4',
    '--lora-rank',
    '4',
    '--param-dtype',
    'bf16',
    '--loss',
    'grpo',
    '--importance-sampling-level',
    'sequence',
  ],
};

describe.each(Object.keys(stages))('R39: %s, killed and resumed, ends with the same bits', (stage) => {
  let whole: string;
  let wholeMs: number;
  beforeAll(async () => {
    whole = join(root, `${stage}-whole`);
    wholeMs = await runWhole(stages[stage]!(), whole);
    expect(newestStep(whole)).toBe(STEPS);
  });

  it('killed while it samples and scores', async () => {
    const out = join(root, `${stage}-rollout`);
    rmSync(scored, { force: true });
    const { signal } = await runNode([cliPath, ...stages[stage]!(), '--out', out], {
      started: (child) => {
        const watch = setInterval(() => {
          if (child.exitCode !== null) clearInterval(watch);
          // Two rollouts and the evaluations in between are done with, and the third
          // is being scored.
          if (!existsSync(scored) || statSync(scored).size <= 2 * ROLLOUT + 2 * 3) return;
          clearInterval(watch);
          child.kill('SIGKILL');
        }, 2);
      },
    });
    expect(signal).toBe('SIGKILL');
    // The step after which the rollout was used up; no update on the third has happened.
    expect(newestStep(out)).toBe(2 * STEPS_A_ROLLOUT);
    await resume(stage, out, ['--threads', '1']);
    expectSameRun(out, whole);
  });

  it('killed between two updates on the same rollout', async () => {
    const out = join(root, `${stage}-update`);
    const { signal } = await signalWhen(stages[stage]!(), out, (records) =>
      records.some(({ step, event }) => step >= 21 && event === undefined),
    );
    expect(signal).toBe('SIGKILL');
    const saved = newestStep(out)!;
    expect(saved % STEPS_A_ROLLOUT).not.toBe(0);
    const { state, close } = loadedState(out);
    expect(state.stage.rollout.taken).toBe((saved % STEPS_A_ROLLOUT) * 4);
    close();
    await resume(stage, out);
    expectSameRun(out, whole);
  });

  it.runIf(stage === 'ppo')('killed again and again, at random moments', async () => {
    const out = join(root, `${stage}-killed`);
    const kills = await runKilled(stages[stage]!(), out, { wholeMs, seed: 5, extra: ['--threads', '1'] });
    expect(kills).toBeGreaterThan(1);
    expectSameRun(out, whole);
  });

  it('and it has all of its models and its place in each checkpoint', () => {
    const { state, names, close } = loadedState(whole);
    close();
    const prefixes = new Set(names.map((name) => name.split('/').slice(0, 2).join('/')));
    const expected =
      stage === 'ppo' ? ['stage/value', 'stage/ema', 'stage/live', 'stage/rollout'] : ['stage/trained'];
    for (const prefix of expected) expect(prefixes, prefix).toContain(prefix);
    expect(state.stage).toMatchObject({
      iteration: 3,
      prompts: { given: (3 * ROLLOUT) / (stage === 'ppo' ? 1 : 4) },
    });
    if (stage === 'ppo') {
      expect(state.stage.ptx.cursor).toBe(2 * STEPS);
      expect(state.stage.kl_coef).not.toBe(0.05);
    }
  });
});

it('R39: so does ppo with adapters on policy and reward model', async () => {
  const rollouts = [
    '--rollout-size',
    '8',
    '--batch-size',
    '4',
    '--epochs',
    '8',
    '--iterations',
    '2',
    '--max-response-length',
    '8',
  ];
  const command = [
    ...['ppo', '--model', models.model, '--data', models.data, '--reward', models.reward, ...rollouts],
    ...[
      '--max-prompt-length',
      '40',
      '--eval-prompts',
      '3',
      '--save-every',
      '2',
      '--lora-rank',
      '4',
      '--lr',
      '1e-3',
    ],
  ];
  const [whole, out] = [join(root, 'adapters-whole'), join(root, 'adapters-killed')];
  await runWhole(command, whole);
  await signalWhen(command, out, (records) => records.some(({ step }) => step >= 6));
  expect(newestStep(out)).toBeLessThan(32);
  await resume('ppo', out);
  expectSameRun(out, whole);
});

interface SavedState {
  stage: {
    iteration: number;
    kl_coef: number;
    rollout: { taken: number };
    ptx: { cursor: number };
    prompts: object;
  };
}

function loadedState(out: string): { state: SavedState; names: string[]; close: () => void } {
  const loaded = new CheckpointStore(out).load();
  const header = readFileSync(join(loaded.path, 'training.safetensors'));
  const size = Number(header.readBigUInt64LE(0));
  const names = Object.keys(JSON.parse(header.subarray(8, 8 + size).toString()) as object);
  return { state: loaded.state as unknown as SavedState, names, close: () => loaded.close() };
}
