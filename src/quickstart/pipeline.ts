/**
 * The whole pipeline on the packaged task, small: pretraining, fine-tuning, reward model and PPO, each by the function that
 * its command calls, and then a look at where every model stands. The numbers below are for two cores and five minutes.
 */
import { join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import { replaceFile } from '../base/files/replace-file.ts';
import { loadGpt } from '../checkpoint/gpt-folder.ts';
import type { Precision } from '../native/engine.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import type { RunHooks, StageResult } from '../train/loop/run-stage.ts';
import { type TrainingRecord, trainingRecord } from '../train/loop/training-record.ts';
import { reward } from '../train/preference/reward.ts';
import { pretrain } from '../train/pretrain/run.ts';
import { ppo } from '../train/rl/ppo.ts';
import { sft } from '../train/sft/run.ts';
import { type FactbookTask, factbookTask, type Question, writeFactbookTask } from './factbook/task.ts';
import { judgedSamples } from './judged-samples.ts';
import { type Standing, shownQuestions, standings } from './scoreboard.ts';

export interface PipelineOptions {
  out: string;
  dtype: Precision;
  seed: number;
  /** Pretraining tokens; the other stages take what they take. */
  tokens: number;
  /** PPO's rollouts. */
  rollouts: number;
  /** Questions of each kind that the models are measured on. */
  questions: number;
  /** Bounds that make a run short enough to only see that it works. */
  most?: { tuningSteps: number; sampledQuestions: number } | undefined;
  /** Told when a part begins. */
  onPart?: (part: string) => void;
  /** Of every stage. */
  hooks: RunHooks;
}

export interface PipelineResult {
  stages: { name: string; folder: string; report: TrainingRecord }[];
  standings: Standing[];
  /** What the models were shown, in the order of each standing's answers. */
  questions: Question[];
  seconds: number;
}

/** 4 layers, 256 wide: 4.3M parameters, some 25,000 tokens a second on two cores with bf16. */
const MODEL = 'micro';
const CONTEXT = 256;
const VOCABULARY = 4096;
const ANSWER_TOKENS = 24;

/** The run's end is what counts, so one checkpoint is enough. */
const common = { keepCheckpoints: 1, saveEvery: 0 } as const;
const tuning = { ...common, onBadLine: 'fail' } as const;

/** Throws ERR_INTERRUPTED when a signal stopped a stage, whose run can be resumed by its own command. */
export async function runPipeline(options: PipelineOptions): Promise<PipelineResult> {
  const startedAt = performance.now();
  const { out, seed, onPart } = options;
  const folder = (name: string) => join(out, name);
  onPart?.('making the task from the World Factbook');
  const task = await factbookTask({ seed });
  writeFactbookTask(folder('task'), task);
  const stages: PipelineResult['stages'] = [];
  const run = async (name: string, stage: () => Promise<StageResult>) => {
    onPart?.(name);
    const report = await stage();
    if (report.interrupted) {
      throw new AthanorError(
        'ERR_INTERRUPTED',
        `stopped in ${name}`,
        `finish that stage with: athanor ${name} --resume --out ${folder(name)}`,
      );
    }
    stages.push({ name, folder: folder(name), report: trainingRecord(report) });
  };
  await run('pretrain', () => basePretrain(options, folder('task'), folder('pretrain')));
  await run('sft', () => fineTune(options, folder('task'), folder('pretrain'), folder('sft')));
  onPart?.('comparing answers of the fine-tuned model by the rule');
  await writeComparisons(options, task, folder('sft'), folder('comparisons.jsonl'));
  await run('reward', () =>
    rewardModel(options, folder('comparisons.jsonl'), folder('sft'), folder('reward')),
  );
  await run('ppo', () =>
    reinforce(options, folder('task'), { sft: folder('sft'), reward: folder('reward'), ppo: folder('ppo') }),
  );
  onPart?.('measuring all models');
  const measured = {
    heldOutPhrasings: some(task.heldOutPhrasings, options.questions),
    heldOutFacts: some(task.heldOutFacts, options.questions),
  };
  const results = await standings({
    ...options,
    ...measured,
    base: folder('pretrain'),
    sft: folder('sft'),
    reward: folder('reward'),
    ppo: folder('ppo'),
    data: folder('pretrain/data'),
    values: task.values,
    maxTokens: ANSWER_TOKENS,
    bestOf: 8,
  });
  const shown = shownQuestions(measured.heldOutPhrasings);
  return {
    stages,
    standings: results,
    questions: shown.map(({ question }) => question),
    seconds: (performance.now() - startedAt) / 1000,
  };
}

function basePretrain({ tokens, dtype, seed, hooks }: PipelineOptions, task: string, out: string) {
  return pretrain(
    {
      ...common,
      out,
      dtype,
      seed,
      data: join(task, 'corpus.jsonl'),
      model: MODEL,
      tokens,
      batchSize: 16,
      context: CONTEXT,
      vocabSize: VOCABULARY,
      lr: 2e-3,
      warmupSteps: 40,
      evalEvery: 150,
      evalTokens: 32768,
      samplePrompt: ['The capital of France is', 'Economy - overview:'],
      sampleTokens: 32,
    },
    hooks,
  );
}

function fineTune({ dtype, seed, most, hooks }: PipelineOptions, task: string, model: string, out: string) {
  return sft(
    {
      ...tuning,
      out,
      dtype,
      seed,
      model,
      data: join(task, 'instructions.jsonl'),
      steps: most?.tuningSteps,
      epochs: 1,
      lr: 1e-3,
      batchSize: 8,
      context: CONTEXT,
      overLong: 'drop',
      evalEvery: 40,
      sampleTokens: ANSWER_TOKENS,
    },
    hooks,
  );
}

async function writeComparisons(
  { dtype, seed, most }: PipelineOptions,
  task: FactbookTask,
  sft: string,
  file: string,
): Promise<void> {
  const model = loadGpt(sft, { dtype });
  const judged = await judgedSamples(
    model,
    Tokenizer.load(sft),
    most ? some(task.instructions, most.sampledQuestions) : task.instructions,
    task.values,
    { samples: SAMPLES, maxTokens: ANSWER_TOKENS, temperature: SAMPLING_TEMPERATURE, seed },
  );
  model.dispose();
  replaceFile(file, [...task.comparisons, ...judged].map((row) => `${JSON.stringify(row)}\n`).join(''));
}

/** Answers to each question of the fine-tuning data for the reward model to learn from. */
const SAMPLES = 3;

/** At 1 nine of ten answers are right, and their mistakes too few to learn from; at 1.4 six of ten. */
const SAMPLING_TEMPERATURE = 1.4;

function rewardModel(
  { dtype, seed, most, hooks }: PipelineOptions,
  data: string,
  model: string,
  out: string,
) {
  return reward(
    {
      ...tuning,
      out,
      dtype,
      seed,
      model,
      data,
      steps: most?.tuningSteps,
      epochs: 1.5,
      lr: 4e-4,
      warmupSteps: 5,
      batchSize: 32,
      context: CONTEXT,
      centering: 0.02,
      evalEvery: 60,
    },
    hooks,
  );
}

function reinforce(
  { dtype, seed, rollouts, hooks }: PipelineOptions,
  task: string,
  folders: { sft: string; reward: string; ppo: string },
) {
  return ppo(
    {
      ...tuning,
      // Moving all weights unlearns facts: sixty noisy steps of AdamW are a random walk in all of them.
      loraRank: 8,
      out: folders.ppo,
      dtype,
      seed,
      model: folders.sft,
      reward: folders.reward,
      data: join(task, 'prompts.jsonl'),
      iterations: rollouts,
      rolloutSize: 256,
      batchSize: 256,
      epochs: 2,
      lr: 1.5e-3,
      maxPromptLength: 48,
      maxResponseLength: ANSWER_TOKENS,
      missingEosValue: -4,
      // Whole returns: the values know too little in so short a run to shorten them.
      lambda: 1,
      // Against seven other answers to its question: which question it was moves a reward more than being right does.
      numGenerations: 8,
      // A value model of its own learns nothing in so short a run that the other answers do not say, for a third more time.
      valueInit: 'head',
      valueClip: 0,
      evalPrompts: 256,
      evalEvery: 60,
    },
    hooks,
  );
}

/** Evenly spread over the list. */
function some<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, i) => items[Math.floor((i * items.length) / most)]!);
}
