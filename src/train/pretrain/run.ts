/** The pretraining stage as a function: options in, a trained model folder out. The command line is a thin caller. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import type { JsonValue } from '../../base/json.ts';
import { loadGpt, saveGpt } from '../../checkpoint/gpt-folder.ts';
import { MANIFEST } from '../../data/shards/manifest.ts';
import { prepareData } from '../../data/shards/prepare.ts';
import { TokenDataset } from '../../data/shards/token-dataset.ts';
import type { TokenBatch } from '../../data/token-batch.ts';
import { parameterCount } from '../../nn/config.ts';
import { Gpt } from '../../nn/gpt.ts';
import { presetConfig, presetNames } from '../../nn/presets.ts';
import { formatBytes, formatCount } from '../../report/format.ts';
import { createProgress } from '../../report/progress.ts';
import { Interrupt } from '../loop/interrupt.ts';
import { defaultLearningRate } from '../loop/learning-rate.ts';
import {
  type CommonSettings,
  type PreparedStage,
  type RunPlace,
  runStage,
  type StageOptions,
  type StageReport,
} from '../loop/run-stage.ts';
import { PretrainStage } from './stage.ts';

export interface PretrainSettings extends CommonSettings {
  tokens?: number | undefined;
  /** Seconds. */
  time?: number | undefined;
  batchSize: number;
  context?: number | undefined;
  vocabSize: number;
  documentMask: boolean;
  beta2: number;
  evalTokens: number;
  sampleEvery: number;
  samplePrompt: readonly string[];
  sampleTokens: number;
}

/** `data` is token shards, or text (files, folders, packaged names) to prepare into `<out>/data`. Throws as runStage. */
export function runPretraining(options: StageOptions<PretrainSettings>): Promise<StageReport> {
  return runStage<PretrainSettings, TokenBatch>({ name: 'pretrain', prepare }, options);
}

async function prepare(
  settings: PretrainSettings,
  { out, resume }: RunPlace,
  checkpoint: string | undefined,
): Promise<PreparedStage<TokenBatch>> {
  const dataset = await openData(settings, out, resume);
  const model = makeModel(settings, dataset, checkpoint);
  const stage = new PretrainStage(model, dataset.tokenizer(), dataset, {
    loader: {
      batchSize: settings.batchSize,
      context: settings.context ?? model.config.contextLength,
      seed: settings.seed,
      documentMask: settings.documentMask,
    },
    evalTokens: settings.evalTokens,
    samplePrompts: settings.samplePrompt.length > 0 ? settings.samplePrompt : [''],
    sampleTokens: Math.min(settings.sampleTokens, model.config.contextLength - 1),
    writeModel: (folder) => saveGpt(folder, model, { tokenizer: dataset.folder }),
  });
  const { steps, tokens, time } = settings;
  return {
    stage,
    title: `Pretraining ${settings.model} on ${settings.data}`,
    config: describe(settings, model, dataset),
    budget: { ...(steps && { steps }), ...(tokens && { tokens }), ...(time && { seconds: time }) },
    defaultLr: defaultLearningRate(parameterCount(model.config)),
    optimizer: { beta2: settings.beta2 },
    sampleEvery: settings.sampleEvery,
    patience: 0,
    exports: 'last',
  };
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
  const { dtype, weights, seed, checkpointActivations, context } = settings;
  const options = { dtype, weights, seed, checkpointActivations };
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
    weights: settings.weights ?? 'f32',
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
