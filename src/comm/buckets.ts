/**
 * Gradients in flat buffers ("buckets"), summed over the batches of an update and over the ranks
 * in the order of batch-sums.ts. A whole bucket is exchanged at once, while the backward pass
 * still computes the gradients of other buckets (Li et al., "PyTorch Distributed", 2020, 3.2.3).
 * Each rank gets its own part from all others and adds them up. Parameters are assigned in
 * reverse, since the backward pass reaches the last one first. Kernels write gradients into the
 * bucket, so nothing is copied, and its memory exists only from its first gradient to release().
 */
import { AthanorError } from '../base/errors.ts';
import { outsideScopes, type Tensor } from '../tensor/tensor.ts';
import { batchesOfRank, type Run } from './batch-sums.ts';
import { Bucket, type Exchange, type Slot } from './bucket.ts';
import { layoutOf, ownedRun } from './bucket-layout.ts';
import type { Communicator } from './communicator.ts';
import type { ParameterShare } from './parameter-share.ts';

export interface BucketOptions {
  /**
   * The most bytes in a bucket; a larger gradient has a bucket of its own. Default 32 MiB. Between
   * machines, at 25 GB/s, the sum of such a bucket takes over a millisecond, ten times as long as a
   * reduction takes to start. A model of 124M parameters still has a dozen buckets, so the backward
   * pass hides the sums of all but the last.
   */
  bucketBytes?: number;
  /** Batches of an update, over all ranks. Default: one per rank. */
  batches?: number;
  /**
   * Whether each rank gets the sums of its own elements only (ZeRO-1). Default false: all sums.
   */
  sharded?: boolean;
  /** Whether buckets are exchanged during the backward pass. Default true. */
  overlap?: boolean;
}

const DEFAULT_BUCKET_BYTES = 32 * 2 ** 20;

/** The gradients of a model's parameters, summed over the batches of an update and the ranks. */
export class GradientBuckets implements ParameterShare {
  readonly #communicator: Communicator;
  readonly #sharded: boolean;
  readonly #overlap: boolean;
  readonly #buckets: readonly Bucket[];
  readonly #places = new Map<Tensor, { bucket: Bucket; slot: Slot }>();
  /** The batches of this rank. */
  readonly #run: Run;
  /** Whether a gradient is final when its pass is: there is one batch and one rank. */
  readonly #isPlain: boolean;
  readonly #exchange: Exchange;
  /** The batch of the current pass, or of the next one. */
  #batch: number;
  /** Number of buckets that the current pass has closed. Every rank closes them in one order. */
  #closed = 0;
  #waitedSeconds = 0;

  /**
   * From now on the gradients of the parameters are written into buckets. Throws ERR_STATE when a
   * parameter has its gradient in other buckets, and ERR_OPTION with more ranks than batches.
   * @param parameters in the order of the forward pass
   */
  constructor(
    parameters: readonly Tensor[],
    communicator: Communicator,
    {
      bucketBytes = DEFAULT_BUCKET_BYTES,
      batches = communicator.size,
      sharded = false,
      overlap = true,
    }: BucketOptions = {},
  ) {
    const { rank, size } = communicator;
    checkBatches(batches, size);
    this.#communicator = communicator;
    this.#sharded = sharded && size > 1;
    this.#overlap = overlap;
    this.#run = batchesOfRank(batches, rank, size);
    this.#batch = this.#run.begin;
    this.#isPlain = size === 1 && batches === 1;
    this.#exchange = { communicator, batches, sharded: this.#sharded };
    const layouts = layoutOf([...parameters].reverse(), bucketBytes / 4, size);
    this.#buckets = layouts.map((layout, i) => new Bucket(layout, size, `gradients ${i}`));
    for (const bucket of this.#buckets) {
      for (const slot of bucket.slots) {
        if (slot.parameter.gradMemory) {
          throw new AthanorError('ERR_STATE', 'a parameter has its gradient in other buckets already');
        }
        slot.parameter.gradMemory = slot;
        this.#places.set(slot.parameter, { bucket, slot });
      }
    }
  }

  /** The parameters of each bucket, in the order in which buckets are reduced. */
  get layout(): readonly (readonly Tensor[])[] {
    return this.#buckets.map(({ slots }) => slots.map(({ parameter }) => parameter));
  }

  /** Whether each rank has the sums of its own elements only. */
  get isSharded(): boolean {
    return this.#sharded;
  }

  /** Seconds of waiting for other ranks so far. */
  get waitedSeconds(): number {
    return this.#waitedSeconds;
  }

