/** What the models of a run cost before any activation: said before the start, where it can still be changed. */
import type { DType } from '../../native/binding.ts';
import { formatBytes } from '../../report/format.ts';

export interface PlannedModel {
  name: string;
  /** Parameters that train, and those that only pass gradients on (under adapters). */
  trained: number;
  passing?: number;
  /** Parameters of a model that is only read. */
  read?: number;
}

/**
 * Bytes of a model's weights and what goes with them: f32 weights; a copy packed for each direction of matrix products in
 * the dtype of activations; and for what trains, an f32 gradient and AdamW's two moments.
 */
export function modelBytes({ trained, passing = 0, read = 0 }: PlannedModel, dtype: DType): number {
  const packed = dtype === 'bf16' ? 2 : 4;
  return trained * (4 + 4 + 8 + 2 * packed) + passing * (4 + 2 * packed) + read * (4 + packed);
}

/** One line for the user. @param averaged parameters that a moving average is kept of */
export function memoryPlan(models: readonly PlannedModel[], averaged: number, dtype: DType): string {
  const parts = models.map((model) => [model.name, modelBytes(model, dtype)] as const);
  const all = averaged > 0 ? [...parts, ['averaged weights', 4 * averaged] as const] : parts;
  const total = all.reduce((sum, [, bytes]) => sum + bytes, 0);
  const listed = all.map(([name, bytes]) => `${name} ${formatBytes(bytes)}`).join(', ');
  return `memory: ${listed}; ${formatBytes(total)} in all, activations and the cache of decoding aside`;
}
