import { native } from '../../native/addon.ts';
import type { DType } from '../../native/binding.ts';
import { record } from '../autograd.ts';
import { Tensor, zeros } from '../tensor.ts';

/**
 * tokenTable[tokens], plus positionTable[positions] where there is a position table. Throws
 * ERR_ARGUMENT for an id outside of a table.
 * @param tokens i32 `[n]`
 * @param tokenTable `[vocab, d]` f32 or bf16
 * @param positions i32 `[n]`
 * @param positionTable `[maxPositions, d]` f32 or bf16
 * @returns `[n, d]` of `dtype`
 */
export function embedding(
  tokens: Tensor,
  tokenTable: Tensor,
  positions: Tensor | undefined,
  positionTable: Tensor | undefined,
  dtype: DType,
): Tensor {
  const used = positionTable && positions;
  const out = new Tensor(
    native.embeddingForward(tokens.handle, used?.handle, tokenTable.handle, positionTable?.handle, dtype),
  );
  record('embedding', [tokenTable, positionTable], [out], ([dy], accumulate) => {
    const dposition = accumulate(positionTable);
    // The kernel adds to both gradients. The gradient of a frozen token table is discarded.
    const dtable = accumulate(tokenTable) ?? (dposition && zeros(tokenTable.shape));
    if (dtable) {
      const read = dposition && used;
      native.embeddingBackward(dy!.handle, tokens.handle, read?.handle, dtable.handle, dposition?.handle);
    }
    return [];
  });
  return out;
}
