/** An exponential moving average of what is trained, which is then what is evaluated and saved (InstructGPT's is 0.992). */
import { tensorSources } from '../../checkpoint/gpt-folder.ts';
import type { TensorData, TensorSource } from '../../checkpoint/tensor-data.ts';
import { native } from '../../native/addon.ts';
import { keep, type Tensor, tensor } from '../../tensor/tensor.ts';

export class WeightAverage {
  readonly #live: ReadonlyMap<string, Tensor>;
  readonly #decay: number;
  readonly #average: ReadonlyMap<string, Tensor>;

  /** Starts at the live weights. */
  constructor(live: ReadonlyMap<string, Tensor>, decay: number) {
    this.#live = live;
    this.#decay = decay;
    this.#average = new Map(
      [...live].map(([name, parameter]) => [name, keep(tensor(parameter.toFloats(), parameter.shape))]),
    );
  }

  /** average = decay * average + (1 - decay) * live. */
  update(): void {
    for (const [name, parameter] of this.#live) {
      native.lerpInto(this.#average.get(name)!.handle, parameter.handle, 1 - this.#decay);
    }
  }

  /** Runs body with the average in the live weights' place; nothing may train meanwhile. */
  async inPlace<T>(body: () => Promise<T>): Promise<T> {
    const live = new Map([...this.#live].map(([name, parameter]) => [name, parameter.toFloats()]));
    for (const [name, parameter] of this.#live) parameter.write(this.#average.get(name)!.toFloats());
    try {
      return await body();
    } finally {
      for (const [name, parameter] of this.#live) parameter.write(live.get(name)!);
    }
  }

  /** Average and live weights: a model folder holds the average, so a checkpoint needs the live ones besides. */
  tensors(): [string, TensorSource][] {
    const named = (prefix: string, values: ReadonlyMap<string, Tensor>) =>
      tensorSources(values).map(([name, source]): [string, TensorSource] => [`${prefix}/${name}`, source]);
    return [...named('ema', this.#average), ...named('live', this.#live)];
  }

  restore(tensors: (name: string) => TensorData): void {
    for (const [name, average] of this.#average) {
      average.write(tensors(`ema/${name}`).data as Float32Array);
      this.#live.get(name)!.write(tensors(`live/${name}`).data as Float32Array);
    }
  }

  dispose(): void {
    for (const average of this.#average.values()) average.dispose();
  }
}
