/** The value of each state of a response: a model of its own that starts as the reward model, or a head on the policy. */
import { tensorSources } from '../../checkpoint/gpt-folder.ts';
import type { TensorData, TensorSource } from '../../checkpoint/tensor-data.ts';
import { Initializer } from '../../nn/init.ts';
import { Linear } from '../../nn/layers.ts';
import type { ScoringModel } from '../../nn/scoring-model.ts';
import { cast } from '../../tensor/ops/elementwise.ts';
import { linear } from '../../tensor/ops/linear.ts';
import { reshape } from '../../tensor/ops/rows.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { ParameterGroup } from '../stage.ts';
import type { EpisodeInput } from './episode.ts';

export interface Critic {
  /** Added to the policy's. */
  readonly groups: readonly ParameterGroup[];
  /** Whether values() reads the policy's hidden states. */
  readonly sharesTrunk: boolean;
  /** f32 `[m]` values. @param hidden the policy's `[m, d]` at the same rows */
  values(input: EpisodeInput, hidden: Tensor | undefined): Tensor;
  tensors(): [string, TensorSource][];
  restore(tensors: (name: string) => TensorData): void;
  dispose(): void;
}

/** A copy of the reward model, bias included, or whatever scoring model it is given. */
export class SeparateCritic implements Critic {
  readonly sharesTrunk = false;
  readonly groups: readonly ParameterGroup[];
  readonly #model: ScoringModel;

  constructor(model: ScoringModel, lrScale: number) {
    this.#model = model;
    this.groups = [{ name: 'value', parameters: model.parameters(), lrScale }];
  }

  values({ input, rows }: EpisodeInput): Tensor {
    return this.#model.scores(input, rows);
  }

  tensors(): [string, TensorSource][] {
    return prefixed(this.#model.parameters());
  }

  restore(tensors: (name: string) => TensorData): void {
    restoreParameters(this.#model.parameters(), tensors);
  }

  dispose(): void {
    this.#model.dispose();
  }
}

/** One linear head on the policy's trunk; it starts at exactly zero (Ziegler et al., 2019). */
export class SharedCritic implements Critic {
  readonly sharesTrunk = true;
  readonly groups: readonly ParameterGroup[];
  readonly #head: Linear;

  constructor(hiddenSize: number, lrScale: number) {
    this.#head = new Linear(hiddenSize, 1, new Initializer(0), { bias: true, std: 0 });
    this.groups = [{ name: 'value', parameters: this.#head.parameters(), lrScale }];
  }

  values({ rows }: EpisodeInput, hidden: Tensor | undefined): Tensor {
    const wide = cast(hidden!, 'f32');
    return reshape(linear(wide, this.#head.weight, this.#head.bias), [rows.size]);
  }

  tensors(): [string, TensorSource][] {
    return prefixed(this.#head.parameters());
  }

  restore(tensors: (name: string) => TensorData): void {
    restoreParameters(this.#head.parameters(), tensors);
  }

  dispose(): void {
    this.#head.dispose();
  }
}

function prefixed(parameters: ReadonlyMap<string, Tensor>): [string, TensorSource][] {
  return tensorSources(parameters).map(([name, source]) => [`value/${name}`, source]);
}

function restoreParameters(
  parameters: ReadonlyMap<string, Tensor>,
  tensors: (name: string) => TensorData,
): void {
  for (const [name, parameter] of parameters) parameter.write(tensors(`value/${name}`).data as Float32Array);
}
