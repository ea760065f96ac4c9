/**
 * Gradients in flat buffers ("buckets"), summed over the batches of an update and over the ranks
 * in the order of batch-sums.ts. A whole bucket is exchanged at once, while the backward pass
 * still computes the gradients of other buckets (Li et al., "PyTorch Distributed", 2020, 3.2.3).
 * Each rank gets its own part from all others and adds them up. Parameters are assigned in
 * reverse, since the backward pass reaches the last one first. Kernels write gradients into the
 * bucket, so nothing is copied, and its memory exists only from its first gradient to release().
 * From ZeRO-2 on it exists only until it has gone to the ranks that own its elements.
 */
import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import type { NativeTensor } from '../native/binding.ts';
import { outsideScopes, type Tensor } from '../tensor/tensor.ts';
import { batchesInTurn, batchesOfRank, checkBatches, type Run } from './batch-sums.ts';
import { Bucket, type Exchange, type Sending, type Slot } from './bucket.ts';
import { CHUNK, layoutOf, ownedRun } from './bucket-layout.ts';
import type { Communicator } from './communicator.ts';
import type { ParameterShare } from './parameter-share.ts';
import { ShardedWeights } from './sharded-weights.ts';

export interface BucketOptions {
  /**
   * The most bytes in a bucket; a larger gradient has a bucket of its own. Default 32 MiB. Between
   * machines, at 25 GB/s, the sum of such a bucket takes over a millisecond, ten times as long as a
   * reduction takes to start. Nothing hides the last bucket of a pass, so a bucket is at most a
   * 16th of the gradients, and from `zero` 2 on, where a few buckets are all that is there of them,
   * a 64th.
   */
  bucketBytes?: number;
  /** Batches of an update, over all ranks. Default: one per rank. */
  batches?: number;
  /**
   * 0: each rank gets all sums. 1: it gets those of its own elements only. 2: its gradients of a
   * batch are freed as soon as they have gone to the ranks that own them. 3: the weights can be
   * shared out too, see `weights`. Default 0.
   */
  zero?: number;
  /** With `zero` 3: weights that do not train, which are shared out too. */
  frozen?: readonly Tensor[];
  /**
   * Whether buckets are exchanged during the backward pass. Default true. From `zero` 2 on they
   * always are.
   */
  overlap?: boolean;
}

const MOST_BUCKET_BYTES = 32 * 2 ** 20;
/** Buckets of one batch that are under way while the next one fills. */
const MOST_UNDER_WAY = 1;

/** The gradients of a model's parameters, summed over the batches of an update and the ranks. */
export class GradientBuckets implements ParameterShare {
  readonly #communicator: Communicator;
  readonly #sharded: boolean;
  /** Whether each batch is exchanged, and not their sums (ZeRO-2). */
  readonly #byBatch: boolean;
  readonly #overlap: boolean;
  readonly #buckets: readonly Bucket[];
  /** The weights, where `zero` is 3 and there are several ranks. */
  readonly weights: ShardedWeights | undefined;
  readonly #places = new Map<Tensor, { bucket: Bucket; slot: Slot }>();
  /** The numbers of the batches of an update that this rank takes. */
  readonly batches: readonly number[];
  /** Passes of an update. The last one has no batch where other ranks have one more. */
  readonly #passes: number;
  /** Whether a gradient is final when its pass is: there is one batch and one rank. */
  readonly #isPlain: boolean;
  readonly #exchange: Exchange;
  /** Passes of this update that are over. */
  #passed = 0;
  /** Number of buckets that the current pass has closed. Every rank closes them in one order. */
  #closed = 0;
  /** Exchanges of single batches that are under way, in their order. */
  #sendings: Sending[] = [];
  #waitedSeconds = 0;

