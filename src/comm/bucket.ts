/** One flat buffer of gradients: its memory in a pass, the sums of batches, and the exchange. */
import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import type { NativeTensor } from '../native/binding.ts';
import { type GradMemory, outsideScopes, Tensor } from '../tensor/tensor.ts';
import { appendBatch, type BatchSum, batchesOfRank, subtreesOf, totalOf } from './batch-sums.ts';
import { type BucketLayout, ownedRun, type Placed } from './bucket-layout.ts';
import type { Communicator, Work } from './communicator.ts';

/** How the buckets of an update are exchanged. */
export interface Exchange {
  communicator: Communicator;
  /** Batches of an update, over all ranks. */
  batches: number;
  /** Whether each rank keeps its own part of the sums only. */
  sharded: boolean;
}

/** The gradients of one batch, on their way to the ranks that own them. */
export interface Sending {
  bucket: Bucket;
  /** All ranks send their batch of a round at once. */
  round: number;
  work: Work;
  input: Tensor;
  output: Tensor;
}

export class Bucket {
  readonly layout: BucketLayout;
  readonly slots: readonly Slot[];
  /** Gradients of the current pass that are not final yet. */
  missing: number;
  readonly #elements: number;
  readonly #name: string;
  /** Not a Tensor, because the garbage collector already counts the gradients inside. */
  #memory: NativeTensor | undefined;
  /**
   * The sums of the batches of this rank, of the whole bucket. Of buckets that are sent batch by
   * batch: the sums of batches of all ranks, f32 `[partSize]`.
   */
  #sums: BatchSum<NativeTensor>[] = [];
  #arriving: { work: Work; input: Tensor; output: Tensor }[] | undefined;
  /** The sum of all batches: this rank's part, f32 `[partSize]`. */
  #part: NativeTensor | undefined;
  #gathering: { work: Work; tensors: Tensor[] } | undefined;

