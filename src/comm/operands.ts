/** What the collective operations accept, in every engine. */
import { AthanorError } from '../base/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Piece } from './communicator.ts';

/** Throws ERR_DTYPE unless the tensor has a dtype that is summed. */
export function checkSummed(operation: string, { dtype }: Tensor): void {
  if (dtype === 'f32' || dtype === 'bf16') return;
  throw new AthanorError('ERR_DTYPE', `[${operation}] expected f32 or bf16 but the tensor is ${dtype}`);
}

/** Throws ERR_DTYPE or ERR_SHAPE unless `whole` is as large as `size` tensors like `part`. */
export function checkParts(
  operation: string,
  { whole, part, size }: { whole: Tensor; part: Tensor; size: number },
): void {
  checkSameDtype(operation, whole, part);
  if (whole.size !== size * part.size) {
    throw new AthanorError(
      'ERR_SHAPE',
      `[${operation}] expected ${size} parts of ${part.size} elements but the whole has ${whole.size}`,
    );
  }
}

/**
 * Throws ERR_SHAPE or ERR_DTYPE unless the input has `size` equal parts and the output one fewer.
 */
export function checkExchange(operation: string, input: Tensor, output: Tensor, size: number): void {
  checkSameDtype(operation, input, output);
  if (input.size % size !== 0 || output.size !== (input.size / size) * (size - 1)) {
    const sizes = `${input.size} and ${output.size}`;
    throw new AthanorError(
      'ERR_SHAPE',
      `[${operation}] expected ${size} equal parts and an output of ${size - 1} but they have ${sizes} elements`,
    );
  }
}

function checkSameDtype(operation: string, input: Tensor, output: Tensor): void {
  if (input.dtype === output.dtype) return;
  throw new AthanorError(
    'ERR_DTYPE',
    `[${operation}] expected tensors of one dtype but they are ${input.dtype} and ${output.dtype}`,
  );
}

/** Throws ERR_ARGUMENT unless `root` is a rank. */
export function checkRoot(operation: string, root: number, size: number): void {
  if (Number.isInteger(root) && root >= 0 && root < size) return;
  throw new AthanorError(
    'ERR_ARGUMENT',
    `[${operation}] expected root from 0 to ${size - 1} but it is ${root}`,
  );
}

/** Throws ERR_ARGUMENT for a root that is no rank, and ERR_DTYPE for pieces of several dtypes. */
export function checkPieces(operation: string, pieces: readonly Piece[], size: number): void {
  for (const { tensor, root } of pieces) {
    checkRoot(operation, root, size);
    checkSameDtype(operation, pieces[0]!.tensor, tensor);
  }
}
