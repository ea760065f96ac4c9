/**
 * The tensors of a peft adapter, by the module of the base model that they change. Names are
 * `base_model.model.<module>.lora_A.weight` and so on.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import { missingPart } from '../../base/files/missing-part.ts';
import { SafetensorsFile } from '../safetensors.ts';
import { f32FromBf16, type TensorData } from '../tensor-data.ts';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, type AdapterConfig, readAdapterConfig } from './adapter-config.ts';

/** A matrix in f32, row by row. */
export interface Matrix {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** What an adapter does to one module of the base model, by names of tensors. */
export interface ModuleChange {
  /** The module by its name in the base model's files. */
  readonly module: string;
  /** The tensor that replaces the module's own, by `weight` or `bias`. */
  readonly replaced: ReadonlyMap<string, string>;
  /** `lora_A` and `lora_B`, or those of an embedding. */
  readonly lowRank: { readonly a: string; readonly b: string; readonly isEmbedding: boolean } | undefined;
  /** DoRA's magnitudes. */
  readonly magnitude: string | undefined;
  /** New rows of an embedding. */
  readonly tokenRows: string | undefined;
}

const PREFIX = 'base_model.model.';

/** The kinds of tensors, by the end of their names. */
const ends = {
  a: '.lora_A.weight',
  b: '.lora_B.weight',
  embeddingA: '.lora_embedding_A',
  embeddingB: '.lora_embedding_B',
  magnitude: '.lora_magnitude_vector',
  oldMagnitude: '.lora_magnitude_vector.weight',
  tokenRows: '.token_adapter.trainable_tokens_delta',
} as const;

/** An open adapter folder. Close it when done. */
export class AdapterFolder implements Disposable {
  readonly config: AdapterConfig;
  /** By module, in the order of the file. */
  readonly changes: ReadonlyMap<string, ModuleChange>;
  readonly #file: SafetensorsFile;

  /**
   * Throws ERR_FILE_MISSING, ERR_FILE_DAMAGED, and ERR_FORMAT that names what is not supported.
   */
  constructor(readonly folder: string) {
    this.config = readAdapterConfig(folder);
    const path = join(folder, ADAPTER_WEIGHTS);
    if (!existsSync(path)) {
      if (!existsSync(join(folder, 'adapter_model.bin'))) throw missingPart(folder, ADAPTER_WEIGHTS);
      throw new AthanorError(
        'ERR_FORMAT',
        `${folder} holds adapter_model.bin, a pickle, which can run code when it is read`,
        'load it with peft and write it with save_pretrained(folder, safe_serialization=True)',
      );
    }
    this.#file = SafetensorsFile.open(path);
    try {
      this.changes = changesIn([...this.#file.tensors.keys()], path);
      this.#requireRanks();
      if (this.config.isDora) requireMagnitudes(this.changes, path);
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  #requireRanks(): void {
    for (const { module, lowRank } of this.changes.values()) {
      if (!lowRank) continue;
      const wanted = this.config.rankOf(module);
      const [rank] = this.shapeOf(lowRank.a);
      if (wanted !== undefined && rank !== wanted) {
        fail(this.#file.path, `${module} has rank ${rank}, and ${ADAPTER_CONFIG} says ${wanted}`);
      }
    }
  }

  shapeOf(tensor: string): readonly number[] {
    return this.#file.tensors.get(tensor)!.shape;
  }

  /** One tensor as f32. Throws ERR_FORMAT for another type. */
  read(tensor: string): Matrix {
    const value: TensorData = this.#file.read(tensor);
    if (value.dtype === 'f32') return value;
    if (value.dtype === 'bf16') return { shape: value.shape, data: f32FromBf16(value.data) };
    throw new AthanorError(
      'ERR_FORMAT',
      `${this.#file.path}: ${tensor} is ${value.dtype}, but weights are f32, f16 or bf16`,
      'write the adapter again with peft',
    );
  }

  /** The scale of B A in a module. */
  scaleOf({ module, lowRank }: ModuleChange): number {
    const [rank = 0] = this.shapeOf(lowRank!.a);
    return this.config.scaleOf(module, rank);
  }

  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function requireMagnitudes(changes: ReadonlyMap<string, ModuleChange>, path: string): void {
  for (const { module, lowRank, magnitude } of changes.values()) {
    if (lowRank && magnitude === undefined && !lowRank.isEmbedding)
      fail(path, `${module} has no magnitudes of DoRA`);
  }
}

interface Draft {
  replaced: Map<string, string>;
  a?: string;
  b?: string;
  isEmbedding: boolean;
  magnitude?: string;
  tokenRows?: string;
}

function changesIn(names: readonly string[], path: string): Map<string, ModuleChange> {
  const drafts = new Map<string, Draft>();
  for (const name of names) {
    if (!name.startsWith(PREFIX)) fail(path, `${name} does not begin with ${PREFIX}`);
    const inner = name.slice(PREFIX.length);
    const kind = (Object.keys(ends) as (keyof typeof ends)[]).find((key) => inner.endsWith(ends[key]));
    const module = kind
      ? inner.slice(0, -ends[kind].length)
      : inner.replace(/(\.base_layer)?\.(weight|bias)$/, '');
    if (module === inner || module.includes('lora_')) {
      fail(path, `${name} is not a tensor of a LoRA adapter`);
    }
    const draft: Draft = drafts.get(module) ?? { replaced: new Map(), isEmbedding: false };
    drafts.set(module, draft);
    if (kind === undefined) draft.replaced.set(inner.endsWith('bias') ? 'bias' : 'weight', name);
    else if (kind === 'a' || kind === 'embeddingA') draft.a = name;
    else if (kind === 'b' || kind === 'embeddingB') draft.b = name;
    else if (kind === 'tokenRows') draft.tokenRows = name;
    else draft.magnitude = name;
    if (kind === 'embeddingA') draft.isEmbedding = true;
  }
  return new Map([...drafts].map(([module, draft]) => [module, complete(module, draft, path)]));
}

function complete(module: string, { a, b, isEmbedding, ...draft }: Draft, path: string): ModuleChange {
  if ((a === undefined) !== (b === undefined)) {
    fail(path, `${module} has ${a ? 'lora_A' : 'lora_B'} and no ${a ? 'lora_B' : 'lora_A'}`);
  }
  const lowRank = a !== undefined && b !== undefined ? { a, b, isEmbedding } : undefined;
  if (draft.magnitude !== undefined && (!lowRank || isEmbedding)) {
    fail(path, `${module} has magnitudes of DoRA, which only a linear layer with lora_A and lora_B can have`);
  }
  return {
    module,
    lowRank,
    magnitude: draft.magnitude,
    tokenRows: draft.tokenRows,
    replaced: draft.replaced,
  };
}

function fail(path: string, problem: string): never {
  throw new AthanorError(
    'ERR_FORMAT',
    `${path}: ${problem}`,
    `it does not fit ${ADAPTER_CONFIG}; write the adapter again with peft`,
  );
}
