/**
 * Runs training stages as their commands do, one after another in a temporary folder, and times
 * them by their own metrics. Each stage starts from the result of the one before. The quality of
 * the models does not matter here.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import type { JsonObject } from '../base/json.ts';
import { saveScoringModel, scoringModelFrom } from '../checkpoint/gpt-folder.ts';
import type { Precision } from '../native/engine.ts';
import { type MetricRecord, readMetrics } from '../report/metrics-log.ts';
import type { RunHooks, StageResult } from '../train/loop/run-stage.ts';
import { terminalProgress } from '../train/loop/terminal-progress.ts';
import { pretrain } from '../train/pretrain/run.ts';
import { ppo } from '../train/rl/ppo.ts';
import { sft } from '../train/sft/run.ts';
import { Prose } from './prose.ts';

export interface StageBenchOptions {
  /** Name of the preset. */
  model: string;
  vocabSize: number;
  /** Sequences per batch and tokens per sequence, for pretraining and fine-tuning. */
  batchSize: number;
  context: number;
  /** Steps to time of each, after WARMUP. */
  steps: number;
  dtype: Precision;
  seed: number;
  signal?: AbortSignal;
}

export interface SftBenchResult {
  /** Tokens per second of the fastest step. */
  tokensPerSecond: number;
  pretrainTokensPerSecond: number;
}

export interface PpoBenchOptions extends StageBenchOptions {
  /** Iterations to time, after one that is not timed. */
  iterations: number;
  rolloutSize: number;
  /** Responses per minibatch. */
  minibatch: number;
  epochs: number;
  maxResponseLength: number;
  decodeBatchSize: number;
}

/** The fastest iteration. Only the tokens of responses are counted. */
export interface PpoBenchResult {
  tokensPerSecond: number;
  generationTokensPerSecond: number;
  /** Response tokens times epochs, divided by the seconds of the updates. */
  updateTokensPerSecond: number;
  responseLength: number;
  seconds: number;
  /** Parts of `seconds`: sampling; rewards, reference and values; updates. */
  generationSeconds: number;
  scoringSeconds: number;
  updateSeconds: number;
}

/** The first steps pack weights and allocate buffers. */
const WARMUP = 2;

/** A constant learning rate and no evaluations: only the steps are timed. */
const timed = {
  schedule: 'constant',
  warmupSteps: 0,
  spikeThreshold: 100,
  evalEvery: 0,
  saveEvery: 0,
  keepCheckpoints: 1,
} as const;

/**
 * Times fine-tuning with packing and pretraining of the same model. Throws ERR_INTERRUPTED, and the
 * errors of the stages.
 */
export function benchSft(options: StageBenchOptions): Promise<SftBenchResult> {
  return inFolder(async (folder) => {
    await benchPretraining(folder, options);
    await fineTune(folder, options);
    return {
      tokensPerSecond: fastestStep(join(folder, 'sft')),
      pretrainTokensPerSecond: fastestStep(join(folder, 'pretrain')),
    };
  });
}

/**
 * Times PPO with a reward model, a reference and a value model of the policy's shape.
 * Throws as benchSft.
 */
export function benchPpo(options: PpoBenchOptions): Promise<PpoBenchResult> {
  return inFolder(async (folder) => {
    await benchPretraining(folder, { ...options, steps: 1 });
    await fineTune(folder, { ...options, steps: 1 });
    const sft = join(folder, 'sft');
    const reward = scoringModelFrom(sft, { seed: options.seed });
    await saveScoringModel(join(folder, 'reward'), reward, { tokenizer: sft });
    reward.dispose();
    await reinforce(folder, options);
    return fastestRollout(stepsOf(join(folder, 'ppo')), options);
  });
}

