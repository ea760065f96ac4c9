/**
 * Every stage as a user runs it, on several ranks in one process: the model, the checkpoint and the
 * metrics are those of one rank.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckpointStore } from '../../../src/checkpoint/store.ts';
import type { Communicator } from '../../../src/comm/communicator.ts';
import { selfCommunicator } from '../../../src/comm/self-communicator.ts';
import { classifier } from '../../../src/train/classifier/run.ts';
import type { RunEvent } from '../../../src/train/loop/run-events.ts';
import type { RunHooks, StageResult } from '../../../src/train/loop/run-stage.ts';
import { dpo } from '../../../src/train/preference/dpo.ts';
import { kto } from '../../../src/train/preference/kto.ts';
import { reward } from '../../../src/train/preference/reward.ts';
import { pretrain } from '../../../src/train/pretrain/run.ts';
import { grpo } from '../../../src/train/rl/grpo.ts';
import { ppo } from '../../../src/train/rl/ppo.ts';
import { sft } from '../../../src/train/sft/run.ts';
import { ranksInProcess } from '../../helpers/ranks.ts';
import { rng } from '../../helpers/reference.ts';
import { type RlModels, writeRlModels } from '../../helpers/rl-models.ts';

let root: string;
let models: RlModels;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-ranks-stages-'));
  models = await writeRlModels(root, { contextLength: 128 });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function write(name: string, count: number, row: (say: () => string) => object): string {
  const words = 'name a colour blue red then be brief another one hello'.split(' ');
  const random = rng(name.length);
  const word = () => words[random.integer(words.length)]!;
  const say = () => `${Array.from({ length: 3 + random.integer(8) }, word).join(' ')}.`;
  const path = join(root, name);
  writeFileSync(path, Array.from({ length: count }, () => JSON.stringify(row(say))).join('\n'));
  return path;
}

/** Three batches an update: they divide among 3 ranks, and not among 2. */
const common = () => ({ gradAccum: 3, dtype: 'f32', warmupSteps: 2, evalEvery: 3, lr: 1e-3 }) as const;
const tuning = () => ({ ...common(), model: models.model, batchSize: 2, steps: 5, validationSplit: 0.2 });
const rollouts = () => ({
  ...common(),
  ...{ model: models.model, data: models.data, batchSize: 2, rolloutSize: 12, steps: 5 },
  ...{ maxResponseLength: 6, maxPromptLength: 40, evalPrompts: 3, reward: models.reward },
});

type Run = (out: string, hooks: RunHooks) => Promise<StageResult>;

const stages: Record<string, Run> = {
  pretrain: (out, hooks) =>
    pretrain(
      { ...common(), out, data: models.text, model: models.model, batchSize: 2, context: 32, steps: 5 },
      hooks,
    ),
  'pretrain on text that is prepared first': (out, hooks) => {
    const data = write('corpus.jsonl', 60, (say) => ({ text: `${say()} ${say()} ${say()}` }));
    const sizes = { model: 'tiny', batchSize: 2, context: 16, vocabSize: 300, steps: 3 };
    return pretrain({ ...common(), ...sizes, out, data, paramDtype: 'bf16', dtype: 'bf16' }, hooks);
  },
  sft: (out, hooks) => {
    const data = write('instructions.jsonl', 20, (say) => ({ prompt: say(), completion: say() }));
    return sft({ ...tuning(), out, data, neftuneAlpha: 5 }, hooks);
  },
  reward: (out, hooks) => {
    const data = write('rankings.jsonl', 14, (say) => ({
      prompt: say(),
      completions: [say(), say(), say()],
    }));
    return reward({ ...tuning(), out, data }, hooks);
  },
  classifier: (out, hooks) => {
    const data = write('labelled.jsonl', 40, (say) => {
      const text = say();
      return { text, label: text.length % 2 };
    });
    return classifier({ ...tuning(), out, data }, hooks);
  },
  dpo: (out, hooks) => {
    const data = write('pairs.jsonl', 14, (say) => ({ prompt: say(), chosen: say(), rejected: say() }));
    return dpo({ ...tuning(), out, data, loraRank: 4 }, hooks);
  },
  kto: (out, hooks) => {
    const data = write('ratings.jsonl', 20, (say) => {
      const [prompt, completion] = [say(), say()];
      return { prompt, completion, label: completion.length % 2 === 0 };
    });
    return kto({ ...tuning(), out, data }, hooks);
  },
  ppo: (out, hooks) =>
    ppo({ ...rollouts(), out, targetKl: 0.5, ptxData: models.text, ptxBatchSize: 1 }, hooks),
  grpo: (out, hooks) => grpo({ ...rollouts(), out, numGenerations: 4, loraRank: 4 }, hooks),
};

const timed = /seconds|_per_second/;
const plain = (text: string) =>
  JSON.parse(text, (key, value: unknown) => (timed.test(key) ? 0 : value)) as unknown;
const hash = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

function leftIn(out: string) {
  const { path } = new CheckpointStore(out).latest()!;
  return {
    model: hash(join(out, 'model.safetensors')),
    tensors: hash(join(path, 'training.safetensors')),
    state: plain(readFileSync(join(path, 'state.json'), 'utf8')),
    metrics: readFileSync(join(out, 'metrics.jsonl'), 'utf8').trim().split('\n').map(plain),
  };
}

let folders = 0;
async function run(name: string, communicators: readonly Communicator[]) {
  const out = join(root, `run-${folders++}`);
  const events: RunEvent[][] = communicators.map(() => []);
  const results = await Promise.all(
    communicators.map((communicator, rank) =>
      stages[name]!(out, { communicator, onEvent: (event) => events[rank]!.push(event) }),
    ),
  );
  return { out, results, events };
}

describe.each(Object.keys(stages))('%s', (name) => {
  it('leaves the same files on 1, 2 and 3 ranks', async () => {
    const alone = await run(name, [selfCommunicator]);
    for (const size of [2, 3]) {
      const shared = await run(name, ranksInProcess(size));
      expect(leftIn(shared.out), `${size} ranks`).toEqual(leftIn(alone.out));
      for (const { loss, metrics, evaluation } of shared.results) {
        expect(loss).toBe(alone.results[0]!.loss);
        expect(evaluation).toEqual(alone.results[0]!.evaluation);
        for (const [key, value] of Object.entries(metrics)) {
          if (!timed.test(key)) expect(value, key).toBe(alone.results[0]!.metrics[key]);
        }
      }
      expect(shared.events.slice(1).flat()).toEqual([]);
    }
  });
});
