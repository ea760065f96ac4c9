/**
 * Loads and saves models in Hugging Face folders, one tensor at a time, so that memory never holds
 * a second copy.
 */
import { join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import type { WrittenFile } from '../base/files/hashed-file.ts';
import type { JsonObject } from '../base/json.ts';
import type { HeadKind, ModelConfig } from '../nn/config.ts';
import type { ModelDescription } from '../nn/config-json.ts';
import type { Decoder, GptOptions } from '../nn/decoder.ts';
import { Gpt } from '../nn/gpt.ts';
import type { LoraAdapters } from '../nn/lora.ts';
import { type ScoreReading, ScoringModel } from '../nn/scoring-model.ts';
import { checkHeadSize } from '../nn/validate-config.ts';
import { storedFloats } from '../tensor/frozen-weight.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { ModelFolder } from './load-model.ts';
import { type WriteModelOptions, writeModelFiles } from './save-model.ts';
import { f32FromBf16, type ParameterData, type TensorSource } from './tensor-data.ts';

/** Throws as ModelFolder.open, and ERR_MISMATCH for a folder without a language head. */
export function loadModel(folder: string, options: GptOptions = {}): Gpt {
  return load(folder, 'language-model', (config) => new Gpt(config, options));
}

/** Throws as ModelFolder.open, and ERR_MISMATCH for a folder whose head does not give one score. */
export function loadScoringModel(folder: string, options: GptOptions = {}): ScoringModel {
  const model = load(folder, 'score', (config) => new ScoringModel(config, options));
  model.reading = scoreReading(folder);
  return model;
}

/**
 * Where the reward model of a folder reads. A folder that does not say so is of another program,
 * which reads as transformers does, or it is an older one of Athanor, whose heads have a bias: they
 * read the token that ends the answer. Throws as ModelFolder.open.
 */
export function scoreReading(folder: string): ScoreReading {
  const files = ModelFolder.open(folder);
  try {
    const { scoreToken, padTokenId } = files.description;
    return { token: scoreToken ?? (files.stores('score.bias') ? 'end' : 'last'), padTokenId };
  } finally {
    files.close();
  }
}

/**
 * A scoring model on a language model's trunk; `options.seed` initializes its head.
 * Throws as loadModel.
 */
export function scoringModelFrom(folder: string, options: GptOptions = {}): ScoringModel {
  return load(folder, 'language-model', (config) => new ScoringModel(config, options));
}

/**
 * Whether the folder holds a model with a score head, such as a reward model.
 * Throws as ModelFolder.open.
 */
export function isScoringModel(folder: string): boolean {
  const files = ModelFolder.open(folder);
  try {
    return files.description.head === 'score';
  } finally {
    files.close();
  }
}

/**
 * The configuration of a model folder, whose weights are found but not read. Throws ERR_MISMATCH
 * for a model with another head, and as ModelFolder.open.
 */
export function modelConfigOf(folder: string, wanted: HeadKind | 'any-model'): ModelConfig {
  const files = ModelFolder.open(folder);
  try {
    if (wanted !== 'any-model') requireHead(folder, files.description, wanted);
    return files.description.config;
  } finally {
    files.close();
  }
}

function requireHead(folder: string, { head, labels }: ModelDescription, wanted: HeadKind): void {
  if (head === wanted && labels === 1) return;
  const scoring = labels === 1 ? 'a reward model' : `a scoring model with ${labels} outputs`;
  const kind = head === 'score' ? scoring : 'a language model';
  const expected = wanted === 'score' ? 'a reward model (one score)' : 'a language model';
  const remedy =
    wanted === 'score'
      ? 'train one with athanor reward, and name its folder'
      : 'name the model that it was trained from, or another language model';
  throw new AthanorError('ERR_MISMATCH', `${folder} is ${kind}, not ${expected}`, remedy);
}

function load<M extends Decoder>(folder: string, wanted: HeadKind, make: (config: ModelConfig) => M): M {
  const files = ModelFolder.open(folder);
  try {
    const { config } = files.description;
    requireHead(folder, files.description, wanted);
    checkHeadSize(config, join(folder, 'config.json'));
    const model = make(config);
    const stored = files.shapes;
    for (const [name, parameter] of model.parameters()) {
      if (!stored.has(name)) continue;
      const value = files.read(name);
      if (value.dtype === parameter.dtype) parameter.write(value.data);
      else parameter.writeFloats(floatsOf(value));
    }
    for (const [name, weight] of model.frozenWeights()) {
      weight.writeFloats(floatsOf(files.read(name)));
      weight.original = () => storedParameter(folder, name);
    }
    return model;
  } finally {
    files.close();
  }
}

function storedParameter(folder: string, name: string): Float32Array {
  using files = ModelFolder.open(folder);
  return floatsOf(files.read(name));
}

function floatsOf(value: ParameterData): Float32Array {
  return value.dtype === 'bf16' ? f32FromBf16(value.data) : value.data;
}

/** What a model folder gets besides the weights. */
export interface SaveModelOptions {
  /** Folder whose tokenizer files are copied. */
  tokenizer?: string;
  /** The dtype of all stored weights. Default: each weight keeps its own. */
  dtype?: 'f32' | 'bf16';
  /**
   * Adapters of this model, which are merged into the stored weights. Default: the base weights are
   * stored as they are.
   */
  adapters?: LoraAdapters;
  /** The token with which transformers pads. Default of scoring models: that of their reading. */
  padTokenId?: number | undefined;
  /** Content of generation_config.json: sampling settings and stop tokens. */
  generationConfig?: JsonObject;
  /** Fields for config.json besides those that describe the model. */
  configFields?: JsonObject;
}

/**
 * Writes a language model as a folder that transformers reads, and returns the written files.
 * Throws ERR_MISMATCH for adapters of another model, and as writeModelFiles does.
 */
export function saveModel(
  folder: string,
  model: Gpt,
  options: SaveModelOptions = {},
): Promise<WrittenFile[]> {
  return save(folder, model, options, { head: 'language-model' });
}

/**
 * Writes the format of transformers' `…ForSequenceClassification` with one label. The bias of the
 * score head is an extra tensor.
 */
export function saveScoringModel(
  folder: string,
  model: ScoringModel,
  options: SaveModelOptions = {},
): Promise<WrittenFile[]> {
  const { token: scoreToken, padTokenId } = model.reading;
  return save(folder, model, { padTokenId, ...options }, { head: 'score', labels: 1, scoreToken });
}

async function save(
  folder: string,
  model: Decoder,
  { adapters, ...options }: SaveModelOptions,
  kind: Pick<WriteModelOptions, 'head' | 'labels' | 'scoreToken'>,
): Promise<WrittenFile[]> {
  if (adapters && !adapters.belongsTo(model)) {
    throw new AthanorError(
      'ERR_MISMATCH',
      `cannot write ${folder}: the adapters belong to another model`,
      'give the adapters that attachLora made for this model',
    );
  }
  const parameters = adapters ? adapters.mergedParameters() : storedParameters(model);
  return writeModelFiles(folder, { config: model.config, parameters, ...kind, ...options });
}

/** All weights of a model, frozen ones in f32. */
function storedParameters(model: Decoder): [string, TensorSource][] {
  const frozen = [...model.frozenWeights()].map(([name, weight]): [string, TensorSource] => [
    name,
    { dtype: 'f32', shape: weight.shape, data: () => storedFloats(weight) },
  ]);
  return [...tensorSources(model.parameters()), ...frozen];
}

/**
 * Engine tensors, f32 or bf16, as sources for checkpoints and model files. Each tensor is fetched
 * when it is written.
 */
export function tensorSources(tensors: Iterable<readonly [string, Tensor]>): [string, TensorSource][] {
  return [...tensors].map(([name, value]) => [
    name,
    { dtype: value.dtype as 'f32' | 'bf16', shape: value.shape, data: () => value.read() },
  ]);
}
