/**
 * The whole pipeline on the packaged task, small: pretraining, supervised fine-tuning, a reward
 * model and PPO, each by the function that its command calls. Every model is measured when its
 * stage is done. The numbers below are for two cores and five minutes; docs/lab-notes.md has what
 * else was tried.
 */
import { join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import { replaceFile } from '../base/files/replace-file.ts';
import { loadGpt } from '../checkpoint/gpt-folder.ts';
import type { DType } from '../native/binding.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import type { StageReport } from '../train/loop/run-stage.ts';
import { runReward } from '../train/preference/reward.ts';
import { runPretraining } from '../train/pretrain/run.ts';
import { runPpo } from '../train/rl/ppo.ts';
import { runSft } from '../train/sft/run.ts';
import { type FactbookTask, factbookTask, writeFactbookTask } from './factbook/task.ts';
import { judgedSamples } from './judged-samples.ts';
import type { RunPlan, RunSize } from './plan.ts';
import { type PipelineState, RunProgress } from './run-progress.ts';
import { Scoreboard, shownQuestions } from './scoreboard.ts';
import { BATCH, CONTEXT, MODEL, VOCABULARY } from './shape.ts';

export interface PipelineOptions extends RunSize {
  out: string;
  dtype: DType;
  seed: number;
  plan: RunPlan;
  /** Told of every change: a part begins or ends, a model is measured. */
  onChange?: (state: PipelineState) => void;
}

/** Of an answer. */
const ANSWER_TOKENS = 24;

const common = {
  resume: false,
  gradAccum: 1,
  // A rate that falls to zero gains as much in its last steps as in many at the peak.
  schedule: 'linear',
  finalLr: 0,
  clip: 1,
  onSpike: 'warn',
  spikeThreshold: 6,
  decay: 0.2,
  keep: 1,
  checkpointActivations: false,
  saveEvery: 0,
} as const;

const tuning = {
  ...common,
  weightDecay: 0,
  loraRank: 0,
  loraAlpha: 16,
  loraTargets: ['all'],
  onBadLine: 'stop',
} as const;

/**
 * Runs all parts one after the other. Throws ERR_INTERRUPTED when a signal stopped a stage, whose
 * run can be resumed by its own command, and whatever the stages throw.
 */
export async function runPipeline(options: PipelineOptions): Promise<PipelineState> {
  const { out, seed, plan, onChange } = options;
  const folder = (name: string) => join(out, name);
  const progress = new RunProgress(plan, onChange);
  const task = await progress.part('task', async () => {
    const made = await factbookTask({ seed });
    writeFactbookTask(folder('task'), made);
    return made;
  });
  const measured = {
    heldOutPhrasings: some(task.heldOutPhrasings, options.questions),
    heldOutFacts: some(task.heldOutFacts, options.questions),
  };
  const board = new Scoreboard({
    ...options,
    ...measured,
    data: folder('pretrain/data'),
    values: task.values,
    maxTokens: ANSWER_TOKENS,
    bestOf: 8,
  });
  progress.questions = shownQuestions(measured.heldOutPhrasings).map(({ question }) => question);
  const judged = { data: folder('comparisons.jsonl'), normalize: folder('right-answers.jsonl') };
  /** A stage, and then its model on the scoreboard. */
  const stage = (
    name: 'pretrain' | 'sft' | 'reward' | 'ppo',
    train: (out: string) => Promise<StageReport>,
    measure: (out: string) => Promise<void>,
  ) =>
    progress.part(name, async () => {
      progress.stageDone(name, finished(name, await train(folder(name))));
      await measure(folder(name));
      progress.rows = board.rows;
    });
  try {
    await stage(
      'pretrain',
      (to) => pretrain(options, folder('task'), to),
      (model) => board.addBase(model),
    );
    await stage(
      'sft',
      (to) => fineTune(options, folder('task'), folder('pretrain'), to),
      (model) => board.addSft(model),
    );
    await progress.part('comparisons', () => writeComparisons(options, task, folder('sft'), judged));
    await stage(
      'reward',
      (to) => rewardModel(options, judged, folder('sft'), to),
      (model) => board.judge(model),
    );
    await stage(
      'ppo',
      (to) => reinforce(options, folder('task'), { sft: folder('sft'), reward: folder('reward'), ppo: to }),
      (model) => board.addPpo(model),
    );
  } finally {
    board.dispose();
  }
  return progress.state();
}

function finished(name: string, report: StageReport): StageReport {
  if (!report.interrupted) return report;
  throw new AthanorError(
    'ERR_INTERRUPTED',
    `stopped in ${name}`,
    `finish that stage with: athanor ${name} --resume --out ${report.out}`,
  );
}

function pretrain({ tokens, dtype, seed }: PipelineOptions, task: string, out: string) {
  return runPretraining({
    ...common,
    out,
    dtype,
    seed,
    data: join(task, 'corpus.jsonl'),
    model: MODEL,
    tokens,
    batchSize: BATCH,
    context: CONTEXT,
    vocabSize: VOCABULARY,
    documentMask: true,
    lr: 2.5e-3,
    warmup: 80,
    weightDecay: 0.1,
    beta2: 0.98,
    evalEvery: 400,
    evalTokens: 32768,
    sampleEvery: 0,
    samplePrompt: ['The capital of France is', 'Economy - overview:'],
    sampleTokens: 32,
  });
}

function fineTune({ dtype, seed, most }: PipelineOptions, task: string, model: string, out: string) {
  return runSft({
    ...tuning,
    out,
    dtype,
    seed,
    model,
    data: join(task, 'instructions.jsonl'),
    steps: most?.tuningSteps,
    epochs: 1,
    lr: 8e-4,
    warmup: 20,
    batchSize: 4,
    context: CONTEXT,
    packing: true,
    overLong: 'drop',
    validation: 0.05,
    patience: 0,
    neftune: 0,
    evalEvery: 100,
    sampleEvery: 0,
    samplePrompt: [],
    sampleTokens: ANSWER_TOKENS,
  });
}

/** Writes what the reward model learns from, and the right answers whose mean score is its zero. */
async function writeComparisons(
  { dtype, seed, most }: PipelineOptions,
  task: FactbookTask,
  sft: string,
  files: { data: string; normalize: string },
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
  const right = some(task.instructions, NORMALIZED).map(({ question, sentence }) => ({
    prompt: question,
    completion: sentence,
  }));
  replaceFile(files.data, jsonLines([...task.comparisons, ...judged]));
  replaceFile(files.normalize, jsonLines(right));
}

function jsonLines(rows: readonly unknown[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

/** Scores differ by a point or so, and the mean of a thousand is known to a few hundredths. */
const NORMALIZED = 1000;

/** Answers to each question of the fine-tuning data for the reward model to learn from. */
const SAMPLES = 3;

/**
 * At 1, nine of ten answers are right and mistakes are too few to learn from; at 1.4, six of ten.
 */
const SAMPLING_TEMPERATURE = 1.4;

function rewardModel(
  { dtype, seed, most }: PipelineOptions,
  { data, normalize }: { data: string; normalize: string },
  model: string,
  out: string,
) {
  return runReward({
    ...tuning,
    out,
    dtype,
    seed,
    model,
    data,
    steps: most?.tuningSteps,
    epochs: 1.5,
    lr: 8e-4,
    // The fresh head's first gradients unlearn facts: with 5 steps of warm-up the same rate gave
    // 75 % of held-out pairs in the right order, with 50 steps 88 %.
    warmup: 50,
    batchSize: 32,
    context: CONTEXT,
    centering: 0.02,
    // More than a thousand pairs, which give the accuracy to a point or two.
    validation: 0.05,
    normalize,
    patience: 0,
    evalEvery: 150,
  });
}

function reinforce(
  { dtype, seed, rollouts }: PipelineOptions,
  task: string,
  folders: { sft: string; reward: string; ppo: string },
) {
  return runPpo({
    ...tuning,
    // Moving all weights unlearns facts: sixty noisy steps of AdamW are a random walk of every
    // weight.
    loraRank: 8,
    out: folders.ppo,
    dtype,
    seed,
    model: folders.sft,
    reward: folders.reward,
    data: join(task, 'prompts.jsonl'),
    rollouts,
    rollout: 256,
    batchSize: 256,
    epochs: 2,
    lr: 2e-3,
    warmup: 10,
    maxPrompt: 48,
    maxResponse: ANSWER_TOKENS,
    temperature: 1,
    decodeBatch: 64,
    missingEos: 'score',
    missingEosValue: -4,
    rewardClip: 0,
    klCoef: 0.05,
    klEstimator: 'k1',
    klHorizon: 10_000,
    whitenRewards: false,
    entropyCoef: 0,
    clipLow: 0.2,
    clipHigh: 0.2,
    gamma: 1,
    // Whole returns: in so short a run the values learn too little to stand in for a part of them.
    lambda: 1,
    // Each answer is compared with seven others to its question, for a reward depends more on the
    // question than on the answer.
    group: 8,
    // A value model of its own takes a third more time, and in so short a run learns no more than
    // the other answers say.
    value: 'head',
    valueLr: 1,
    valueClip: 0,
    valueCoef: 0.1,
    ema: 0,
    evalPrompts: 256,
    evalEvery: 0,
    sampleEvery: 0,
    ptxCoef: 0,
    ptxBatch: 1,
    adamEps: 1e-5,
    adamEpsPlacement: 'torch',
  });
}

/** Evenly spread over the list. */
function some<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, i) => items[Math.floor((i * items.length) / most)]!);
}