  /** The elements of a parameter that a rank updates. */
  runOf(parameter: Tensor, rank = this.#communicator.rank): Run {
    if (!this.#sharded) return { begin: 0, end: parameter.size };
    const { bucket, slot } = this.#places.get(parameter)!;
    return ownedRun(bucket.layout, slot.placed, rank);
  }

  gradientOf(parameter: Tensor): Tensor | undefined {
    return this.#sharded ? this.#places.get(parameter)!.slot.share : parameter.grad;
  }

  hasGradient(parameter: Tensor): boolean {
    return this.#sharded ? this.#places.get(parameter)!.slot.isPresent : parameter.grad !== undefined;
  }

  /**
   * Marks a gradient as final for its batch. Give it to backward() as onGradient. A bucket closes
   * as soon as it and all buckets before it are complete. In the pass of the last batch of this
   * rank, its exchange starts then. Parameters without a bucket are ignored.
   */
  ready(parameter: Tensor): void {
    const bucket = this.#places.get(parameter)?.bucket;
    if (!bucket || this.#isPlain) return;
    bucket.missing -= 1;
    while (this.#buckets[this.#closed]?.missing === 0) this.#close();
  }

  /**
   * Ends the pass of a batch. A parameter without a gradient counts as zeros. Throws ERR_INTERNAL
   * when a gradient came after ready() had marked it as final.
   */
  endPass(): void {
    if (this.#isPlain) return;
    while (this.#closed < this.#buckets.length) this.#close();
    for (const bucket of this.#buckets) bucket.checkClosed();
    this.#closed = 0;
    this.#batch += 1;
  }

  #close(): void {
    const bucket = this.#buckets[this.#closed]!;
    this.#closed += 1;
    outsideScopes(() => {
      bucket.close(this.#batch);
      if (this.#overlap && this.#batch === this.#run.end - 1) bucket.start(this.#exchange);
    });
  }

  /**
   * Waits until the sums are there. Ends the pass first, if endPass() was not called. A parameter
   * that has a gradient on no rank stays without one.
   */
  async finish(): Promise<void> {
    if (this.#isPlain) return;
    if (this.#batch < this.#run.end) this.endPass();
    await this.#wait(this.#shareWhatIsThere());
    for (const bucket of this.#buckets) {
      outsideScopes(() => bucket.start(this.#exchange));
      await this.#wait(bucket.arrive());
      bucket.add(this.#exchange);
    }
    for (const bucket of this.#buckets) {
      await this.#wait(bucket.gathered());
      bucket.complete(this.#exchange);
    }
  }

  async #wait(work: Promise<void>): Promise<void> {
    const startedAt = performance.now();
    await work;
    this.#waitedSeconds += (performance.now() - startedAt) / 1000;
  }

  /** All ranks learn which parameters have a gradient on any of them. */
  async #shareWhatIsThere(): Promise<void> {
    const slots = this.#buckets.flatMap((bucket) => bucket.slots);
    const found = slots.map(({ isPresent }) => Number(isPresent));
    const all = await this.#communicator.sum(found, 'which parameters have a gradient');
    slots.forEach((slot, i) => {
      slot.isPresent = all[i]! > 0;
    });
  }

  /** Frees all gradients, so that the next pass starts anew. */
  release(): void {
    for (const bucket of this.#buckets) bucket.release();
    this.#batch = this.#run.begin;
    this.#closed = 0;
  }

  /**
   * Gives all ranks the elements of the parameters that each of them has updated. Does nothing
   * unless the gradients are sharded.
   */
  async shareParameters(): Promise<void> {
    if (!this.#sharded) return;
    const finish = this.#buckets.map((bucket) =>
      outsideScopes(() => bucket.shareParameters(this.#communicator)),
    );
    for (const one of finish) await this.#wait(one());
  }

  /** Frees all gradients. Later gradients have memory of their own again. */
  dispose(): void {
    this.release();
    for (const parameter of this.#places.keys()) parameter.gradMemory = undefined;
  }
}

/** Throws ERR_OPTION unless each rank gets a batch. */
export function checkBatches(batches: number, ranks: number): void {
  if (batches >= ranks) return;
  throw new AthanorError(
    'ERR_OPTION',
    `an update has ${batches} ${batches === 1 ? 'batch' : 'batches'}, too few for ${ranks} ranks`,
    `give \`gradAccum\` ${ranks} or more, or start fewer ranks`,
  );
}
