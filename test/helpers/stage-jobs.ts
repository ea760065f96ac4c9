/** Small runs of every stage, for tests that compare ranks. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { classifier } from '../../src/train/classifier/run.ts';
import type { RunHooks, StageResult } from '../../src/train/loop/run-stage.ts';
import { dpo } from '../../src/train/preference/dpo.ts';
import { kto } from '../../src/train/preference/kto.ts';
import { reward } from '../../src/train/preference/reward.ts';
import { pretrain } from '../../src/train/pretrain/run.ts';
import { grpo } from '../../src/train/rl/grpo.ts';
import { ppo } from '../../src/train/rl/ppo.ts';
import { sft } from '../../src/train/sft/run.ts';
import { rng } from './reference.ts';
import type { RlModels } from './rl-models.ts';

/** A run that this process can do, and that another one can do from its command and settings. */
export interface StageJob {
  command: string;
  settings: object;
  run(out: string, hooks: RunHooks, changes?: { zero: number }): Promise<StageResult>;
}

function job<Options extends { out: string }>(
  command: string,
  run: (options: Options, hooks: RunHooks) => Promise<StageResult>,
  settings: Omit<Options, 'out'>,
): StageJob {
  return {
    command,
    settings,
    run: (out, hooks, changes) => run({ ...settings, ...changes, out } as Options, hooks),
  };
}

function write(root: string, name: string, count: number, row: (say: () => string) => object): string {
  const words = 'name a colour blue red then be brief another one hello'.split(' ');
  const random = rng(name.length);
  const word = () => words[random.integer(words.length)]!;
  const say = () => `${Array.from({ length: 3 + random.integer(8) }, word).join(' ')}.`;
  const path = join(root, name);
  writeFileSync(path, Array.from({ length: count }, () => JSON.stringify(row(say))).join('\n'));
  return path;
}

/** The names of the jobs. */
export const stageNames = [
  'pretrain',
  'pretrain on text that is prepared first',
  'sft',
  'reward',
  'classifier',
  'dpo',
  'kto',
  'ppo',
  'grpo',
] as const;
export type StageName = (typeof stageNames)[number];

/** The jobs by name. Their data is written into `root`. */
export function stageJobs(root: string, models: RlModels): Record<StageName, StageJob> {
  // Three batches an update: they divide among 3 ranks, and not among 2.
  const common = { gradAccum: 3, dtype: 'f32', warmupSteps: 2, evalEvery: 3, lr: 1e-3 } as const;
  const tuning = { ...common, model: models.model, batchSize: 2, steps: 5, validationSplit: 0.2 };
  const rollouts = {
    ...common,
    ...{ model: models.model, data: models.data, batchSize: 2, rolloutSize: 12, steps: 5 },
    ...{ maxResponseLength: 6, maxPromptLength: 40, evalPrompts: 3, reward: models.reward },
  };
  const corpus = write(root, 'corpus.jsonl', 60, (say) => ({ text: `${say()} ${say()} ${say()}` }));
  const dialogues = write(root, 'instructions.jsonl', 20, (say) => ({ prompt: say(), completion: say() }));
  const rankings = write(root, 'rankings.jsonl', 14, (say) => ({
    prompt: say(),
    completions: [say(), say(), say()],
  }));
  const labelled = write(root, 'labelled.jsonl', 40, (say) => {
    const text = say();
    return { text, label: text.length % 2 };
  });
  const pairs = write(root, 'pairs.jsonl', 14, (say) => ({ prompt: say(), chosen: say(), rejected: say() }));
  const ratings = write(root, 'ratings.jsonl', 20, (say) => {
    const [prompt, completion] = [say(), say()];
    return { prompt, completion, label: completion.length % 2 === 0 };
  });
  return {
    pretrain: job('pretrain', pretrain, {
      ...common,
      ...{ data: models.text, model: models.model, batchSize: 2, context: 32, steps: 5 },
    }),
    'pretrain on text that is prepared first': job('pretrain', pretrain, {
      ...common,
      ...{ model: 'tiny', batchSize: 2, context: 16, vocabSize: 300, steps: 3 },
      ...{ data: corpus, paramDtype: 'bf16', dtype: 'bf16' },
    }),
    sft: job('sft', sft, { ...tuning, data: dialogues, neftuneAlpha: 5 }),
    reward: job('reward', reward, { ...tuning, data: rankings }),
    classifier: job('classifier', classifier, { ...tuning, data: labelled }),
    dpo: job('dpo', dpo, { ...tuning, data: pairs, loraRank: 4 }),
    kto: job('kto', kto, { ...tuning, data: ratings, gradientCheckpointing: true }),
    ppo: job('ppo', ppo, {
      ...rollouts,
      ...{ targetKl: 0.5, ptxData: models.text, ptxBatchSize: 1, emaDecay: 0.9, rolloutQuantize: 'int8' },
    }),
    grpo: job('grpo', grpo, { ...rollouts, numGenerations: 4, loraRank: 4 }),
  };
}
