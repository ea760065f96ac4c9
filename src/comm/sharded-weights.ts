/**
 * Weights of which each rank holds its part only (ZeRO-3; Rajbhandari et al., "ZeRO", 2020, 5.3).
 * They lie in units of some megabytes. The first read of a weight in a pass gathers its unit from
 * all ranks, a unit is freed when others have been read since, and the one that was read next in
 * the pass before is gathered meanwhile. So the ranks must read the same weights in the same order,
 * as they do in the passes of one model. Outside of passes whole() gathers all weights at once.
 */
import { AthanorError } from '../base/errors.ts';
import type { NativeTensor } from '../native/binding.ts';
import type { Residence, Tensor } from '../tensor/tensor.ts';
import type { BucketLayout } from './bucket-layout.ts';
import type { Communicator } from './communicator.ts';
import { WeightUnit } from './weight-unit.ts';

/** Units of a kind that stay when others of that kind are read: an operation may need two. */
const MOST_KEPT = 2;

export class ShardedWeights implements Residence {
  readonly #units: readonly WeightUnit[];
  readonly #unitOf = new Map<Tensor, WeightUnit>();
  #isSharedOut = false;
  /** Which weights can be read. */
  #reads: 'none' | 'in turn' | 'all' = 'none';
  /** The units that were read last, latest first. */
  #kept: WeightUnit[] = [];
  /** What the pass has done so far: units that it read, and undefined for a bucket that closed. */
  #done: (WeightUnit | undefined)[] = [];
  /** The same of the last pass. */
  #before: readonly (WeightUnit | undefined)[] = [];

  /**
   * @param kinds layouts of all weights, each of which becomes a unit: of those that train, and of
   *   others
   */
  constructor(kinds: readonly (readonly BucketLayout[])[], communicator: Communicator) {
    // An operation may read weights of several dtypes and sizes, and those of an adapter.
    this.#units = kinds
      .flatMap((layouts, group) => layouts.map((layout) => ({ layout, kind: `${group} ${layout.kind}` })))
      .map(({ layout, kind }, i) => new WeightUnit(layout, communicator, `weights ${i}`, kind));
    for (const unit of this.#units) for (const tensor of unit.tensors) this.#unitOf.set(tensor, unit);
  }

  /** Bytes of this rank's parts. */
  get bytes(): number {
    return this.#units.reduce((sum, { partBytes }) => sum + partBytes, 0);
  }

  /** Bytes of the largest units that are there at once in a pass, the coming one included. */
  get bytesInPass(): number {
    const sizes = new Map<string, number[]>();
    for (const { kind, bytes } of this.#units) sizes.set(kind, [...(sizes.get(kind) ?? []), bytes]);
    const most = [...sizes.values()].map((all) => all.sort((a, b) => b - a).slice(0, MOST_KEPT + 1));
    return most.flat().reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Whether each rank holds its part only. */
  get isSharedOut(): boolean {
    return this.#isSharedOut;
  }

  /** Keeps this rank's part of each weight and frees the rest. Needs no other rank. */
  shareOut(): void {
    if (this.#isSharedOut) return;
    for (const unit of this.#units) unit.shareOut(this);
    this.#isSharedOut = true;
  }

  /** Makes all weights whole again, for good. All ranks call it. */
  async bringBack(): Promise<void> {
    if (!this.#isSharedOut) return;
    await this.#gatherAll();
    for (const unit of this.#units) unit.bringBack();
    this.#isSharedOut = false;
  }

  /**
   * The elements of a weight that this rank updates, as a view in the shape of their gradient. The
   * rank has some of them.
   */
  elementsOf(tensor: Tensor): NativeTensor {
    return this.#unitOf.get(tensor)!.elementsOf(tensor);
  }

  handleOf(tensor: Tensor): NativeTensor {
    const unit = this.#unitOf.get(tensor)!;
    if (this.#reads === 'none') {
      throw new AthanorError(
        'ERR_STATE',
        'a weight is read while each rank holds a part of it (`zero` 3), outside of the loss',
        'name what reads it in `weightsReadBy` of the stage, or choose `zero` 2',
      );
    }
    if (this.#reads === 'in turn') this.#read(unit);
    return unit.handleOf(tensor);
  }

  /** From now on the weights can be read in turn, until endPass(). */
  beginPass(): void {
    if (this.#isSharedOut) this.#reads = 'in turn';
  }

  /** Frees what the pass has gathered. */
  endPass(): void {
    if (this.#reads !== 'in turn') return;
    this.#reads = 'none';
    for (const unit of this.#units) unit.drop();
    this.#kept = [];
    this.#before = this.#done;
    this.#done = [];
  }

  /** Notes that a bucket of gradients closes at this point of the pass. */
  noteClose(): void {
    if (this.#reads === 'in turn') this.#done.push(undefined);
  }

  /**
   * Takes part in the pass of ranks that have one more batch: gathers what they gather.
   * @param close closes the next bucket of gradients
   */
  attendPass(close: () => void): void {
    this.beginPass();
    for (const unit of this.#before) {
      if (unit) this.#read(unit);
      else close();
    }
    this.endPass();
  }

  /** Runs body while all weights are here. All ranks call it. */
  async whole<T>(body: () => Promise<T>): Promise<T> {
    if (!this.#isSharedOut || this.#reads === 'all') return await body();
    await this.#gatherAll();
    this.#reads = 'all';
    try {
      return await body();
    } finally {
      this.#reads = 'none';
      for (const unit of this.#units) unit.drop();
    }
  }

  async #gatherAll(): Promise<void> {
    for (const unit of this.#units) unit.start();
    for (const unit of this.#units) await unit.wait();
  }

  #read(unit: WeightUnit): void {
    if (unit === this.#kept[0]) return;
    const place = this.#done.push(unit);
    unit.start();
    unit.block();
    this.#kept = [unit, ...this.#kept.filter((one) => one !== unit)];
    const old = this.#kept.filter((one) => one.kind === unit.kind)[MOST_KEPT];
    if (old) {
      this.#kept = this.#kept.filter((one) => one !== old);
      old.drop();
    }
    if (this.#before[place - 1] === unit) this.#before.find((one, i) => i >= place && one)?.start();
  }

  /** Frees the parts. Weights that were not brought back stay without elements. */
  dispose(): void {
    for (const unit of this.#units) unit.dispose();
  }
}
