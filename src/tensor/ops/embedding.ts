import { native } from '../../native/addon.ts';
import type { DType } from '../../native/binding.ts';
import { record } from '../autograd.ts';
import { Tensor, zeros } from '../tensor.ts';

/**
 * tokenTable[tokens] (+ positionTable[positions]).
 * @param tokens i32 `[n]`; @param tokenTable f32 `[vocab, d]`; @param positionTable f32 `[maxPositions, d]`
 * @returns `[n, d]` of `dtype`. Throws ERR_ARGUMENT for an id outside of a table.
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
    // The kernel adds to both; a frozen token table's gradient goes nowhere.
    const dtable = accumulate(tokenTable) ?? (dposition && zeros(tokenTable.shape));
    if (dtable) {
      const read = dposition && used;
      native.embeddingBackward(dy!.handle, tokens.handle, read?.handle, dtable.handle, dposition?.handle);
    }
    return [];
  });
  return out;
}
