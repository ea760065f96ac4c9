import type { NativeTensor } from '../binding.ts';

export interface RandomBinding {
  /**
   * Fills an f32 tensor; element i is a function of (seed, stream, i), the same on every machine.
   */
  normalInto(target: NativeTensor, mean: number, std: number, seed: number, stream: number): void;
  /**
   * Fills an f32 tensor with uniform numbers in [low, high). Element i is a function of
   * (seed, stream, i).
   */
  uniformInto(target: NativeTensor, low: number, high: number, seed: number, stream: number): void;
}
