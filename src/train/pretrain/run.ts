/** Pretraining as a function: from settings to a folder with a trained model. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import type { JsonValue } from '../../base/json.ts';
import { loadModel, saveModel } from '../../checkpoint/gpt-folder.ts';
import { checkSources } from '../../data/corpus/corpus.ts';
import { STDIN } from '../../data/corpus/stdin.ts';
import { isPackagedName } from '../../data/packaged/packaged.ts';
import { MANIFEST, readManifest } from '../../data/shards/manifest.ts';
import { checkMixSources, type Mix, mixText } from '../../data/shards/mix.ts';
import { TokenDataset } from '../../data/shards/token-dataset.ts';
import type { TokenBatch } from '../../data/token-batch.ts';
import { type ModelConfig, parameterCount } from '../../nn/config.ts';
import { Gpt } from '../../nn/gpt.ts';
import { presetConfig, presetNames } from '../../nn/presets.ts';
import { formatCount } from '../../report/format.ts';
import { defaultLearningRate } from '../loop/learning-rate.ts';
import type { RunInput } from '../loop/run-inputs.ts';
import {
  type PreparedStage,
  type RunHooks,
  type RunStart,
  runStage,
  type StageContext,
  type StageResult,
} from '../loop/run-stage.ts';
import { modelOptions, type StageOptions } from '../loop/settings.ts';
import { budgetOf, checkLength, mixedLoader, mixOfRun } from './mixing.ts';
import { preparedText } from './prepared-text.ts';
import { pretrainRules } from './rules.ts';
import { type PretrainSettings, pretrainDefaults } from './settings.ts';
import { PretrainStage } from './stage.ts';

/** The settings of pretrain(); those with a default may be left out. */
export type PretrainOptions = StageOptions<PretrainSettings>;

/**
 * Trains a language model on text. `data` is a folder of token shards, or text: a file, a folder or
 * the name of a packaged corpus. Text is prepared into `<out>/data` first. Exactly one of `steps`,
 * `tokens` and `time` is given. Throws as runStage.
 */
export function pretrain(options: PretrainOptions, hooks?: RunHooks): Promise<StageResult> {
  return runStage(
    {
      name: 'pretrain',
      defaults: pretrainDefaults,
      rules: pretrainRules,
      check,
      inputs,
      prepare,
    },
    options,
    hooks,
  );
}

/** A resumed run reads its checkpoint and its data, which has a check of its own. */
function inputs({ data, model }: PretrainSettings): RunInput[] {
  const isPreset = presetNames.includes(model);
  return [
    ...(isPackagedName(data) ? [] : [{ setting: 'data', path: data }]),
    ...(isPreset ? [] : [{ setting: 'model', path: model }]),
  ];
}

async function prepare(
  settings: PretrainSettings,
  context: StageContext,
): Promise<PreparedStage<TokenBatch>> {
  const dataset = await openData(settings, context);
  const model = makeModel(settings, dataset, context.checkpoint);
  const loader = {
    batchSize: settings.batchSize,
    context: settings.context ?? model.config.contextLength,
    seed: settings.seed,
    documentMask: settings.documentMask,
  };
  const mix = mixOfRun(settings, dataset.manifest.mix);
  const mixed = mix && mixedLoader(settings, dataset, loader, mix);
  const stage = new PretrainStage(model, dataset.tokenizer(), dataset, {
    loader,
    mixed: mixed?.loader,
    communicator: context.communicator,
    gradAccum: settings.gradAccum,
    evalTokens: settings.evalTokens,
    samplePrompts: settings.samplePrompt.length > 0 ? settings.samplePrompt : [''],
    sampleTokens: Math.min(settings.sampleTokens, model.config.contextLength - 1),
    writeModel: (folder) => saveModel(folder, model, { tokenizer: dataset.folder }),
  });
  const parameters = parameterCount(model.config);
  return {
    stage,
    title: `Pretraining ${settings.model} on ${settings.data}`,
    parameters,
    config: describe(settings, model, dataset, mix),
    budget: budgetOf(settings, dataset, mix),
    ...(mixed && { notes: mixed.notes }),
    derived: { lr: defaultLearningRate(parameters), context: model.config.contextLength },
    optimizer: { beta2: settings.beta2 },
  };
}

/** Checks what can be checked before the data is prepared, which may take minutes. */
function check(settings: PretrainSettings, { out, model: config, resume }: RunStart): void {
  const { model, data, vocabSize } = settings;
  const shards = existsSync(join(data, MANIFEST)) ? readManifest(data) : undefined;
  const mix = mixOfRun(settings, shards?.mix);
  if (mix && shards)
    checkMixSources(
      mix,
      shards.sources.map(({ name }) => name),
    );
  checkLength(settings, mix);
  if (resume) return;
  if (!existsSync(model)) presetConfig(model);
  if (data === STDIN) {
    const remedy = 'make shards of it first: athanor data prepare - --out <folder>';
    throw new AthanorError('ERR_ARGUMENT', 'training does not read standard input', remedy);
  }
  if (!shards) checkSources([data], out);
  if (config) checkFits(settings, config, shards?.vocab_size ?? vocabSize, model);
}

/** The shards of `data`, or shards made from its text. */
async function openData(settings: PretrainSettings, context: StageContext): Promise<TokenDataset> {
  const isShards = existsSync(join(settings.data, MANIFEST));
  return TokenDataset.open(isShards ? settings.data : await preparedText(settings, context));
}

function makeModel(settings: PretrainSettings, dataset: TokenDataset, checkpoint: string | undefined): Gpt {
  const { context } = settings;
  const options = modelOptions(settings);
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
  const model = loadModel(folder, options);
  checkFits(settings, model.config, vocabSize, folder);
  return model;
}

/** Throws ERR_MISMATCH when a model does not fit the data or the settings. */
function checkFits(
  { context }: PretrainSettings,
  config: ModelConfig,
  vocabSize: number,
  folder: string,
): void {
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
      `\`context\` ${context} exceeds the context of ${config.contextLength} of the model in ${folder}`,
      'lower `context`',
    );
  }
}

/** Facts about model and data for the report. */
function describe(
  settings: PretrainSettings,
  { config }: Gpt,
  dataset: TokenDataset,
  mix: Mix | undefined,
): Record<string, JsonValue> {
  const { splits, sources } = dataset.manifest;
  return {
    architecture: config.architecture,
    layers: config.layers,
    hidden_size: config.hiddenSize,
    heads: `${config.heads} (${config.kvHeads} key-value)`,
    vocabulary: config.vocabSize,
    context: settings.context ?? config.contextLength,
    train_tokens: formatCount(splits.train.tokens),
    validation_tokens: formatCount(splits.validation.tokens),
    sources: sources.map(({ name }) => name).join(', '),
    ...(mix && { mix: mixText(mix) }),
  };
}
