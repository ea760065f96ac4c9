/**
 * Reads Hugging Face model folders of the families in nn/families: one file or shards, in f32,
 * bf16, f16 or f8.
 */
import { existsSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { AthanorError, fileError } from '../base/errors.ts';
import { isGguf, missingPart } from '../base/files/missing-part.ts';
import { largest, readJsonObject } from '../base/files/read-file.ts';
import { type JsonObject, quoted } from '../base/json.ts';
import type { ModelConfig } from '../nn/config.ts';
import { configFromJson, type ModelDescription } from '../nn/config-json.ts';
import { readFolderJson } from './folder-json.ts';
import { bareName, headTensor, isIgnorable, type LayoutEntry, modelLayout } from './hf-layout.ts';
import { SafetensorsFile } from './safetensors.ts';
import { f8Types, isActivationScale, scaleNames, scaleWeight } from './scaled-weights.ts';
import {
  elementCount,
  f32FromBf16,
  type ParameterData,
  partByPart,
  type TensorData,
  transposed,
} from './tensor-data.ts';

/** The description and the weights of a model folder. */
export interface ModelFiles extends ModelDescription {
  /** Parameters by their in-memory names, in the order of the forward pass. */
  parameters: Map<string, ParameterData>;
  /** Content of generation_config.json, if there is one. */
  generationConfig: JsonObject | undefined;
}

/**
 * An open model folder. All of its tensors were found, with the right shapes. Each parameter is
 * read when it is asked for, so that a model moves into the engine without a second copy in memory.
 * Close it when done.
 */
export class ModelFolder implements Disposable {
  readonly #files: readonly SafetensorsFile[];
  readonly #entries: ReadonlyMap<string, LayoutEntry>;
  readonly #places: ReadonlyMap<string, Place>;

  private constructor(
    readonly folder: string,
    readonly description: ModelDescription,
    readonly generationConfig: JsonObject | undefined,
    files: readonly SafetensorsFile[],
  ) {
    this.#files = files;
    const { config, head, labels } = description;
    const entries = modelLayout(config, head, labels);
    this.#entries = new Map(entries.map((entry) => [entry.name, entry]));
    this.#places = matchTensors(folder, entries, files, description);
  }

  /**
   * Opens the model of a folder. With `weights` it opens another file of the folder with tensors of
   * the same names, such as gradients. Throws ERR_FILE_MISSING, ERR_FILE_DAMAGED, ERR_CONFIG, or
   * ERR_FORMAT that names what is not supported.
   */
  static open(folder: string, weights?: string): ModelFolder {
    const description = readDescription(folder);
    const generationConfig = readFolderJson(folder, 'generation_config.json');
    const files: SafetensorsFile[] = [];
    try {
      const paths = weights === undefined ? weightFiles(folder) : [join(folder, weights)];
      for (const path of paths) files.push(SafetensorsFile.open(path));
      return new ModelFolder(folder, withOwnHead(description, files), generationConfig, files);
    } catch (error) {
      for (const file of files) file.close();
      throw error;
    }
  }

  /** Shapes by in-memory name, in the order of the forward pass. */
  get shapes(): ReadonlyMap<string, readonly number[]> {
    return new Map([...this.#entries].map(([name, { shape }]) => [name, shape]));
  }

  /**
   * One parameter by its in-memory name, in the engine's layout. Throws ERR_ARGUMENT for
   * an unknown name.
   */
  read(name: string): ParameterData {
    const entry = this.#entry(name);
    const parts = entry.parts.flatMap((part) => {
      const place = this.#places.get(part.name);
      return place ? [this.#stored(place)] : [];
    });
    if (parts.length === 0 && entry.optional) {
      return { dtype: 'f32', shape: entry.shape, data: new Float32Array(elementCount(entry.shape)) };
    }
    const [first] = parts;
    if (first === undefined) throw new AthanorError('ERR_INTERNAL', `${name} has no tensor in the file`);
    if (parts.length > 1) return stack(parts, entry.shape);
    const { shape, heads } = entry;
    if (heads !== undefined) return mapped(first, shape, (data) => partByPart(data, heads));
    if (!entry.transposed) return { ...first, shape };
    const [rows = 0, columns = 0] = first.shape;
    return mapped(first, shape, (data) => transposed(data, rows, columns));
  }

  /** One tensor of the files; weights in f8 are multiplied by their scales. */
  #stored({ file, name }: Place): ParameterData {
    const { quantization } = this.description;
    const tensor = file.read(name);
    if (quantization && tensor.dtype === 'f32' && isF8({ file, name })) {
      const scale = scaleOf(this.#files, name);
      const scales = scale && parameterData(scale.file.read(scale.name), scale.file.path, scale.name);
      // matchTensors has looked for it.
      if (scales) scaleWeight(tensor, scales, quantization, `${file.path}: ${name}`);
    }
    return parameterData(tensor, file.path, name);
  }

  /** The dtype that read() gives for a parameter. Throws as read(). */
  dtypeOf(name: string): ParameterData['dtype'] {
    const places = this.#entry(name).parts.flatMap((part) => this.#places.get(part.name) ?? []);
    const isBf16 = ({ file, name: stored }: Place) => file.tensors.get(stored)!.dtype === 'BF16';
    return places.length > 0 && places.every(isBf16) ? 'bf16' : 'f32';
  }

  #entry(name: string): LayoutEntry {
    const entry = this.#entries.get(name);
    if (entry !== undefined) return entry;
    throw new AthanorError('ERR_ARGUMENT', `${this.folder} has no parameter ${JSON.stringify(name)}`);
  }

  /** Whether the files hold this parameter. Optional ones may be missing. */
  stores(name: string): boolean {
    return this.#entries.get(name)?.parts.some((part) => this.#places.has(part.name)) ?? false;
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The whole model in memory. Arguments and errors are those of ModelFolder.open. */
export function readModelFiles(folder: string, weights?: string): ModelFiles {
  const model = ModelFolder.open(folder, weights);
  try {
    const parameters = new Map<string, ParameterData>();
    for (const name of model.shapes.keys()) parameters.set(name, model.read(name));
    return { ...model.description, parameters, generationConfig: model.generationConfig };
  } finally {
    model.close();
  }
}

/** Reads only the config.json of a model folder. */
export function readDescription(folder: string): ModelDescription {
  requireFolder(folder);
  const path = join(folder, 'config.json');
  if (!existsSync(path)) throw missingPart(folder, 'config.json');
  return configFromJson(readJsonObject(path), path);
}

/** Throws ERR_ARGUMENT for a file, and ERR_FILE_MISSING. */
export function requireFolder(folder: string): void {
  let isFolder = false;
  try {
    isFolder = statSync(folder).isDirectory();
  } catch (error) {
    throw fileError(error, folder);
  }
  if (!isFolder) {
    if (isGguf(folder)) throw missingPart(folder, 'config.json');
    throw new AthanorError('ERR_ARGUMENT', `${folder} is a file`, 'name the folder of the model');
  }
}

function wrong(path: string, problem: string): AthanorError {
  return new AthanorError('ERR_FORMAT', `${path}: ${problem}`, 'correct the file or write it again');
}

/**
 * Paths of model.safetensors, or of the shards that model.safetensors.index.json lists, as in
 * transformers. Throws ERR_FILE_MISSING, ERR_FILE_DAMAGED and ERR_FORMAT.
 */
export function weightFiles(folder: string): string[] {
  const single = join(folder, 'model.safetensors');
  if (existsSync(single)) return [single];
  const indexPath = join(folder, 'model.safetensors.index.json');
  if (existsSync(indexPath)) {
    const map = readJsonObject(indexPath, { most: largest.weightIndex }).weight_map;
    if (typeof map !== 'object' || map === null || Array.isArray(map)) {
      throw wrong(indexPath, 'it has no weight_map');
    }
    const names = [...new Set(Object.values(map))];
    return names.map((name) => {
      if (typeof name !== 'string' || name !== basename(name) || !name.endsWith('.safetensors')) {
        throw wrong(indexPath, `${quoted(name)} is not the name of a safetensors file beside it`);
      }
      return join(folder, name);
    });
  }
  if (existsSync(join(folder, 'pytorch_model.bin'))) {
    throw new AthanorError(
      'ERR_FORMAT',
      `${folder} holds pytorch_model.bin, a pickle, which can run code when it is read`,
      'load it with transformers and write it with save_pretrained(folder, safe_serialization=True)',
    );
  }
  throw missingPart(folder, 'model.safetensors');
}

/**
 * A model whose config.json says that the head is the embedding has a head of its own where the
 * files hold another one. transformers reads it so too.
 */
function withOwnHead(description: ModelDescription, files: readonly SafetensorsFile[]): ModelDescription {
  const { config, head: kind, labels } = description;
  if (!config.tiedHead || kind !== 'language-model') return description;
  const embedding = modelLayout(config, kind, labels)[0]!.parts[0]!.name;
  const place = (name: string) => placeOf(files, name, config);
  const [head, table] = [place(headTensor(config)), place(embedding)];
  if (head === undefined || table === undefined || isSameTensor(head, table)) return description;
  return { ...description, config: { ...config, tiedHead: false } };
}

function placeOf(files: readonly SafetensorsFile[], name: string, config: ModelConfig): Place | undefined {
  const wanted = bareName(name, config);
  for (const file of files) {
    for (const key of file.tensors.keys()) if (bareName(key, config) === wanted) return { file, name: key };
  }
  return undefined;
}

function isSameTensor(a: Place, b: Place): boolean {
  const [first, second] = [a, b].map(({ file, name }) => file.tensors.get(name)!);
  if (first!.dtype !== second!.dtype || first!.shape.join() !== second!.shape.join()) return false;
  const [left, right] = [a, b].map(({ file, name }) => file.read(name).data);
  const bytes = (data: ArrayBufferView) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return bytes(left!).equals(bytes(right!));
}

/** The place of a tensor: its file, and its name in that file. */
interface Place {
  file: SafetensorsFile;
  name: string;
}

function isF8({ file, name }: Place): boolean {
  return f8Types.has(file.tensors.get(name)!.dtype);
}

function scaleOf(files: readonly SafetensorsFile[], weight: string): Place | undefined {
  const places = scaleNames(weight).flatMap((name) => files.map((file) => ({ file, name })));
  return places.find(({ file, name }) => file.tensors.has(name));
}

/**
 * Finds every tensor of the layout. One error lists all tensors that are missing, unknown or of
 * a wrong shape.
 */
function matchTensors(
  folder: string,
  entries: readonly LayoutEntry[],
  files: readonly SafetensorsFile[],
  { config, quantization }: ModelDescription,
): Map<string, Place> {
  const found = new Map<string, Place>();
  const problems: string[] = [];
  for (const file of files) {
    for (const name of file.tensors.keys()) {
      const bare = bareName(name, config);
      const other = found.get(bare);
      if (other) problems.push(`${name} is there twice (as ${other.name} in ${basename(other.file.path)})`);
      found.set(bare, { file, name });
    }
  }
  const places = new Map<string, Place>();
  // Files may hold a tied table under the name of the head alone.
  const tied = found.get(headTensor(config));
  const embedding = bareName(entries[0]!.parts[0]!.name, config);
  if (config.tiedHead && tied !== undefined && !found.has(embedding)) {
    found.set(embedding, tied);
    found.delete(headTensor(config));
  }
  const parts = entries.flatMap(({ parts, optional }) => parts.map((part) => ({ ...part, optional })));
  for (const part of parts) {
    const place = found.get(bareName(part.name, config));
    if (place === undefined) {
      if (!part.optional) problems.push(`${part.name} is missing`);
      continue;
    }
    const { shape } = place.file.tensors.get(place.name)!;
    if (shape.join() !== part.shape.join()) {
      problems.push(
        `${place.name} is [${shape.join(', ')}] but config.json needs [${part.shape.join(', ')}]`,
      );
    }
    if (quantization && isF8(place)) {
      const scale = scaleOf(files, place.name);
      if (scale === undefined) problems.push(`${scaleNames(place.name).join(' or ')} is missing`);
      else found.delete(bareName(scale.name, config));
    }
    places.set(part.name, place);
    found.delete(bareName(part.name, config));
  }
  for (const { name } of found.values()) {
    const isOfActivations = quantization !== undefined && isActivationScale(name);
    if (!isOfActivations && !isIgnorable(name, config)) problems.push(`${name} is not part of the model`);
  }
  if (problems.length > 0) {
    const shown = problems.slice(0, 20);
    if (problems.length > 20) shown.push(`and ${problems.length - 20} more`);
    throw new AthanorError(
      'ERR_FORMAT',
      `the weights in ${folder} do not fit its config.json: ${shown.join('; ')}`,
      'the files are of different models, or some are missing; fetch or write the folder again',
    );
  }
  return places;
}

function parameterData(tensor: TensorData, path: string, name: string): ParameterData {
  if (tensor.dtype === 'f32' || tensor.dtype === 'bf16') {
    requireFinite(tensor, path, name);
    return tensor;
  }
  throw new AthanorError(
    'ERR_FORMAT',
    `${path}: ${name} is ${tensor.dtype}, but weights are f32, f16, bf16 or f8`,
    'take the model in one of these types',
  );
}

/** Throws ERR_NOT_FINITE. Otherwise the first loss or sample would fail without the file's name. */
function requireFinite({ dtype, data }: ParameterData, path: string, name: string): void {
  const [bits, exponent] =
    dtype === 'f32'
      ? [new Uint32Array(data.buffer, data.byteOffset, data.length), 0x7f800000]
      : [data as Uint16Array, 0x7f80];
  for (let i = 0; i < bits.length; i++) {
    if ((bits[i]! & exponent) !== exponent) continue;
    throw new AthanorError(
      'ERR_NOT_FINITE',
      `${path}: ${name} holds a weight that is NaN or infinite, at element ${i}`,
      'the model was saved broken; use another copy or an earlier checkpoint',
    );
  }
}

function mapped(
  { dtype, data }: ParameterData,
  shape: readonly number[],
  move: <T extends Float32Array | Uint16Array>(data: T) => T,
): ParameterData {
  return dtype === 'f32' ? { dtype, shape, data: move(data) } : { dtype, shape, data: move(data) };
}

function stack(parts: readonly ParameterData[], shape: readonly number[]): ParameterData {
  const length = parts.reduce((sum, part) => sum + part.data.length, 0);
  let at = 0;
  if (parts.every((part) => part.dtype === 'bf16')) {
    const data = new Uint16Array(length);
    for (const part of parts) {
      data.set(part.data, at);
      at += part.data.length;
    }
    return { dtype: 'bf16', shape, data };
  }
  const data = new Float32Array(length);
  for (const part of parts) {
    data.set(part.dtype === 'f32' ? part.data : f32FromBf16(part.data), at);
    at += part.data.length;
  }
  return { dtype: 'f32', shape, data };
}
