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
  /** Whether the moments are shared out. */
  isSharded: boolean;
  /** Bytes of the shares of gradients and weights; undefined where this rank has all of them. */
  gradients: number | undefined;
  weights: number | undefined;
  /** The most bytes of a pass that are on their way between ranks, or in use besides the shares. */
  underWay: number;
}

/**
 * One line for the user: the memory of the rank that holds most. Undefined for one rank.
 * @param frozen weights that do not train
 */
export async function heldMemory(
  communicator: Communicator,
  held: HeldState,
  frozen: readonly Tensor[] = [],
): Promise<string | undefined> {
  if (communicator.size === 1) return undefined;
  const { parameters, moments, isSharded, gradients, weights, underWay } = held;
  const all = await communicator.gather([moments], 'bytes of moments');
  const most = Math.max(...all.map(([bytes]) => bytes!));
  const elements = parameters.reduce((sum, { size }) => sum + size, 0);
  const isWhole = weights === undefined;
  const parts = [
    isWhole ? `trained weights ${gib(bytesOf(parameters))}` : `weights ${gib(weights)}`,
    `gradients ${gib(gradients ?? 4 * elements)}`,
    isSharded ? `${gib(most)} of the optimizer's ${gib(8 * elements)}` : `the optimizer's ${gib(most)}`,
  ];
  if (!isWhole) parts[0] += ` of ${gib(bytesOf([...parameters, ...frozen]))}`;
  if (gradients !== undefined) parts[1] += ` of ${gib(4 * elements)}`;
  if (underWay > 0) parts.push(`and up to ${gib(underWay)} on the way between ranks`);
  const others = isWhole ? '' : '; evaluations, samples, rollouts and checkpoints need all weights';
  return `${communicator.size} ranks, ${stageOf(held)}; each holds, in GiB: ${parts.join(', ')}${others}`;
}

function stageOf({ isSharded, gradients, weights }: HeldState): string {
  if (!isSharded) return 'nothing is sharded';
  if (weights !== undefined) return 'ZeRO-3';
  return gradients === undefined ? 'ZeRO-1' : 'ZeRO-2';
}

function bytesOf(tensors: readonly Tensor[]): number {
  return tensors.reduce((sum, { size, dtype }) => sum + size * (dtype === 'bf16' ? 2 : 4), 0);
}
