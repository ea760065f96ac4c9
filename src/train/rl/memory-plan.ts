/**
 * The memory of a run's models without activations, printed before the start, when settings can
 * still be changed.
 */
import { bytesPerElement } from '../../checkpoint/tensor-data.ts';
import type { DType } from '../../native/binding.ts';
import type { WeightDType } from '../../nn/decoder.ts';
import { formatBytes } from '../../report/format.ts';

export interface PlannedModel {
  name: string;
  /** Parameters that train. */
  trained: number;
  /** Frozen parameters under adapters: gradients pass through them. */
  passing?: number;
  /** Parameters of a model that is only read. */
  read?: number;
}

export interface Precision {
  /** Of activations. */
  dtype: DType;
  /** Of matrices. */
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
  { trained, passing = 0, read = 0 }: PlannedModel,
  { dtype, weights }: Precision,
): number {
  const [kept, packed] = [bytesPerElement[weights ?? 'f32'], bytesPerElement[dtype]];
  return trained * (kept + 4 + 8 + 2 * packed) + passing * (kept + 2 * packed) + read * (kept + packed);
}

/** One line for the user. @param averaged parameters that a moving average is kept of */
export function memoryPlan(models: readonly PlannedModel[], averaged: number, precision: Precision): string {
  const parts = models.map((model) => [model.name, modelBytes(model, precision)] as const);
  const all = averaged > 0 ? [...parts, ['averaged weights', 4 * averaged] as const] : parts;
  const total = all.reduce((sum, [, bytes]) => sum + bytes, 0);
  const listed = all.map(([name, bytes]) => `${name} ${formatBytes(bytes)}`).join(', ');
  return `memory: ${listed}; ${formatBytes(total)} in all, activations and the cache of decoding aside`;
}
