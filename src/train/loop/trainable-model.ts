/**
 * A model as a stage trains it: all of it, or LoRA adapters on it. What is trained, what is written
 * as a model folder, and what a checkpoint needs besides.
 */

import type { WrittenFile } from '../../base/files/hashed-file.ts';
import type { JsonObject } from '../../base/json.ts';
import { saveModel, saveScoringModel, tensorSources } from '../../checkpoint/gpt-folder.ts';
import type { TensorData, TensorSource } from '../../checkpoint/tensor-data.ts';
import type { TypedArray } from '../../native/binding.ts';
import type { Decoder } from '../../nn/decoder.ts';
import { Gpt } from '../../nn/gpt.ts';
import { attachLora, type LoraAdapters } from '../../nn/lora.ts';
import type { ScoringModel } from '../../nn/scoring-model.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { LoraSettings } from './settings.ts';

export interface TrainableOptions extends LoraSettings {
  /** Folder whose tokenizer files go along with the model. */
  tokenizerFolder: string;
  generationConfig?: JsonObject;
  padTokenId?: number | undefined;
  seed: number;
}

export class TrainableModel<M extends Decoder> {
  readonly trainable: ReadonlyMap<string, Tensor>;
  readonly #adapters: LoraAdapters | undefined;
  readonly #options: TrainableOptions;

  constructor(
    readonly model: M,
    options: TrainableOptions,
  ) {
    this.#options = options;
    const { loraRank: rank, loraAlpha: alpha, loraTargets: targets, seed } = options;
    this.#adapters = rank > 0 ? attachLora(model, { rank, alpha, targets, seed }) : undefined;
    this.trainable = new Map([...(this.#adapters?.parameters() ?? []), ...model.trainable()]);
  }

  /** Whether the frozen model is still there under the adapters. */
  get hasAdapters(): boolean {
    return this.#adapters !== undefined;
  }

  /** Runs body on the model as it was before training. Only with adapters. */
  withoutAdapters<T>(body: () => T): T {
    return this.#adapters!.without(body);
  }

  /** As a model folder, adapters merged. */
  write(folder: string): Promise<WrittenFile[]> {
    const { tokenizerFolder, generationConfig, padTokenId } = this.#options;
    const options = {
      tokenizer: tokenizerFolder,
      ...(generationConfig && { generationConfig }),
      ...(padTokenId !== undefined && { padTokenId }),
      ...(this.#adapters && { adapters: this.#adapters }),
    };
    const { model } = this;
    if (model instanceof Gpt) return saveModel(folder, model, options);
    return saveScoringModel(folder, model as unknown as ScoringModel, options);
  }

  /**
   * A folder holds merged weights, so adapters and what trains beside them are stored as they are.
   */
  tensors(): [string, TensorSource][] {
    if (!this.#adapters) return [];
    return tensorSources(this.trainable).map(([name, source]) => [`trained/${name}`, source]);
  }

  restore(tensors: (name: string) => TensorData): void {
    if (!this.#adapters) return;
    for (const [name, parameter] of this.trainable) {
      parameter.write(tensors(`trained/${name}`).data as TypedArray);
    }
  }

  dispose(): void {
    this.#adapters?.dispose();
    this.model.dispose();
  }
}

/**
 * The folder to load a model from: a resumed run's checkpoint, but the start where only
 * adapters were trained.
 */
export function startFolder(
  model: string,
  checkpoint: string | undefined,
  { loraRank }: LoraSettings,
): string {
  return loraRank > 0 ? model : (checkpoint ?? model);
}
