/** A model as a stage trains it: what changes, what is written as a model folder, what a checkpoint needs besides. */

import type { WrittenFile } from '../checkpoint/durable.ts';
import { saveGpt } from '../checkpoint/gpt-folder.ts';
import type { TensorData, TensorSource } from '../checkpoint/tensor-data.ts';
import type { Gpt } from '../nn/gpt.ts';
import type { Tensor } from '../tensor/tensor.ts';

export class TrainableGpt {
  constructor(
    readonly model: Gpt,
    /** Folder whose tokenizer files go along with the model. */
    readonly tokenizerFolder: string,
  ) {}

  get trainable(): ReadonlyMap<string, Tensor> {
    return this.model.parameters();
  }

  write(folder: string): Promise<WrittenFile[]> {
    return saveGpt(folder, this.model, { tokenizer: this.tokenizerFolder });
  }

  tensors(): [string, TensorSource][] {
    return [];
  }

  restore(_tensors: (name: string) => TensorData): void {}

  dispose(): void {
    this.model.dispose();
  }
}
