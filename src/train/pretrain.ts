/** The pretraining stage as a function: options in, a trained model folder out. The command line is a thin caller. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadGpt, saveGpt } from '../checkpoint/gpt-folder.ts';
import { copyModel } from '../checkpoint/save-model.ts';
import { CheckpointStore } from '../checkpoint/store.ts';
import { MANIFEST } from '../data/manifest.ts';
import { prepareData } from '../data/prepare.ts';
import { TokenDataset } from '../data/token-dataset.ts';
import type { DType } from '../native/binding.ts';
import { AthanorError } from '../native/errors.ts';
import type { JsonObject, JsonValue } from '../native/json.ts';
import { parameterCount } from '../nn/config.ts';
import { Gpt } from '../nn/gpt.ts';
import { presetConfig, presetNames } from '../nn/presets.ts';
import { AdamW } from '../optim/adamw.ts';
import type { ScheduleName } from '../optim/schedule.ts';
import { formatBytes, formatCount } from '../report/format.ts';
import { MetricsLog } from '../report/metrics-log.ts';
import { createProgress } from '../report/progress.ts';
import { Interrupt } from './interrupt.ts';
import { defaultLearningRate } from './learning-rate.ts';
import { PretrainStage } from './pretrain-stage.ts';
import { forgetRun, readRun, writeRun } from './run-file.ts';
import { TrainConsole } from './train-console.ts';
import { Trainer, type TrainResult } from './trainer.ts';

/** Everything that decides a run's course; saved with the run. */
export interface PretrainSettings {
  /** Token shards, or text (files, folders, packaged names) to prepare into `<out>/data`. */
  data: string;
  /** Preset or model folder. */
  model: string;
  dtype: DType;
  seed: number;
  steps?: number | undefined;
  tokens?: number | undefined;
  /** Seconds. */
  time?: number | undefined;
  batchSize: number;
  context?: number | undefined;
  vocabSize: number;
  documentMask: boolean;
  gradAccum: number;
  lr?: number | undefined;
  schedule: ScheduleName;
  warmup: number;
  finalLr: number;
  decay: number;
  weightDecay: number;
  beta2: number;
  clip: number;
  onSpike: 'warn' | 'skip' | 'stop';
  spikeThreshold: number;
  evalEvery: number;
  evalTokens: number;
  saveEvery: number;
  sampleEvery: number;
  samplePrompt: readonly string[];
  sampleTokens: number;
  keep: number;
  checkpointActivations: boolean;
}

export interface PretrainOptions extends Omit<PretrainSettings, 'data'> {
  data?: string | undefined;
  out: string;
  resume: boolean;
}

export interface PretrainReport {
  [key: string]: number | string | boolean | null;
  step: number;
  tokens: number;
  loss: number;
  val_loss: number | null;
  bits_per_byte: number | null;
  tokens_per_second: number;
  seconds: number;
  parameters: number;
  interrupted: boolean;
  out: string;
}

/**
 * Trains until the budget is used or a signal asks to stop, and leaves the model, its checkpoints, metrics and report in
 * `out`. Throws ERR_ARGUMENT, ERR_MISMATCH and ERR_CONFIG before any training, and whatever reading and writing throw.
 */
export async function runPretraining(options: PretrainOptions): Promise<PretrainReport> {
  const { out, resume } = options;
  const before = existsSync(out) ? readdirSync(out) : [];
  const settings = begin(options);
  try {
    return await pretrain(settings, out, resume);
  } catch (error) {
    // A run that failed before its first checkpoint has nothing to resume and must not block another try.
    if (!resume && !new CheckpointStore(out).latest()) forgetRun(out, before);
    throw error;
  }
}

