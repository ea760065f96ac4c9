import type { DType, NativeTensor } from '../binding.ts';

export interface EmbeddingBinding {
  /**
   * tokens i32 `[..]` -> `[.., d]`. Give positions and positionTable together, or leave out both.
   */
  embeddingForward(
    tokens: NativeTensor,
    positions: NativeTensor | undefined,
    tokenTable: NativeTensor,
    positionTable: NativeTensor | undefined,
    dtype: DType,
  ): NativeTensor;
  /** Adds dy to the gradients of the tables, in the order of the rows. */
  embeddingBackward(
    dy: NativeTensor,
    tokens: NativeTensor,
    positions: NativeTensor | undefined,
    dtokenTable: NativeTensor,
    dpositionTable: NativeTensor | undefined,
  ): void;
}
