/**
 * A model as a stage trains it, either whole or with LoRA adapters: which parameters train, how a
 * model folder is written, and what a checkpoint needs in addition.
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
  /** Folder of the tokenizer files that are copied into the model folder. */
  tokenizerFolder: string;
  generationConfig?: JsonObject;
  /** Fields for config.json besides those that describe the model. */
  configFields?: JsonObject;
  seed: number;
}

export class TrainableModel<M extends Decoder> {
  readonly trainable: ReadonlyMap<string, Tensor>;
  /** Weights of the model that do not train: those under adapters. */
  readonly frozen: ReadonlyMap<string, Tensor>;
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
    this.frozen = new Map([...model.parameters()].filter(([, { requiresGrad }]) => !requiresGrad));
  }

  /** Whether adapters train, on a frozen model. */
  get hasAdapters(): boolean {
    return this.#adapters !== undefined;
  }

  /** Runs body on the model as it was before training. Needs adapters. */
  withoutAdapters<T>(body: () => T): T {
    return this.#adapters!.without(body);
  }

  /** Writes a model folder, with the adapters merged. */
  write(folder: string): Promise<WrittenFile[]> {
    const { tokenizerFolder, generationConfig, configFields } = this.#options;
    const options = {
      tokenizer: tokenizerFolder,
      ...(generationConfig && { generationConfig }),
      ...(configFields && { configFields }),
      ...(this.#adapters && { adapters: this.#adapters }),
    };
    const { model } = this;
    if (model instanceof Gpt) return saveModel(folder, model, options);
    return saveScoringModel(folder, model as unknown as ScoringModel, options);
  }

  /**
   * A model folder holds merged weights, so checkpoints hold the adapters themselves, together with
   * other parameters that train.
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
 * The folder to load a model from. A resumed run loads its checkpoint, except when only adapters
 * were trained: then it loads the starting model.
 */
export function startFolder(
  model: string,
  checkpoint: string | undefined,
  { loraRank }: LoraSettings,
): string {
  return loraRank > 0 ? model : (checkpoint ?? model);
}
