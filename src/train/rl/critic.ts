/**
 * Value models: they predict the reward that is still to come at each token of a response. A critic
 * is a scoring model of its own (usually a copy of the reward model), adapters on a frozen scoring
 * model, or a head on the policy.
 */
import { tensorSources } from '../../checkpoint/gpt-folder.ts';
import type { TensorData, TensorSource } from '../../checkpoint/tensor-data.ts';
import type { TypedArray } from '../../native/binding.ts';
import { Initializer } from '../../nn/init.ts';
import { Linear } from '../../nn/layers.ts';
import { attachLora, type LoraAdapters, type LoraOptions } from '../../nn/lora.ts';
import type { ScoringModel } from '../../nn/scoring-model.ts';
import type { ResponseInput } from '../../scoring/sequences.ts';
import { cast } from '../../tensor/ops/elementwise.ts';
import { linear } from '../../tensor/ops/linear.ts';
import { gatherRows, reshape } from '../../tensor/ops/rows.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { ParameterGroup } from '../loop/stage.ts';

export abstract class Critic {
  /** The parameters that train, as a group next to the policy's. */
  readonly group: ParameterGroup;
  /** Whether values() needs the policy's hidden states. */
  abstract readonly sharesTrunk: boolean;

  protected constructor(parameters: ReadonlyMap<string, Tensor>, lrScale: number) {
    this.group = { name: 'value', parameters, lrScale };
  }

  /**
   * f32 `[m]`: the value of the state before each response token.
   * @param hidden `[m, channels]`: the policy's hidden states
   */
  abstract values(input: ResponseInput, hidden: Tensor | undefined): Tensor;

  /** Frees everything that the critic owns. */
  abstract dispose(): void;

  /** Sets the head to zero, so that every value is exactly 0. */
  startAtZero(): void {
    for (const name of ['score.weight', 'score.bias']) {
      const parameter = this.group.parameters.get(name)!;
      parameter.write(new Float32Array(parameter.size));
    }
  }

  /** The tensors that restore() reads. */
  tensors(): [string, TensorSource][] {
    return tensorSources(this.group.parameters).map(([name, source]) => [`value/${name}`, source]);
  }

  restore(tensors: (name: string) => TensorData): void {
    for (const [name, parameter] of this.group.parameters) {
      parameter.write(tensors(`value/${name}`).data as TypedArray);
    }
  }
}

/** Owns a scoring model that trains whole. */
export class SeparateCritic extends Critic {
  readonly sharesTrunk = false;
  readonly #model: ScoringModel;

  constructor(model: ScoringModel, lrScale: number) {
    super(model.parameters(), lrScale);
    this.#model = model;
  }

  values({ input, rows }: ResponseInput): Tensor {
    return this.#model.scores(input, rows);
  }

  dispose(): void {
    this.#model.dispose();
  }
}

/**
 * Adapters and a new head on a frozen scoring model. The model itself does not change, so a reward
 * model can still score with the same weights.
 */
export class AdaptedCritic extends Critic {
  readonly sharesTrunk = false;
  readonly adapters: LoraAdapters;
  readonly #model: ScoringModel;
  readonly #head: Linear;
  readonly #ownsModel: boolean;

  /**
   * @param ownsModel whether dispose() frees the model; a shared reward model
   *   belongs to RolloutModels
   */
  constructor(model: ScoringModel, options: LoraOptions, lrScale: number, ownsModel: boolean) {
    const adapters = attachLora(model, options);
    const head = valueHead(model.config.hiddenSize);
    head.weight.write(model.score.weight.toFloats());
    head.bias!.write(model.score.bias!.toFloats());
    super(new Map([...adapters.parameters(), ...headParameters(head)]), lrScale);
    this.adapters = adapters;
    this.#model = model;
    this.#head = head;
    this.#ownsModel = ownsModel;
  }

  values({ input, rows }: ResponseInput): Tensor {
    return headValues(this.#head, gatherRows(this.#model.forward(input), rows));
  }

  dispose(): void {
    this.adapters.dispose();
    this.#head.dispose();
    if (this.#ownsModel) this.#model.dispose();
  }
}

/**
 * A linear head on the policy's hidden states that starts at exactly zero (Ziegler et al., 2019).
 */
export class SharedCritic extends Critic {
  readonly sharesTrunk = true;
  readonly #head: Linear;

  constructor(hiddenSize: number, lrScale: number) {
    const head = valueHead(hiddenSize);
    super(headParameters(head), lrScale);
    this.#head = head;
  }

  values(_: ResponseInput, hidden: Tensor | undefined): Tensor {
    return headValues(this.#head, hidden!);
  }

  dispose(): void {
    this.#head.dispose();
  }
}

function valueHead(hiddenSize: number): Linear {
  return new Linear(hiddenSize, 1, new Initializer(0), { bias: true, std: 0 });
}

function headParameters(head: Linear): Map<string, Tensor> {
  return new Map([...head.parameters()].map(([name, parameter]) => [`score.${name}`, parameter]));
}

/** f32 `[m]` from `[m, channels]`, with the arithmetic of ScoringModel.scores. */
function headValues(head: Linear, hidden: Tensor): Tensor {
  const wide = cast(hidden, 'f32');
  return reshape(linear(wide, head.weight, head.bias), [wide.shape[0]!]);
}
