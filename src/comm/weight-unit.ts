/** Weights that are gathered together: this rank's part of them, and all of them for some time. */
import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import type { NativeTensor } from '../native/binding.ts';
import { outsideScopes, type Residence, Tensor } from '../tensor/tensor.ts';
import { type BucketLayout, ownedRun, type Placed } from './bucket-layout.ts';
import type { Communicator, Work } from './communicator.ts';

export class WeightUnit {
  readonly #layout: BucketLayout;
  readonly #communicator: Communicator;
  readonly #name: string;
  readonly #placed: ReadonlyMap<Tensor, Placed>;
  /** `[partSize]` */
  #part: Tensor | undefined;
  #gathering: { work: Work; output: Tensor } | undefined;
  /** Every weight as a whole, while the unit is here. */
  #whole: Map<Tensor, NativeTensor> | undefined;

  /** @param kind operations read at most two units of a kind at once */
  constructor(
    layout: BucketLayout,
    communicator: Communicator,
    name: string,
    readonly kind: string,
  ) {
    this.#layout = layout;
    this.#communicator = communicator;
    this.#name = name;
    this.#placed = new Map(layout.placed.map((placed) => [placed.parameter, placed]));
  }

  get tensors(): Iterable<Tensor> {
    return this.#placed.keys();
  }

  get partBytes(): number {
    return this.#layout.partSize * (this.#layout.dtype === 'bf16' ? 2 : 4);
  }

  /** Of the whole unit. */
  get bytes(): number {
    return this.#communicator.size * this.partBytes;
  }

  /** Copies this rank's elements, and moves the weights to `residence`. */
  shareOut(residence: Residence): void {
    const { dtype, partSize } = this.#layout;
    this.#part = outsideScopes(() => new Tensor(native.empty([partSize], dtype), [partSize], dtype));
    for (const tensor of this.tensors) {
      const { begin, end } = this.#run(tensor);
      if (begin < end) {
        const flat = native.view(tensor.handle, [tensor.size]);
        const own = native.slice(flat, begin, end);
        const target = this.#ownElements(tensor);
        native.copyInto(target, own);
        for (const view of [target, own, flat]) view.dispose();
      }
      tensor.moveTo(residence);
    }
  }

  #run(tensor: Tensor) {
    return ownedRun(this.#layout, this.#placed.get(tensor)!, this.#communicator.rank);
  }

  /** This rank's elements of a weight, flat. */
  #ownElements(tensor: Tensor): NativeTensor {
    const { begin, end } = this.#run(tensor);
    const at = this.#placed.get(tensor)!.begin - this.#communicator.rank * this.#layout.partSize;
    return native.slice(this.#part!.handle, at + begin, at + end);
  }

  /** The same, in the shape of their gradient. */
  elementsOf(tensor: Tensor): NativeTensor {
    const flat = this.#ownElements(tensor);
    const { begin, end } = this.#run(tensor);
    if (end - begin < tensor.size) return flat;
    const shaped = native.view(flat, tensor.shape);
    flat.dispose();
    return shaped;
  }

  /** Starts to gather the unit, unless it is here or on its way. */
  start(): void {
    if (this.#whole || this.#gathering) return;
    outsideScopes(() => {
      const output = new Tensor(
        native.empty([this.#communicator.size * this.#layout.partSize], this.#layout.dtype),
      );
      this.#gathering = { output, work: this.#communicator.allGather(this.#part!, output, this.#name) };
    });
  }

  /** Waits until the unit is here. This thread stands still meanwhile. */
  block(): void {
    if (!this.#gathering) return;
    const { work } = this.#gathering;
    if (!work.block) {
      throw new AthanorError(
        'ERR_OPTION',
        '`zero` 3 gathers weights in the middle of a pass, and this communicator has no `block` for that',
        'take the communicator of joinRanks, or choose `zero` 2',
      );
    }
    work.block();
    this.#arrive();
  }

  /** Waits until the unit is here. */
  async wait(): Promise<void> {
    if (!this.#gathering) return;
    await this.#gathering.work.wait();
    this.#arrive();
  }

  #arrive(): void {
    const { output } = this.#gathering!;
    this.#gathering = undefined;
    this.#whole = new Map(
      [...this.#placed].map(([tensor, { begin }]) => {
        const flat = native.slice(output.handle, begin, begin + tensor.size);
        const whole = native.view(flat, tensor.shape);
        flat.dispose();
        return [tensor, whole];
      }),
    );
    output.dispose();
  }

  /** Throws ERR_INTERNAL when the unit is not here. */
  handleOf(tensor: Tensor): NativeTensor {
    const handle = this.#whole?.get(tensor);
    if (handle) return handle;
    throw new AthanorError(
      'ERR_INTERNAL',
      `the weights of ${this.#name} were freed before their last use`,
      'please report this with the command and the output of athanor info',
    );
  }

  /** Frees the whole weights. One that is on its way is waited for. */
  drop(): void {
    this.block();
    for (const handle of this.#whole?.values() ?? []) handle.dispose();
    this.#whole = undefined;
  }

  /** Gives the weights what is here, and gives up this rank's part. */
  bringBack(): void {
    for (const [tensor, handle] of this.#whole!) tensor.moveBack(handle);
    this.#whole = undefined;
    this.#freePart();
  }

  #freePart(): void {
    this.#part?.dispose();
    this.#part = undefined;
  }

  /** Frees everything. */
  dispose(): void {
    for (const handle of this.#whole?.values() ?? []) handle.dispose();
    this.#whole = undefined;
    this.#gathering?.output.dispose();
    this.#gathering = undefined;
    this.#freePart();
  }
}
