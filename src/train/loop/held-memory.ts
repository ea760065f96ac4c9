/** What each rank holds of the model and of the state of its training. */
import type { Communicator } from '../../comm/communicator.ts';
import type { Tensor } from '../../tensor/tensor.ts';

const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(bytes < 2 ** 30 / 100 ? 4 : 2);

/** The state of training on one rank. */
export interface HeldState {
  /** Those that train. */
  parameters: readonly Tensor[];
  /** Bytes of the optimizer's moments. */
  moments: number;
  isSharded: boolean;
}

/** One line for the user: the memory of the rank that holds most. Undefined for one rank. */
export async function heldMemory(
  communicator: Communicator,
  { parameters, moments, isSharded }: HeldState,
): Promise<string | undefined> {
  if (communicator.size === 1) return undefined;
  const all = await communicator.gather([moments], 'bytes of moments');
  const most = Math.max(...all.map(([bytes]) => bytes!));
  const elements = parameters.reduce((sum, { size }) => sum + size, 0);
  const weights = parameters.reduce((sum, { size, dtype }) => sum + size * (dtype === 'bf16' ? 2 : 4), 0);
  const state = isSharded
    ? `${gib(most)} of the optimizer's ${gib(8 * elements)}`
    : `the optimizer's ${gib(most)}`;
  const stage = isSharded ? 'ZeRO-1' : 'nothing is sharded';
  return `${communicator.size} ranks, ${stage}; each holds, in GiB: trained weights ${gib(weights)}, gradients ${gib(4 * elements)}, ${state}`;
}
