/** The communicator of a run of several processes, over an engine in native/comm. */
import { AthanorError } from '../base/errors.ts';
import type { CollectiveName, NativeCommunicator, NativeNccl } from '../native/binding/comm.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Communicator, Piece, Work } from './communicator.ts';
import { checkExchange, checkParts, checkPieces, checkRoot, checkSummed } from './operands.ts';

/** Ranks that are connected; join() makes it. */
export class EngineCommunicator implements Communicator {
  readonly rank: number;
  readonly size: number;
  readonly #engine: NativeCommunicator;
  /** Has the operations on tensors where those are on GPUs. */
  readonly #nccl: NativeNccl | undefined;

  /** @param engine after its connect() */
  constructor(engine: NativeCommunicator, nccl?: NativeNccl) {
    this.#engine = engine;
    this.#nccl = nccl;
    this.rank = engine.rank();
    this.size = engine.size();
  }

  allReduce(tensor: Tensor, name = ''): Work {
    checkSummed(called('allReduce', name), tensor);
    return this.#start('allReduce', tensor, tensor, name);
  }

  reduceScatter(input: Tensor, output: Tensor, name = ''): Work {
    const operation = called('reduceScatter', name);
    checkSummed(operation, input);
    checkParts(operation, { whole: input, part: output, size: this.size });
    return this.#start('reduceScatter', input, output, name);
  }

  allGather(input: Tensor, output: Tensor, name = ''): Work {
    checkParts(called('allGather', name), { whole: output, part: input, size: this.size });
    return this.#start('allGather', input, output, name);
  }

  allToAll(input: Tensor, output: Tensor, name = ''): Work {
    checkExchange(called('allToAll', name), input, output, this.size);
    return this.#start('allToAll', input, output, name);
  }

  broadcast(tensor: Tensor, root: number, name = ''): Work {
    checkRoot(called('broadcast', name), root, this.size);
    return this.#start('broadcast', tensor, tensor, name, root);
  }

  async sum(values: readonly number[], name = 'sum'): Promise<number[]> {
    const all = await this.gather(values, name);
    const counts = new Set(all.map((one) => one.length));
    if (counts.size > 1) {
      const list = all.map((one) => one.length).join(', ');
      throw new AthanorError('ERR_MISMATCH', `[${name}] the ranks give ${list} numbers to sum`);
    }
    return values.map((_, i) => all.reduce((total, one) => total + one[i]!, 0));
  }

  async gather(values: readonly number[], name = 'gather'): Promise<number[][]> {
    const mine = new Uint8Array(Float64Array.from(values).buffer);
    const all = await this.#engine.wait(this.#engine.startGather(mine, name));
    return all.map((bytes) => [...new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8)]);
  }

  async gatherText(text: string, name = 'gatherText'): Promise<string[]> {
    const all = await this.#engine.wait(this.#startGather(text, name));
    return all.map((bytes) => new TextDecoder().decode(bytes));
  }

  async barrier(name = 'barrier'): Promise<void> {
    await this.#engine.wait(this.#engine.startGather(new Uint8Array(), name));
  }

  async close(): Promise<void> {
    await this.barrier('close');
    this.#nccl?.close();
    await this.#engine.close();
  }

  broadcastEach(pieces: readonly Piece[], name = ''): Work {
    checkPieces(called('broadcastEach', name), pieces, this.size);
    if (pieces.length === 0) return { wait: async () => {}, block: () => {} };
    const handles = pieces.map(({ tensor }) => tensor.handle);
    const roots = pieces.map(({ root }) => root);
    if (!this.#nccl) return this.#work(this.#engine.startEach(handles, roots, name));
    const work = this.#nccl.startEach(handles, roots, name);
    const sizes = pieces.map(({ tensor, root }) => `${tensor.size} from rank ${root}`);
    return this.#meetOnGpu(this.#nccl, work, `broadcastEach of ${sizes.join(', ')}`, name);
  }

  #start(operation: CollectiveName, input: Tensor, output: Tensor, name: string, root = 0): Work {
    if (!this.#nccl)
      return this.#work(this.#engine.start(operation, input.handle, output.handle, root, name));
    const work = this.#nccl.start(operation, input.handle, output.handle, root, name);
    const from = operation === 'broadcast' ? ` from rank ${root}` : '';
    const text = `${operation}${from} of ${Math.max(input.size, output.size)} ${input.dtype}`;
    return this.#meetOnGpu(this.#nccl, work, text, name);
  }

  #work(work: number): Work {
    return {
      wait: async () => {
        await this.#engine.wait(work);
      },
      block: () => {
        this.#engine.block(work);
      },
    };
  }

  /**
   * NCCL would wait for ever for a rank that does not come, or that comes with another operation.
   * So the ranks also tell each other over the engine what they have started, and the GPU's other
   * work does not wait for an operation before all have.
   */
  #meetOnGpu(nccl: NativeNccl, work: number, text: string, name: string): Work {
    const started = name ? `'${name}' (${text})` : text;
    const arrival = this.#startGather(started, started);
    this.#engine
      .watch(arrival)
      .then((all) => this.#checkSame(started, all))
      .catch(() => nccl.abort()); // wait() or block() reports it
    return {
      wait: async () => {
        this.#checkSame(started, await this.#engine.wait(arrival));
        nccl.wait(work);
      },
      block: () => {
        this.#checkSame(started, this.#engine.block(arrival));
        nccl.wait(work);
      },
    };
  }

  #checkSame(started: string, all: readonly Uint8Array[]): void {
    const texts = all.map((bytes) => new TextDecoder().decode(bytes));
    const other = texts.findIndex((one) => one !== started);
    if (other < 0) return;
    throw new AthanorError(
      'ERR_MISMATCH',
      `${started} on rank ${this.rank} meets ${texts[other]} on rank ${other}`,
      'let all ranks start the same operations in the same order',
    );
  }

  #startGather(text: string, name: string): number {
    return this.#engine.startGather(new TextEncoder().encode(text), name);
  }
}

/** How errors name an operation. */
function called(operation: CollectiveName | 'broadcastEach', name: string): string {
  return name === '' ? operation : `${operation} '${name}'`;
}
