/** A model folder with a peft adapter added to its weights, one parameter at a time. */
import { AthanorError } from '../../base/errors.ts';
import { native } from '../../native/addon.ts';
import type { HeadKind } from '../../nn/config.ts';
import type { ModelDescription } from '../../nn/config-json.ts';
import { scope, Tensor } from '../../tensor/tensor.ts';
import { bareName, headTensor, type LayoutEntry, type LayoutPart, modelLayout } from '../hf-layout.ts';
import type { ModelFolder } from '../load-model.ts';
import { f32FromBf16, headByHead, partByPart, type TensorSource } from '../tensor-data.ts';
import type { AdapterFolder, Matrix, ModuleChange } from './adapter-folder.ts';

/** The parameters of a base model with an adapter, and what model they make. */
export interface MergedModel {
  description: ModelDescription;
  /** By in-memory names; each is computed when it is asked for, in f32 where it changes. */
  parameters: [string, TensorSource][];
}

/**
 * Adds an adapter to a base model. Throws ERR_FORMAT that lists what does not fit the base model.
 */
export function mergedModel(base: ModelFolder, adapter: AdapterFolder): MergedModel {
  const description = describe(base.description, adapter);
  const { config, head, labels } = description;
  const layout = modelLayout(config, head, labels);
  const changes = new Map(
    [...adapter.changes].map(([name, change]) => [bareName(`${name}.`, config), change]),
  );
  checkChanges(base.folder, layout, changes, description, adapter);
  const merger = new Merger(base, adapter, changes, description);
  return { description, parameters: layout.map((entry) => [entry.name, merger.source(entry)]) };
}

/**
 * An adapter for classification brings a head. One that changes the embedding or the head of a
 * model where both are one matrix leaves the other as it was, as in peft, so they part.
 */
function describe(base: ModelDescription, adapter: AdapterFolder): ModelDescription {
  const score = adapter.changes.get('score')?.replaced.get('weight');
  if (score !== undefined) {
    const head: HeadKind = 'score';
    return { ...base, head, labels: adapter.shapeOf(score)[0] ?? 1 };
  }
  const { config } = base;
  if (!config.tiedHead) return base;
  const embedding = modelLayout(config, base.head, base.labels)[0]!.parts[0]!.name.replace(/\.weight$/, '');
  const isTouched = [...adapter.changes.values()].some(
    ({ module, replaced, lowRank }) =>
      (`${module}.weight` === headTensor(config) ||
        bareName(module, config) === bareName(embedding, config)) &&
      (replaced.has('weight') || lowRank),
  );
  return isTouched && base.head === 'language-model'
    ? { ...base, config: { ...config, tiedHead: false } }
    : base;
}

/** The name of the module of a tensor in the file, with a dot at its end, and its last part. */
function moduleOf(part: LayoutPart, config: ModelDescription['config']): [module: string, kind: string] {
  const bare = bareName(part.name, config);
  const at = bare.lastIndexOf('.') + 1;
  return [bare.slice(0, at), bare.slice(at)];
}

function checkChanges(
  baseFolder: string,
  layout: readonly LayoutEntry[],
  changes: ReadonlyMap<string, ModuleChange>,
  { config }: ModelDescription,
  adapter: AdapterFolder,
): void {
  const shapes = new Map<string, readonly number[]>();
  for (const { parts, transposed } of layout) {
    for (const part of parts) {
      const name = moduleOf(part, config).join('');
      shapes.set(name, transposed ? part.shape.toReversed() : part.shape);
    }
  }
  const problems: string[] = [];
  const expect = (tensor: string, shape: readonly (number | undefined)[]) => {
    const found = adapter.shapeOf(tensor);
    const fits = found.length === shape.length && shape.every((n, i) => n === undefined || n === found[i]);
    if (!fits) {
      const wanted = shape.map((n) => n ?? 'rank').join(', ');
      problems.push(`${tensor} is [${found.join(', ')}] and the model needs [${wanted}]`);
    }
  };
  for (const [name, change] of changes) {
    const { module, lowRank, magnitude, tokenRows, replaced } = change;
    const weight = shapes.get(`${name}weight`);
    if (weight === undefined) {
      problems.push(`the model has no ${module}`);
      continue;
    }
    const [out, inner] = weight;
    if (lowRank) {
      const { a, b, isEmbedding } = lowRank;
      expect(a, [undefined, isEmbedding ? out : inner]);
      expect(b, [isEmbedding ? inner : out, adapter.shapeOf(a)[0]]);
    }
    if (magnitude !== undefined) expect(magnitude, [out]);
    if (tokenRows !== undefined) expect(tokenRows, [adapter.config.tokenIndices.length, inner]);
    for (const [kind, tensor] of replaced) {
      const shape = shapes.get(`${name}${kind}`);
      if (shape) expect(tensor, shape);
      else problems.push(`the model has no ${kind} in ${module}`);
    }
  }
  if (problems.length === 0) return;
  const shown = problems.slice(0, 8);
  if (problems.length > 8) shown.push(`and ${problems.length - 8} more`);
  throw new AthanorError(
    'ERR_FORMAT',
    `the adapter in ${adapter.folder} does not fit the model in ${baseFolder}: ${shown.join('; ')}`,
    'name the model that it was trained from',
  );
}

