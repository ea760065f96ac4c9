/** What the models of a run cost before any activation: said before the start, where it can still be changed. */
import { bytesPerElement } from '../../checkpoint/tensor-data.ts';
import type { DType } from '../../native/binding.ts';
import type { WeightDType } from '../../nn/decoder.ts';
import { formatBytes } from '../../report/format.ts';

export interface PlannedModel {
  name: string;
  /** Parameters that train, and those that only pass gradients on (under adapters). */
  trained: number;
  passing?: number;
  /** Parameters of a model that is only read. */
  read?: number;
}

/** What a run's models compute in, and what their matrices are kept in. */
export interface Precision {
  dtype: DType;
  weights?: WeightDType | undefined;
}

/**
 * Bytes of a model's weights and what goes with them: weights, vectors counted as matrices; a copy packed for each direction
 * of matrix products in the dtype of activations; and for what trains, an f32 gradient and AdamW's two moments.
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