  constructor(layout: BucketLayout, ranks: number, name: string) {
    this.layout = layout;
    this.#name = name;
    this.#elements = ranks * layout.partSize;
    this.slots = layout.placed.map((placed) => new Slot(placed, () => this.#view(placed)));
    this.missing = this.slots.length;
  }

  #view({ begin, parameter: { size, shape } }: Placed): Tensor {
    this.#memory ??= native.empty([this.#elements], 'f32');
    return shaped(this.#memory, begin, size, shape);
  }

  /** Takes the gradients of a batch out of the parameters, and adds them to those before. */
  close(batch: number): void {
    appendBatch(this.#sums, batch, this.#takeGradients(), addInPlace);
  }

  #takeGradients(): NativeTensor {
    for (const slot of this.slots) slot.bringHome();
    for (const slot of this.slots) slot.leave();
    const gradients = this.#memory!;
    this.#memory = undefined;
    return gradients;
  }

  /** The same for buckets that are sent batch by batch. A rank without a batch sends zeros. */
  send(round: number, communicator: Communicator): Sending {
    const gradients = this.#takeGradients();
    const input = shaped(gradients, 0, this.#elements, [this.#elements]);
    gradients.dispose();
    const output = this.#memoryOfOthers();
    const work = communicator.allToAll(input, output, this.#name);
    return { bucket: this, round, work, input, output };
  }

  /** For what the other ranks send. */
  #memoryOfOthers(): Tensor {
    return new Tensor(native.empty([this.#elements - this.layout.partSize], 'f32'));
  }

  /** Adds what has arrived to the sums of earlier rounds. */
  receive(sending: Sending, { communicator, batches }: Exchange): void {
    const { rank: me, size } = communicator;
    const { round, input, output } = sending;
    const parts = new ArrivedParts(this.layout.partSize, me);
    for (let rank = 0; rank < size && round * size + rank < batches; ++rank) {
      appendBatch(this.#sums, round * size + rank, parts.take(rank, input, output), parts.add);
    }
    for (const sum of this.#sums) sum.value = parts.keep(sum.value);
    input.dispose();
    output.dispose();
  }

  /** Adds up the rounds. */
  addRounds(): void {
    this.#part = totalOf(this.#sums, addInPlace)!;
    this.#sums = [];
  }

  /** Throws ERR_INTERNAL when a gradient came after close(). */
  checkClosed(): void {
    if (this.#memory || this.slots.some(({ parameter }) => parameter.grad)) {
      throw new AthanorError(
        'ERR_INTERNAL',
        'a gradient came after it was marked as final',
        'please report this with the command and the output of athanor info',
      );
    }
    this.missing = this.slots.length;
  }

  /** Starts to send each rank its part of the sums of this rank. Does nothing the second time. */
  start({ communicator, batches }: Exchange): void {
    if (communicator.size === 1) return;
    const rounds = Math.max(
      ...Array.from(
        { length: communicator.size },
        (_, rank) => subtreesOf(batchesOfRank(batches, rank, communicator.size)).length,
      ),
    );
    this.#arriving ??= Array.from({ length: rounds }, (_, round) => {
      // A rank with fewer sums takes part in all rounds. What it sends then is not read.
      const { value } = this.#sums[round] ?? this.#sums[0]!;
      const input = shaped(value, 0, this.#elements, [this.#elements]);
      const output = this.#memoryOfOthers();
      return { input, output, work: communicator.allToAll(input, output, this.#name) };
    });
  }

  /** Waits for the parts of the other ranks. */
  async arrive(): Promise<void> {
    for (const { work } of this.#arriving ?? []) await work.wait();
  }

  /** Adds up what has arrived. */
  add(exchange: Exchange): void {
    if (!this.#arriving) {
      this.#memory = totalOf(this.#sums, addInPlace)!;
      this.#sums = [];
      return;
    }
    const { rank: me, size } = exchange.communicator;
    // Where all ranks get all sums, the own ones lie in their place among them from the start.
    if (!exchange.sharded) this.#memory = native.empty([this.#elements], 'f32');
    const home = this.#memory && this.#partIn(this.#memory, me);
    const parts = new ArrivedParts(this.layout.partSize, me, home);
    const sums = this.#arriving.flatMap(({ input, output }, round) =>
      Array.from({ length: size }, (_, rank) => {
        const sum = subtreesOf(batchesOfRank(exchange.batches, rank, size))[round];
        return sum ? [{ ...sum, value: parts.take(rank, input, output) }] : [];
      }).flat(),
    );
    this.#part = parts.keep(totalOf(sums, parts.add)!);
    this.#dropExchange();
    if (!exchange.sharded) this.#gather(exchange.communicator);
  }

  #partIn(memory: NativeTensor, rank: number): NativeTensor {
    const { partSize } = this.layout;
    return native.slice(memory, rank * partSize, (rank + 1) * partSize);
  }

  #gather(communicator: Communicator): void {
    const part = this.#part!;
    this.#part = undefined;
    outsideScopes(() => {
      const input = new Tensor(part);
      const output = shaped(this.#memory!, 0, this.#elements, [this.#elements]);
      const work = communicator.allGather(input, output, this.#name);
      this.#gathering = { work, tensors: [input, output] };
    });
  }

  /** Waits for all parts of the sums, where this rank gets all of them. */
  async gathered(): Promise<void> {
    await this.#gathering?.work.wait();
  }

  /** Gives the parameters their gradients, or shares of them. */
  complete({ sharded, communicator }: Exchange): void {
    for (const tensor of this.#gathering?.tensors ?? []) tensor.dispose();
    this.#gathering = undefined;
    for (const slot of this.slots) {
      if (!slot.isPresent) continue;
      if (!sharded) slot.arrive();
      else slot.share = this.#shareOf(slot, communicator.rank);
    }
  }

  #shareOf({ placed, parameter }: Slot, rank: number): Tensor | undefined {
    const { begin, end } = ownedRun(this.layout, placed, rank);
    if (begin === end) return undefined;
    const shape = end - begin === parameter.size ? parameter.shape : [end - begin];
    const at = placed.begin + begin - rank * this.layout.partSize;
    return outsideScopes(() => shaped(this.#part!, at, end - begin, shape));
  }

  /**
   * Starts to give all ranks the elements that each of them owns. The result waits for them.
   */
  shareParameters(communicator: Communicator): () => Promise<void> {
    const pieces: { tensor: Tensor; root: number }[] = [];
    for (const placed of this.layout.placed) {
      const { size, handle, dtype } = placed.parameter;
      const flat = native.view(handle, [size]);
      for (let root = 0; root < communicator.size; ++root) {
        const { begin, end } = ownedRun(this.layout, placed, root);
        if (begin === end) continue;
        pieces.push({ tensor: new Tensor(native.slice(flat, begin, end), [end - begin], dtype), root });
      }
      flat.dispose();
    }
    const work = communicator.broadcastEach(pieces, this.#name.replace('gradients', 'parameters'));
    return async () => {
      await work.wait();
      for (const { tensor } of pieces) tensor.dispose();
    };
  }

  #dropExchange(): void {
    for (const { input, output } of this.#arriving ?? []) {
      input.dispose();
      output.dispose();
    }
    this.#arriving = undefined;
    for (const { value } of this.#sums) value.dispose();
    this.#sums = [];
  }

  release(): void {
    this.#dropExchange();
    for (const slot of this.slots) slot.release();
    this.#memory?.dispose();
    this.#memory = undefined;
    this.#part?.dispose();
    this.#part = undefined;
    this.missing = this.slots.length;
  }
}

function addInPlace(left: NativeTensor, right: NativeTensor): NativeTensor {
  native.addScaledInto(left, right, 1);
  right.dispose();
  return left;
}

/**
 * What arrived from the ranks, in the memory of an exchange. Sums get memory of their own, so that
 * the rest can be freed. The own part does not travel: it lies in what this rank has sent.
 */
class ArrivedParts {
  readonly #partSize: number;
  readonly #me: number;
  #home: NativeTensor | undefined;
  readonly #arrived = new Set<NativeTensor>();

  /** @param home memory of the total; default: new memory */
  constructor(partSize: number, me: number, home?: NativeTensor) {
    this.#partSize = partSize;
    this.#me = me;
    this.#home = home;
  }

  /** The part that a rank sent, of which the others' lie in `output`. */
  take(rank: number, input: Tensor, output: Tensor): NativeTensor {
    const memory = rank === this.#me ? input : output;
    const place = memory === output && rank > this.#me ? rank - 1 : rank;
    const part = native.slice(memory.handle, place * this.#partSize, (place + 1) * this.#partSize);
    this.#arrived.add(part);
    return part;
  }

  readonly add = (left: NativeTensor, right: NativeTensor): NativeTensor => {
    if (!this.#arrived.has(left)) return addInPlace(left, right);
    const sum = this.#ownMemory();
    native.axpbyInto(sum, left, 1, right, 1);
    left.dispose();
    right.dispose();
    return sum;
  };

  /** The value in memory of its own. */
  keep(value: NativeTensor): NativeTensor {
    if (!this.#arrived.has(value)) return value;
    const kept = this.#ownMemory();
    native.copyInto(kept, value);
    value.dispose();
    return kept;
  }

  /** The first sum is the leftmost of the tree, to which all others are added in the end. */
  #ownMemory(): NativeTensor {
    const memory = this.#home ?? native.empty([this.#partSize], 'f32');
    this.#home = undefined;
    return memory;
  }
}

/** Some elements of flat memory as a tensor of a shape. */
function shaped(memory: NativeTensor, begin: number, size: number, shape: readonly number[]): Tensor {
  const part = native.slice(memory, begin, begin + size);
  const tensor = new Tensor(native.view(part, shape), shape, 'f32');
  part.dispose();
  return tensor;
}

/** A parameter's part of its bucket. */
export class Slot implements GradMemory {
  readonly placed: Placed;
  /** Whether a batch of the update has a gradient. */
  isPresent = false;
  /** Where gradients are sharded: the sums of the elements that this rank owns. */
  share: Tensor | undefined;
  readonly #view: () => Tensor;
  #taken: Tensor | undefined;

  constructor(placed: Placed, view: () => Tensor) {
    this.placed = placed;
    this.#view = view;
  }

  get parameter(): Tensor {
    return this.placed.parameter;
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
    if (grad) this.isPresent = true;
    if (grad && grad === this.#taken) return;
    this.#taken?.dispose();
    const home = this.take()!;
    if (grad) native.copyInto(home.handle, grad.handle);
    else native.fillInto(home.handle, 0);
    grad?.dispose();
    parameter.grad = home;
  }

  /** Leaves the gradient to the bucket. The parameter has none then. */
  leave(): void {
    this.parameter.grad?.dispose();
    this.parameter.grad = undefined;
    this.#taken?.dispose();
    this.#taken = undefined;
  }

  /** Gives the parameter what the bucket holds now. */
  arrive(): void {
    this.parameter.grad = outsideScopes(() => this.take()!);
  }

  release(): void {
    this.leave();
    this.share?.dispose();
    this.share = undefined;
    this.isPresent = false;
  }
}