class Merger {
  constructor(
    readonly base: ModelFolder,
    readonly adapter: AdapterFolder,
    readonly changes: ReadonlyMap<string, ModuleChange>,
    readonly description: ModelDescription,
  ) {}

  source(entry: LayoutEntry): TensorSource {
    const { config } = this.description;
    const isChanged = entry.parts.some((part) => this.changes.has(moduleOf(part, config)[0]));
    if (!isChanged && this.base.shapes.has(entry.name)) {
      const data = () => this.base.read(entry.name).data;
      return { dtype: this.base.dtypeOf(entry.name), shape: entry.shape, data };
    }
    return { dtype: 'f32', shape: entry.shape, data: () => this.#merged(entry) };
  }

  /** The base model's values; those of its embedding for a head that parts from it. */
  #baseValues({ name, shape }: LayoutEntry): Float32Array {
    const shapes = this.base.shapes;
    const stored = shapes.has(name) ? name : name === 'head.weight' ? 'token_embedding.weight' : undefined;
    if (stored === undefined) return new Float32Array(shape.reduce((a, b) => a * b, 1));
    const value = this.base.read(stored);
    return value.dtype === 'f32' ? value.data : f32FromBf16(value.data);
  }

  #merged(entry: LayoutEntry): Float32Array {
    const { heads } = entry;
    const base = this.#baseValues(entry);
    // The adapter knows the rows as they are stored.
    const values = heads === undefined ? base : headByHead(base, heads);
    const width = entry.shape[1] ?? 1;
    let row = 0;
    for (const part of entry.parts) {
      const rows = entry.parts.length > 1 ? (part.shape[0] ?? 0) : (entry.shape[0] ?? 0);
      const [module, kind] = moduleOf(part, this.description.config);
      const change = this.changes.get(module);
      const span = values.subarray(row * width, (row + rows) * width);
      if (change) this.#apply(change, kind, span, width);
      row += rows;
    }
    return heads === undefined ? values : partByPart(values, heads);
  }

  #apply(change: ModuleChange, kind: string, values: Float32Array, width: number): void {
    const replaced = change.replaced.get(kind);
    if (replaced !== undefined) values.set(this.adapter.read(replaced).data);
    if (kind !== 'weight') return;
    if (change.lowRank) addLowRank(values, this.#delta(change));
    if (change.magnitude !== undefined) rescaleRows(values, this.adapter.read(change.magnitude), width);
    if (change.tokenRows !== undefined) this.#replaceRows(change.tokenRows, values, width);
  }

  #delta(change: ModuleChange): Float32Array {
    const { a, b, isEmbedding } = change.lowRank!;
    return scope(() => {
      const [left, right] = [b, a].map((name) => tensorOf(this.adapter.read(name)));
      const product = isEmbedding
        ? native.gemm(right!.handle, left!.handle, true, true, 'f32')
        : native.gemm(left!.handle, right!.handle, false, false, 'f32');
      native.scaleInto(product, this.adapter.scaleOf(change));
      return new Tensor(product).toFloats();
    });
  }

  #replaceRows(tensor: string, values: Float32Array, width: number): void {
    const { data } = this.adapter.read(tensor);
    for (const [i, token] of this.adapter.config.tokenIndices.entries()) {
      values.set(data.subarray(i * width, (i + 1) * width), token * width);
    }
  }
}

function tensorOf({ shape, data }: Matrix): Tensor {
  const tensor = new Tensor(native.empty([...shape], 'f32'));
  tensor.write(data);
  return tensor;
}

function addLowRank(values: Float32Array, delta: Float32Array): void {
  for (let i = 0; i < values.length; i++) values[i]! += delta[i]!;
}

/** DoRA: row i becomes magnitude[i] times the row over its norm. */
function rescaleRows(values: Float32Array, { data: magnitudes }: Matrix, width: number): void {
  for (let row = 0; row < magnitudes.length; row++) {
    const span = values.subarray(row * width, (row + 1) * width);
    let squares = 0;
    for (const value of span) squares += value * value;
    const scale = magnitudes[row]! / Math.sqrt(squares);
    for (let i = 0; i < span.length; i++) span[i]! *= scale;
  }
}
