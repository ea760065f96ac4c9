/**
 * Gradients in flat buffers ("buckets"). The ranks sum a whole bucket at once, and they do so while
 * the backward pass still computes the gradients of other buckets (Li et al., "PyTorch
 * Distributed", 2020, 3.2.3). Parameters are assigned in reverse, since the backward pass reaches
 * the last one first. Kernels write gradients into the bucket, so nothing is copied, and its memory
 * exists only from its first gradient to release().
 */
import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import type { NativeTensor } from '../native/binding.ts';
import { type GradMemory, outsideScopes, Tensor } from '../tensor/tensor.ts';
import type { Communicator, Work } from './communicator.ts';

export interface BucketOptions {
  /**
   * The most bytes in a bucket; a larger gradient has a bucket of its own. Default 32 MiB. Between
   * machines, at 25 GB/s, the sum of such a bucket takes over a millisecond, ten times as long as a
   * reduction takes to start. A model of 124M parameters still has a dozen buckets, so the backward
   * pass hides the sums of all but the last.
   */
  bucketBytes?: number;
}

const DEFAULT_BUCKET_BYTES = 32 * 2 ** 20;
/** In elements. A gradient begins at a multiple of 256 bytes, like any allocation on a GPU. */
const ALIGNMENT = 64;

/** The gradients of a model's parameters, summed over the ranks during the backward pass. */
export class GradientBuckets {
  readonly #communicator: Communicator;
  readonly #buckets: readonly Bucket[];
  readonly #bucketOf = new Map<Tensor, Bucket>();
  /** Number of buckets whose reduction has started. Every rank starts them in the same order. */
  #started = 0;

  /**
   * From now on the gradients of the parameters are written into buckets. Throws ERR_STATE when a
   * parameter has its gradient in other buckets.
   * @param parameters in the order of the forward pass
   */
  constructor(
    parameters: readonly Tensor[],
    communicator: Communicator,
    { bucketBytes = DEFAULT_BUCKET_BYTES }: BucketOptions = {},
  ) {
    this.#communicator = communicator;
    this.#buckets = assign([...parameters].reverse(), bucketBytes / 4).map((slots) => new Bucket(slots));
    for (const bucket of this.#buckets) {
      for (const slot of bucket.slots) {
        if (slot.parameter.gradMemory) {
          throw new AthanorError('ERR_STATE', 'a parameter has its gradient in other buckets already');
        }
        slot.parameter.gradMemory = slot;
        this.#bucketOf.set(slot.parameter, bucket);
      }
    }
  }

  /** The parameters of each bucket, in the order in which buckets are reduced. */
  get layout(): readonly (readonly Tensor[])[] {
    return this.#buckets.map(({ slots }) => slots.map(({ parameter }) => parameter));
  }

  /**
   * Marks a gradient as final. Give it to backward() as onGradient in the last pass of an update. A
   * bucket is reduced as soon as it and all buckets before it are complete. Parameters without a
   * bucket are ignored.
   */
  ready(parameter: Tensor): void {
    const bucket = this.#bucketOf.get(parameter);
    if (!bucket || this.#communicator.size === 1) return;
    bucket.missing -= 1;
    while (this.#buckets[this.#started]?.missing === 0) this.#start();
  }

  /**
   * Starts the remaining reductions and waits for all of them. Afterwards every rank has the same
   * gradients. A parameter without a gradient on this rank counts as zeros and gets the sum of the
   * other ranks. On a single rank it stays without a gradient.
   */
  async finish(): Promise<void> {
    if (this.#communicator.size === 1) return;
    while (this.#started < this.#buckets.length) this.#start();
    for (const bucket of this.#buckets) await bucket.wait();
  }

  #start(): void {
    outsideScopes(() => this.#buckets[this.#started]!.start(this.#communicator));
    this.#started += 1;
  }

  /** Frees all gradients, so that the next pass starts anew. */
  release(): void {
    for (const bucket of this.#buckets) bucket.release();
    this.#started = 0;
  }

  /** Frees all gradients. Later gradients have memory of their own again. */
  dispose(): void {
    this.release();
    for (const parameter of this.#bucketOf.keys()) parameter.gradMemory = undefined;
  }
}

/** Fills one bucket after another up to the limit, which is in elements. */
function assign(parameters: readonly Tensor[], limit: number): Tensor[][] {
  const buckets: Tensor[][] = [];
  let room = 0;
  for (const parameter of parameters) {
    const size = padded(parameter.size);
    if (size > room) {
      buckets.push([]);
      room = limit;
    }
    buckets.at(-1)!.push(parameter);
    room -= size;
  }
  return buckets;
}

function padded(size: number): number {
  return Math.ceil(size / ALIGNMENT) * ALIGNMENT;
}

class Bucket {
  readonly slots: readonly Slot[];
  /** Gradients that are not final yet. */
  missing: number;
  readonly #elements: number;
  /** Not a Tensor, because the garbage collector already counts the gradients inside. */
  #memory: NativeTensor | undefined;
  #flat: Tensor | undefined;
  #reduction: Work | undefined;

  constructor(parameters: readonly Tensor[]) {
    let elements = 0;
    this.slots = parameters.map((parameter) => {
      const begin = elements;
      elements += padded(parameter.size);
      return new Slot(parameter, () => this.#view(begin, parameter));
    });
    this.#elements = elements;
    this.missing = parameters.length;
  }

  #view(begin: number, { size, shape }: Tensor): Tensor {
    this.#memory ??= native.empty([this.#elements], 'f32');
    const part = native.slice(this.#memory, begin, begin + size);
    const view = new Tensor(native.view(part, shape), shape, 'f32');
    part.dispose();
    return view;
  }

  start(communicator: Communicator): void {
    for (const slot of this.slots) slot.bringHome();
    this.#flat = new Tensor(native.view(this.#memory!, [this.#elements]), [this.#elements], 'f32');
    this.#reduction = communicator.allReduce(this.#flat);
  }

  async wait(): Promise<void> {
    await this.#reduction?.wait();
    this.#reduction = undefined;
    this.#flat?.dispose();
    this.#flat = undefined;
  }

  release(): void {
    for (const slot of this.slots) slot.release();
    this.#memory?.dispose();
    this.#memory = undefined;
    this.missing = this.slots.length;
  }
}

/** A parameter's part of its bucket. */
class Slot implements GradMemory {
  readonly parameter: Tensor;
  readonly #view: () => Tensor;
  #taken: Tensor | undefined;

  constructor(parameter: Tensor, view: () => Tensor) {
    this.parameter = parameter;
    this.#view = view;
  }

  take(): Tensor | undefined {
    if (this.#taken && !this.#taken.disposed) return undefined;
    this.#taken = this.#view();
    return this.#taken;
  }

  /** Makes the bucket hold the gradient: zeros if there is none, a copy if it lies elsewhere. */
  bringHome(): void {
    const { parameter } = this;
    const { grad } = parameter;
    if (grad && grad === this.#taken) return;
    this.#taken?.dispose();
    const home = this.take()!;
    if (grad) native.copyInto(home.handle, grad.handle);
    else native.fillInto(home.handle, 0);
    grad?.dispose();
    parameter.grad = home;
  }

  release(): void {
    this.parameter.grad?.dispose();
    this.parameter.grad = undefined;
    this.#taken?.dispose();
    this.#taken = undefined;
  }
}