async function pretrain(settings: PretrainSettings, out: string, resume: boolean): Promise<PretrainReport> {
  const dataset = await openData(settings, out, resume);
  const tokenizer = dataset.tokenizer();
  const store = new CheckpointStore(out, { keepLast: settings.keep });
  const resumed = resume && store.latest() ? store.load() : undefined;
  const model = makeModel(settings, dataset, resumed?.path);
  const context = settings.context ?? model.config.contextLength;
  const stage = new PretrainStage(model, tokenizer, dataset, {
    loader: {
      batchSize: settings.batchSize,
      context,
      seed: settings.seed,
      documentMask: settings.documentMask,
    },
    evalTokens: settings.evalTokens,
    samplePrompts: settings.samplePrompt.length > 0 ? settings.samplePrompt : [''],
    sampleTokens: Math.min(settings.sampleTokens, model.config.contextLength - 1),
    writeModel: (folder) => saveGpt(folder, model, { tokenizer: dataset.folder }),
  });
  const optimizer = new AdamW(stage.parameters, { weightDecay: settings.weightDecay, beta2: settings.beta2 });
  const metrics = MetricsLog.open(out, resumed ? { resumeStep: resumed.step } : {});
  const screen = new TrainConsole({
    label: 'pretrain',
    out,
    title: `Pretraining ${settings.model} on ${settings.data}`,
    config: describe(settings, model, dataset),
  });
  const interrupt = new Interrupt((signal) => screen.warn(`${signal}: finishing the step, then saving`));
  const trainer = new Trainer(stage, optimizer, trainerOptions(settings, parameterCount(model.config)), {
    store,
    metrics,
    hooks: { ...screen.hooks(), stopRequested: () => interrupt.requested },
  });
  try {
    if (resumed) {
      trainer.restore(resumed.state as JsonObject, (name) => resumed.tensors.read(name).data as Float32Array);
      screen.note(`resumed at step ${resumed.step}`);
      resumed.close();
    }
    const result = await trainer.run();
    await copyModel(store.latest()!.path, out);
    return report(result, model, out);
  } finally {
    interrupt.dispose();
    metrics.close();
    screen.finish();
    optimizer.dispose();
    model.dispose();
    dataset.close();
  }
}

/** The settings of the run to continue, or those of a new one, written down. */
function begin({ out, resume, ...given }: PretrainOptions): PretrainSettings {
  if (resume) return readRun(out, 'pretrain').settings as unknown as PretrainSettings;
  if (given.data === undefined) {
    throw new AthanorError(
      'ERR_OPTION',
      '--data is missing',
      'name token shards or text, e.g. --data corpus.txt',
    );
  }
  const settings = { ...given, data: given.data };
  const plain = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  writeRun(out, { stage: 'pretrain', settings: plain as JsonObject });
  return settings;
}

/** The shards that --data names, or those made from its text; a resumed run finds the ones it made. */
async function openData(settings: PretrainSettings, out: string, resume: boolean): Promise<TokenDataset> {
  if (existsSync(join(settings.data, MANIFEST))) return TokenDataset.open(settings.data);
  const folder = join(out, 'data');
  if (!resume || !existsSync(join(folder, MANIFEST))) await prepareText(settings, folder);
  return TokenDataset.open(folder);
}

async function prepareText(settings: PretrainSettings, folder: string): Promise<void> {
  const progress = createProgress({ label: 'prepare', unit: 'documents' });
  const abort = new AbortController();
  const interrupt = new Interrupt(() => abort.abort());
  try {
    const { dropped } = await prepareData({
      sources: [settings.data],
      out: folder,
      vocabSize: settings.vocabSize,
      validation: 0.05,
      minChars: 1,
      onBadLine: 'skip',
      signal: abort.signal,
      onProgress: ({ phase, documents, bytes }) =>
        progress.update({
          done: documents,
          fields: [
            ['', phase],
            ['read', formatBytes(bytes)],
          ],
        }),
    });
    const reasons = Object.entries(dropped).map(
      ([reason, count]) => `${count} ${reason.replaceAll('_', ' ')}`,
    );
    if (reasons.length > 0)
      progress.log(`dropped: ${reasons.join(', ')}; see ${join(folder, 'dropped.jsonl')}`);
  } finally {
    interrupt.dispose();
    progress.finish('');
  }
}

