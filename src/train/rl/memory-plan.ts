/**
 * The memory of a run's models, without activations. It is shown before the start, when settings
 * can still be changed.
 */
import { bytesPerElement } from '../../checkpoint/tensor-data.ts';
import type { DType } from '../../native/binding.ts';
import type { Decoder, WeightDType } from '../../nn/decoder.ts';
import { formatBytes } from '../../report/format.ts';
import { RewardModelSource } from '../../scoring/reward-model.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { RolloutModels } from './models.ts';
import type { RolloutSettings } from './settings.ts';

export interface PlannedModel {
  name: string;
  /** Number of parameters that train. */
  trained: number;
  /** Number of frozen parameters under adapters: gradients pass through them. */
  passing?: number;
  /** Bytes of weights in int8 or NF4 under adapters. Products keep no copy of them. */
  frozenBytes?: number;
  /** Number of parameters of a model that runs without gradients. */
  read?: number;
}

export interface Precision {
  /** Dtype of activations. */
  dtype: DType;
  /** Dtype of weight matrices. */
  weights?: WeightDType | undefined;
}

/**
 * Bytes of a model's weights and of what belongs to them:
 * - the weights, with vectors counted as matrices;
 * - a packed copy in the dtype of activations for each direction of matrix products: forward, and
 *   backward where gradients pass;
 * - an f32 gradient and AdamW's two moments for each parameter that trains.
 */
export function modelBytes(
  { trained, passing = 0, frozenBytes = 0, read = 0 }: PlannedModel,
  { dtype, weights }: Precision,
): number {
  const [kept, packed] = [bytesPerElement[weights ?? 'f32'], bytesPerElement[dtype]];
  const training = trained * (kept + 4 + 8 + 2 * packed);
  return training + passing * (kept + 2 * packed) + frozenBytes + read * (kept + packed);
}

/** One line for the user. @param averaged number of parameters in the average of the weights */
export function memoryPlan(models: readonly PlannedModel[], averaged: number, precision: Precision): string {
  const parts = models.map((model) => [model.name, modelBytes(model, precision)] as const);
  const all = averaged > 0 ? [...parts, ['averaged weights', 4 * averaged] as const] : parts;
  const total = all.reduce((sum, [, bytes]) => sum + bytes, 0);
  const listed = all.map(([name, bytes]) => `${name} ${formatBytes(bytes)}`).join(', ');
  return `memory: ${listed}; ${formatBytes(total)} in all, activations and the cache of decoding aside`;
}

/** The plan of a reinforcement learning run. @param others models of the advantage estimator */
export function memoryNote(
  { models: { policy, reference, reward } }: { models: RolloutModels },
  { emaDecay, dtype, paramDtype: weights }: RolloutSettings,
  others: readonly PlannedModel[] = [],
): string {
  const trained = parametersIn(policy.trainable.values());
  const models: PlannedModel[] = [
    { name: 'policy', trained, ...(policy.hasAdapters && underAdapters(policy.model)) },
  ];
  if (reference) models.push({ name: 'reference', trained: 0, read: reference.parameterCount() });
  if (reward instanceof RewardModelSource) {
    const count = reward.model.parameterCount();
    models.push({
      name: 'reward model',
      trained: 0,
      ...(reward.isShared ? { passing: count } : { read: count }),
    });
  }
  models.push(...others);
  return memoryPlan(models, emaDecay > 0 ? trained : 0, { dtype, weights });
}

/** The frozen parts of a model with adapters. */
export function underAdapters(model: Decoder): Pick<PlannedModel, 'passing' | 'frozenBytes'> {
  const frozen = [...model.frozenWeights().values()];
  const frozenBytes = frozen.reduce((sum, { bytes }) => sum + bytes, 0);
  return { passing: parametersIn(model.parameters().values()), frozenBytes };
}

/** Number of elements of all tensors. */
export function parametersIn(tensors: Iterable<Tensor>): number {
  return [...tensors].reduce((sum, { size }) => sum + size, 0);
}
