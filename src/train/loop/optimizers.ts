/** The parameters that a stage trains, in groups, each with its own AdamW. */
import { tensorSources } from '../../checkpoint/gpt-folder.ts';
import {
  type LateTensorSource,
  lateSourceData,
  type TensorData,
  type TensorSource,
} from '../../checkpoint/tensor-data.ts';
import type { GradientBuckets } from '../../comm/buckets.ts';
import type { Communicator } from '../../comm/communicator.ts';
import { native } from '../../native/addon.ts';
import type { NativeTensor, TypedArray } from '../../native/binding.ts';
import { AdamW, type AdamWOptions, normOf } from '../../optim/adamw.ts';
import { outsideScopes, Tensor } from '../../tensor/tensor.ts';
import type { HeldState } from './held-memory.ts';
import type { ParameterGroup } from './stage.ts';

interface OptimizedGroup extends ParameterGroup {
  optimizer: AdamW;
}

export class Optimizers {
  readonly #groups: readonly OptimizedGroup[];
  readonly #buckets: GradientBuckets;
  readonly #communicator: Communicator;

  /** Updates what the buckets share out to this rank. */
  constructor(
    groups: readonly ParameterGroup[],
    options: AdamWOptions & { seed: number },
    { buckets, communicator }: { buckets: GradientBuckets; communicator: Communicator },
  ) {
    this.#buckets = buckets;
    this.#communicator = communicator;
    this.#groups = groups.map((group, i) => ({
      ...group,
      optimizer: new AdamW(group.parameters, { ...options, seed: options.seed + i }, buckets),
    }));
  }

  /** Number of updates done. */
  get stepCount(): number {
    return this.#groups[0]!.optimizer.stepCount;
  }

  /** What this rank holds. */
  get held(): HeldState {
    const moments = this.#groups.flatMap(({ optimizer }) => optimizer.moments());
    return {
      parameters: this.#groups.flatMap(({ parameters }) => [...parameters.values()]),
      moments: moments.reduce((sum, { moment }) => sum + 4 * moment.size, 0),
      isSharded: this.#buckets.isSharded,
      ...this.#buckets.held,
    };
  }

  /** The gradient norm of each group, over all ranks. */
  async gradNorms(): Promise<number[]> {
    const squares = this.#groups.map(({ optimizer }) => optimizer.squares());
    if (!this.#buckets.isSharded) return squares.map(normOf);
    const all = await this.#communicator.sum(
      squares.flatMap((one) => [...one]),
      'squares of gradients',
    );
    let at = 0;
    return squares.map(({ length }) => {
      at += length;
      return normOf(all.slice(at - length, at));
    });
  }

  /** The gradient norms under the names of the metrics log. */
  normMetrics(gradNorms: readonly number[]): Record<string, number> {
    const names = this.#groups.map(({ name }, i) => (i === 0 ? 'grad_norm' : `${name}_grad_norm`));
    return Object.fromEntries(names.map((name, i) => [name, gradNorms[i]!]));
  }

  /**
   * Updates each group, and gives all ranks the new weights. Gradients are scaled down to a norm of
   * maxGradNorm; 0: no clipping.
   */
  async step(lr: number, gradNorms: readonly number[], maxGradNorm: number): Promise<void> {
    for (const { optimizer } of this.#groups) optimizer.beginStep();
    await this.#buckets.update((parameters) =>
      this.#groups.forEach(({ optimizer, lrScale = 1 }, i) => {
        const gradNorm = gradNorms[i]!;
        const isLarge = maxGradNorm > 0 && gradNorm > maxGradNorm;
        optimizer.update(lr * lrScale, isLarge ? maxGradNorm / gradNorm : 1, parameters);
      }),
    );
  }

  /**
   * The whole moments, for a checkpoint. Where they are sharded, every rank reads all of them in
   * this order, and the ranks exchange one after another.
   */
  moments(): [string, LateTensorSource][] {
    return this.#groups.flatMap(({ name: group, optimizer }) =>
      optimizer.moments().map(({ name, moment, parameter }): [string, LateTensorSource] => {
        const data = this.#buckets.isSharded
          ? () => this.#whole(moment, parameter, name)
          : () => moment.toFloats();
        return [pathOf(group, name), { dtype: 'f32', shape: parameter.shape, data }];
      }),
    );
  }

  /** Sends the main rank what it needs to write the moments. */
  async sendMoments(): Promise<void> {
    if (!this.#buckets.isSharded) return;
    for (const [, source] of this.moments()) await lateSourceData(source);
  }

  /** A moment from the ranks that hold parts of it. */
  async #whole(moment: Tensor, parameter: Tensor, name: string): Promise<Float32Array> {
    const { rank, size } = this.#communicator;
    const whole = native.empty([parameter.size], 'f32');
    try {
      for (let root = 0; root < size; ++root) {
        const { begin, end } = this.#buckets.runOf(parameter, root);
        if (begin === end) continue;
        using part = outsideScopes(() => new Tensor(native.slice(whole, begin, end)));
        if (root === rank) copyFlat(part.handle, moment.handle);
        await this.#communicator.broadcast(part, root, name).wait();
      }
      return native.read(whole) as Float32Array;
    } finally {
      whole.dispose();
    }
  }

  /** Restores the moments. Throws ERR_MISMATCH when they do not fit the parameters. */
  restoreMoments(stepCount: number, read: (name: string) => TensorData): void {
    for (const { name: group, optimizer } of this.#groups) {
      optimizer.restore(stepCount, (name) => read(pathOf(group, name)).data as Float32Array);
    }
  }

  /** The parameters, for a checkpoint that holds no model. */
  weights(): [string, TensorSource][] {
    return tensorSources(this.#named());
  }

  /** The name of a parameter with a value that is NaN or infinite; undefined: all are finite. */
  brokenParameter(): string | undefined {
    // Sums of squares are f64, so those of finite f32 values are finite.
    const norm = (value: Tensor) => normOf(native.squaresByChunk([value.handle]));
    return this.#named().find(([, value]) => !Number.isFinite(norm(value)))?.[0];
  }

  /** Restores the parameters. */
  restoreWeights(read: (name: string) => TensorData): void {
    for (const [name, parameter] of this.#named()) parameter.write(read(name).data as TypedArray);
  }

  #named(): [string, Tensor][] {
    return this.#groups.flatMap(({ name: group, parameters }) =>
      [...parameters].map(([name, value]): [string, Tensor] => [pathOf(group, `parameters.${name}`), value]),
    );
  }

  /** Frees the moments; the parameters belong to the stage. */
  dispose(): void {
    for (const { optimizer } of this.#groups) optimizer.dispose();
  }
}

/** Copies the elements of a tensor of any shape. */
function copyFlat(target: NativeTensor, source: NativeTensor): void {
  const flat = native.view(source, native.shapeOf(target));
  native.copyInto(target, flat);
  flat.dispose();
}

/** The name of a tensor in a checkpoint; with several groups it begins with the group's name. */
function pathOf(group: string, name: string): string {
  return group === '' ? name : `${group}/${name}`;
}
