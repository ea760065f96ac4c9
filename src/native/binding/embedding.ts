import type { DType, NativeTensor } from '../binding.ts';

export interface EmbeddingBinding {
  /** tokens i32 [..] -> [.., d]; positions and positionTable come together or not at all. */
  embeddingForward(
    tokens: NativeTensor,
    positions: NativeTensor | undefined,
    tokenTable: NativeTensor,
    positionTable: NativeTensor | undefined,
    dtype: DType,
  ): NativeTensor;
  /** Adds dy into the tables' gradients, in the order of the rows. */
  embeddingBackward(
    dy: NativeTensor,
    tokens: NativeTensor,
    positions: NativeTensor | undefined,
    dtokenTable: NativeTensor,
    dpositionTable: NativeTensor | undefined,
  ): void;
}
