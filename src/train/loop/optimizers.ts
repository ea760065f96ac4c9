/** The parameters that a stage trains, in groups, each with its own AdamW. */
import { tensorSources } from '../../checkpoint/gpt-folder.ts';
import type { TensorData, TensorSource } from '../../checkpoint/tensor-data.ts';
import type { TypedArray } from '../../native/binding.ts';
import { AdamW, type AdamWOptions } from '../../optim/adamw.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { ParameterGroup } from './stage.ts';

interface OptimizedGroup extends ParameterGroup {
  optimizer: AdamW;
}

export class Optimizers {
  readonly #groups: readonly OptimizedGroup[];

  constructor(groups: readonly ParameterGroup[], options: AdamWOptions & { seed: number }) {
    this.#groups = groups.map((group, i) => ({
      ...group,
      optimizer: new AdamW(group.parameters, { ...options, seed: options.seed + i }),
    }));
  }

  /** The parameters of all groups, in their order. */
  get parameters(): Tensor[] {
    return this.#groups.flatMap(({ parameters }) => [...parameters.values()]);
  }

  /** Number of updates done. */
  get stepCount(): number {
    return this.#groups[0]!.optimizer.stepCount;
  }

  /** The gradient norm of each group. */
  gradNorms(): number[] {
    return this.#groups.map(({ optimizer }) => optimizer.gradNorm());
  }

  /** The gradient norms under the names of the metrics log. */
  normMetrics(gradNorms: readonly number[]): Record<string, number> {
    const names = this.#groups.map(({ name }, i) => (i === 0 ? 'grad_norm' : `${name}_grad_norm`));
    return Object.fromEntries(names.map((name, i) => [name, gradNorms[i]!]));
  }

  /** Updates each group. Gradients are scaled down to a norm of maxGradNorm; 0: no clipping. */
  step(lr: number, gradNorms: readonly number[], maxGradNorm: number): void {
    this.#groups.forEach(({ optimizer, lrScale = 1 }, i) => {
      const gradNorm = gradNorms[i]!;
      const isLarge = maxGradNorm > 0 && gradNorm > maxGradNorm;
      optimizer.step(lr * lrScale, isLarge ? maxGradNorm / gradNorm : 1);
    });
  }

  /** The moments, for a checkpoint. */
  moments(): [string, TensorSource][] {
    return this.#groups.flatMap(({ name: group, optimizer }) =>
      tensorSources(optimizer.state()).map(([name, source]): [string, TensorSource] => [
        pathOf(group, name),
        source,
      ]),
    );
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

/** The name of a tensor in a checkpoint; with several groups it begins with the group's name. */
function pathOf(group: string, name: string): string {
  return group === '' ? name : `${group}/${name}`;
}