  /**
   * From now on the gradients of the parameters are written into buckets. Throws ERR_STATE when a
   * parameter has its gradient in other buckets, and ERR_OPTION with more ranks than batches.
   * @param parameters in the order of the forward pass
   */
  constructor(
    parameters: readonly Tensor[],
    communicator: Communicator,
    { bucketBytes, batches = communicator.size, zero = 0, overlap = true, frozen = [] }: BucketOptions = {},
  ) {
    const { rank, size } = communicator;
    checkBatches(batches, size);
    this.#communicator = communicator;
    this.#sharded = zero >= 1 && size > 1;
    this.#byBatch = zero >= 2 && size > 1;
    this.#overlap = overlap;
    this.batches = this.#byBatch
      ? batchesInTurn(batches, rank, size)
      : numbersOf(batchesOfRank(batches, rank, size));
    this.#passes = this.#byBatch ? Math.ceil(batches / size) : this.batches.length;
    this.#isPlain = size === 1 && batches === 1;
    this.#exchange = { communicator, batches, sharded: this.#sharded };
    const limit = bucketBytes ?? bucketLimit([...parameters, ...frozen], size, this.#byBatch ? 64 : 16);
    const layouts = layoutOf([...parameters].reverse(), limit / 4, size);
    this.#buckets = layouts.map((layout, i) => new Bucket(layout, size, `gradients ${i}`));
    if (this.#byBatch && zero === 3) {
      const others = layoutOf(frozen, limit / 4, size);
      this.weights = new ShardedWeights([layouts, others], communicator);
    }
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

  /**
   * Bytes of this rank's shares of gradients and weights; undefined where it has all of them. And
   * the most bytes of a pass besides the shares: what is on its way between ranks or in use.
   */
  get held(): { gradients: number | undefined; weights: number | undefined; underWay: number } {
    if (!this.#byBatch) return { gradients: undefined, weights: undefined, underWay: 0 };
    const { weights } = this;
    const parts = this.#buckets.map(({ layout }) => 4 * layout.partSize);
    // Sums of rounds wait for others of their size, as the digits of a binary number do.
    const sums = 1 + Math.floor(Math.log2(this.#passes));
    const buckets = (2 * MOST_UNDER_WAY + 1) * this.#communicator.size * Math.max(...parts);
    return {
      gradients: sums * parts.reduce((sum, bytes) => sum + bytes, 0),
      weights: weights?.bytes,
      underWay: buckets + (weights?.bytesInPass ?? 0),
    };
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

  elementsOf(parameter: Tensor): NativeTensor {
    if (this.weights?.isSharedOut) return this.weights.elementsOf(parameter);
    const { begin, end } = this.runOf(parameter);
    if (end - begin === parameter.size) return native.view(parameter.handle, parameter.shape);
    const flat = native.view(parameter.handle, [parameter.size]);
    const elements = native.slice(flat, begin, end);
    flat.dispose();
    return elements;
  }

  gradientOf(parameter: Tensor): Tensor | undefined {
    return this.#sharded ? this.#places.get(parameter)!.slot.share : parameter.grad;
  }

  hasGradient(parameter: Tensor): boolean {
    return this.#sharded ? this.#places.get(parameter)!.slot.isPresent : parameter.grad !== undefined;
  }

  /** Begins the pass of a batch. Weights that are shared out can be read until endPass(). */
  beginPass(): void {
    this.weights?.beginPass();
  }

  /**
   * Marks a gradient as final for its batch. Give it to backward() as onGradient. A bucket closes
   * as soon as it and all buckets before it are complete. Its exchange starts then, in the pass of
   * the last batch of this rank or, from `zero` 2 on, in every pass. Parameters without a bucket
   * are ignored.
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
    this.weights?.endPass();
    for (const bucket of this.#buckets) bucket.checkClosed();
    this.#closed = 0;
    this.#passed += 1;
  }

  #close(): void {
    const bucket = this.#buckets[this.#closed]!;
    this.#closed += 1;
    this.weights?.noteClose();
    outsideScopes(() => {
      if (this.#byBatch) {
        this.#receiveOldest();
        this.#sendings.push(bucket.send(this.#passed, this.#communicator));
        return;
      }
      bucket.close(this.batches[this.#passed]!);
      if (this.#overlap && this.#passed === this.#passes - 1) bucket.start(this.#exchange);
    });
  }

  /** Receives what was sent first, so that little is under way when more is sent. */
  #receiveOldest(): void {
    while (this.#sendings.length >= MOST_UNDER_WAY && this.#sendings[0]!.work.block) {
      const sending = this.#sendings.shift()!;
      const startedAt = performance.now();
      sending.work.block!();
      this.#waitedSeconds += (performance.now() - startedAt) / 1000;
      sending.bucket.receive(sending, this.#exchange);
    }
  }

  /**
   * Waits until the sums are there. Ends the pass first, if endPass() was not called. A parameter
   * that has a gradient on no rank stays without one.
   */
  async finish(): Promise<void> {
    if (this.#isPlain) return;
    while (this.#passed < this.#passes) {
      if (this.#passed >= this.batches.length) this.weights?.attendPass(() => this.#close());
      this.endPass();
    }
    await this.#wait(this.#shareWhatIsThere());
    await (this.#byBatch ? this.#finishBatches() : this.#finishSums());
    for (const bucket of this.#buckets) {
      await this.#wait(bucket.gathered());
      bucket.complete(this.#exchange);
    }
  }

  async #finishSums(): Promise<void> {
    for (const bucket of this.#buckets) {
      outsideScopes(() => bucket.start(this.#exchange));
      await this.#wait(bucket.arrive());
      bucket.add(this.#exchange);
    }
  }

  async #finishBatches(): Promise<void> {
    for (const sending of this.#sendings) {
      await this.#wait(sending.work.wait());
      sending.bucket.receive(sending, this.#exchange);
    }
    this.#sendings = [];
    for (const bucket of this.#buckets) bucket.addRounds();
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
    for (const { input, output } of this.#sendings) {
      input.dispose();
      output.dispose();
    }
    this.#sendings = [];
    this.#passed = 0;
    this.#closed = 0;
  }

  /**
   * Updates the parameters, and gives all ranks the elements that each of them has updated: those
   * of a bucket travel while the next bucket is updated. Nothing travels unless the gradients are
   * sharded, nor where the weights are, too.
   * @param change updates these parameters; all without them
   */
  async update(change: (parameters?: ReadonlySet<Tensor>) => void): Promise<void> {
    if (!this.#sharded || this.weights?.isSharedOut) return change();
    const finish = this.#buckets.map((bucket) => {
      change(new Set(bucket.slots.map(({ parameter }) => parameter)));
      return outsideScopes(() => bucket.shareParameters(this.#communicator));
    });
    for (const one of finish) await this.#wait(one());
  }

  /** Frees all gradients. Later gradients have memory of their own again. */
  dispose(): void {
    this.release();
    this.weights?.dispose();
    for (const parameter of this.#places.keys()) parameter.gradMemory = undefined;
  }
}

function numbersOf({ begin, end }: Run): number[] {
  return Array.from({ length: end - begin }, (_, i) => begin + i);
}

/**
 * The most bytes of one of `count` buckets. Each rank owns some whole chunks, so that it makes no
 * difference that the last one is not full.
 */
function bucketLimit(parameters: readonly Tensor[], ranks: number, count: number): number {
  if (ranks === 1) return MOST_BUCKET_BYTES;
  const elements = parameters.reduce((sum, { size }) => sum + size, 0);
  return Math.min(MOST_BUCKET_BYTES, 4 * Math.max(elements / count, 4 * CHUNK * ranks));
}
