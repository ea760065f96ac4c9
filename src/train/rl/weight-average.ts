/**
 * An exponential moving average of the weights that train. It is evaluated and saved in their place
 * (InstructGPT's decay is 0.992). It is f32 for weights of any dtype, because the change per
 * rollout is often below the precision of bf16.
 */
import { tensorSources } from '../../checkpoint/gpt-folder.ts';
import type { TensorData, TensorSource } from '../../checkpoint/tensor-data.ts';
import { native } from '../../native/addon.ts';
import type { TypedArray } from '../../native/binding.ts';
import { noGrad } from '../../tensor/autograd.ts';
import { cast } from '../../tensor/ops/elementwise.ts';
import { keep, scope, type Tensor, tensor } from '../../tensor/tensor.ts';

export class WeightAverage {
  readonly #live: ReadonlyMap<string, Tensor>;
  readonly #decay: number;
  readonly #average: ReadonlyMap<string, Tensor>;

  /** Starts at the live weights. @param decay 0 to 1 */
  constructor(live: ReadonlyMap<string, Tensor>, decay: number) {
    this.#live = live;
    this.#decay = decay;
    this.#average = new Map(
      [...live].map(([name, parameter]) => [name, keep(tensor(parameter.toFloats(), parameter.shape))]),
    );
  }

  /** average = decay * average + (1 - decay) * live. */
  update(): void {
    scope(() => {
      for (const [name, parameter] of this.#live) {
        const live = noGrad(() => cast(parameter, 'f32'));
        native.lerpInto(this.#average.get(name)!.handle, live.handle, 1 - this.#decay);
      }
    });
  }

  /** Runs body with the average in place of the live weights. Do not train during that time. */
  async inPlace<T>(body: () => Promise<T>): Promise<T> {
    const live = new Map([...this.#live].map(([name, parameter]) => [name, parameter.read()]));
    for (const [name, parameter] of this.#live) parameter.writeFloats(this.#average.get(name)!.toFloats());
    try {
      return await body();
    } finally {
      for (const [name, parameter] of this.#live) parameter.write(live.get(name)!);
    }
  }

  /**
   * The average and the live weights. The model folder holds the average, so a
   * checkpoint needs both.
   */
  tensors(): [string, TensorSource][] {
    const named = (prefix: string, values: ReadonlyMap<string, Tensor>) =>
      tensorSources(values).map(([name, source]): [string, TensorSource] => [`${prefix}/${name}`, source]);
    return [...named('ema', this.#average), ...named('live', this.#live)];
  }

  restore(tensors: (name: string) => TensorData): void {
    for (const [name, average] of this.#average) {
      average.write(tensors(`ema/${name}`).data as TypedArray);
      this.#live.get(name)!.write(tensors(`live/${name}`).data as TypedArray);
    }
  }

  dispose(): void {
    for (const average of this.#average.values()) average.dispose();
  }
}