async function inFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'athanor-bench-'));
  try {
    return await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function completed(run: Promise<StageResult>): Promise<void> {
  if ((await run).interrupted) throw new AthanorError('ERR_INTERRUPTED', 'stopped by a signal');
}

function benchPretraining(folder: string, options: StageBenchOptions): Promise<void> {
  const { batchSize, context, seed } = options;
  // A third of the words are one token, so half as many documents as windows fill all windows.
  const windows = batchSize * (options.steps + WARMUP);
  const data = rows(folder, 'corpus', new Prose(seed).documents(Math.ceil((windows * context) / 150) + 100));
  return completed(
    pretrain(
      {
        ...timed,
        ...sizes(options),
        model: options.model,
        vocabSize: options.vocabSize,
        data,
        out: join(folder, 'pretrain'),
        steps: options.steps + WARMUP,
        evalTokens: 1,
        sampleTokens: 1,
      },
      hooks(options),
    ),
  );
}

function fineTune(folder: string, options: StageBenchOptions): Promise<void> {
  const { batchSize, context, seed } = options;
  const windows = batchSize * (options.steps + WARMUP);
  const examples = new Prose(seed + 1).instructions(Math.ceil((windows * context) / 60) + 100);
  return completed(
    sft(
      {
        ...timed,
        weightDecay: 0.1,
        sampleTokens: 1,
        ...sizes(options),
        data: rows(folder, 'instructions', examples),
        model: join(folder, 'pretrain'),
        out: join(folder, 'sft'),
        steps: options.steps + WARMUP,
        validationSplit: 0,
      },
      hooks(options),
    ),
  );
}

function reinforce(folder: string, options: PpoBenchOptions): Promise<void> {
  const { rolloutSize, dtype, seed, epochs, context, maxResponseLength, decodeBatchSize } = options;
  return completed(
    ppo(
      {
        ...timed,
        weightDecay: 0.1,
        dtype,
        seed,
        epochs,
        rolloutSize,
        maxResponseLength,
        decodeBatchSize,
        data: rows(folder, 'prompts', new Prose(seed + 2).instructions(rolloutSize * 2)),
        model: join(folder, 'sft'),
        reward: join(folder, 'reward'),
        out: join(folder, 'ppo'),
        // The first rollout is checked by a second forward pass, which a run does only once.
        iterations: options.iterations + 1,
        batchSize: options.minibatch,
        maxPromptLength: context - maxResponseLength,
        missingEos: 'none',
        evalPrompts: 0,
      },
      hooks(options),
    ),
  );
}

function sizes({ batchSize, context, dtype, seed }: StageBenchOptions) {
  return { batchSize, context, dtype, seed };
}

function hooks({ signal }: StageBenchOptions): RunHooks {
  return { onEvent: terminalProgress(), ...(signal && { signal }) };
}

function rows(folder: string, name: string, list: readonly JsonObject[]): string {
  const path = join(folder, `${name}.jsonl`);
  writeFileSync(path, list.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path;
}

function stepsOf(run: string): MetricRecord[] {
  return readMetrics(run).records.filter(({ event }) => event === undefined);
}

function fastestStep(run: string): number {
  const rates = stepsOf(run).map((record) => record.tokens_per_second as number);
  return Math.max(...rates.slice(WARMUP));
}

function fastestRollout(steps: readonly MetricRecord[], options: PpoBenchOptions): PpoBenchResult {
  const { rolloutSize, minibatch, epochs } = options;
  const updates = (rolloutSize / minibatch) * epochs;
  const results: PpoBenchResult[] = [];
  for (let first = updates; first < steps.length; first += updates) {
    const own = steps.slice(first, first + updates);
    const of = (field: string) => own[0]![field] as number;
    // The first step on a rollout includes the time of its sampling and scoring.
    const seconds = own.reduce((sum, step) => sum + (step.seconds as number), 0);
    const [generationSeconds, scoringSeconds] = [of('rollout_seconds'), of('scoring_seconds')];
    const updateSeconds = seconds - generationSeconds - scoringSeconds;
    const tokens = of('response_length') * rolloutSize;
    results.push({
      tokensPerSecond: tokens / seconds,
      generationTokensPerSecond: tokens / generationSeconds,
      updateTokensPerSecond: (tokens * epochs) / updateSeconds,
      responseLength: of('response_length'),
      seconds,
      generationSeconds,
      scoringSeconds,
      updateSeconds,
    });
  }
  return results.reduce((best, result) => (result.tokensPerSecond > best.tokensPerSecond ? result : best));
}