function makeModel(settings: PretrainSettings, dataset: TokenDataset, checkpoint: string | undefined): Gpt {
  const { dtype, seed, checkpointActivations, context } = settings;
  const options = { dtype, seed, checkpointActivations };
  const { vocab_size: vocabSize, eos_id: eosTokenId } = dataset.manifest;
  const isPreset = presetNames.includes(settings.model);
  if (!checkpoint && (isPreset || !existsSync(settings.model))) {
    const overrides = {
      vocabSize,
      eosTokenId,
      bosTokenId: eosTokenId,
      ...(context && { contextLength: context }),
    };
    return new Gpt(presetConfig(settings.model, overrides), options);
  }
  const folder = checkpoint ?? settings.model;
  const model = loadGpt(folder, options);
  const { config } = model;
  if (config.vocabSize < vocabSize) {
    throw new AthanorError(
      'ERR_MISMATCH',
      `the data has a vocabulary of ${vocabSize} and the model in ${folder} one of ${config.vocabSize}`,
      'prepare the data with the tokenizer of the model (data prepare --tokenizer)',
    );
  }
  if (context !== undefined && context > config.contextLength) {
    throw new AthanorError(
      'ERR_MISMATCH',
      `--context ${context} exceeds the context of ${config.contextLength} of the model in ${folder}`,
      'lower --context',
    );
  }
  return model;
}

function trainerOptions(settings: PretrainSettings, parameters: number) {
  const { steps, tokens, time } = settings;
  return {
    budget: { ...(steps && { steps }), ...(tokens && { tokens }), ...(time && { seconds: time }) },
    schedule: {
      lr: settings.lr ?? defaultLearningRate(parameters),
      schedule: settings.schedule,
      warmupSteps: settings.warmup,
      finalFraction: settings.finalLr,
      decayFraction: settings.decay,
    },
    gradAccum: settings.gradAccum,
    clip: settings.clip,
    guard: { onSpike: settings.onSpike, spikeThreshold: settings.spikeThreshold, spikeWindow: 128 },
    evalEvery: settings.evalEvery,
    sampleEvery: settings.sampleEvery,
    saveEvery: settings.saveEvery,
  };
}

/** What the report says of the run. */
function describe(settings: PretrainSettings, model: Gpt, dataset: TokenDataset): Record<string, JsonValue> {
  const { config } = model;
  return {
    parameters: `${formatCount(parameterCount(config))} (${config.architecture})`,
    layers: config.layers,
    hidden_size: config.hiddenSize,
    heads: `${config.heads} (${config.kvHeads} key-value)`,
    vocabulary: config.vocabSize,
    context: settings.context ?? config.contextLength,
    dtype: settings.dtype,
    batch_size: settings.batchSize,
    grad_accum: settings.gradAccum,
    lr: settings.lr ?? defaultLearningRate(parameterCount(config)),
    schedule: settings.schedule,
    weight_decay: settings.weightDecay,
    clip: settings.clip,
    seed: settings.seed,
    train_tokens: formatCount(dataset.manifest.splits.train.tokens),
    validation_tokens: formatCount(dataset.manifest.splits.validation.tokens),
    sources: dataset.manifest.sources.join(', '),
  };
}

function report(result: TrainResult, model: Gpt, out: string): PretrainReport {
  return {
    step: result.step,
    tokens: result.tokens,
    loss: result.loss,
    val_loss: result.evaluation?.val_loss ?? null,
    bits_per_byte: result.evaluation?.bits_per_byte ?? null,
    tokens_per_second: result.tokensPerSecond,
    seconds: result.seconds,
    parameters: parameterCount(model.config),
    interrupted: result.interrupted,
    out,
  };
}
