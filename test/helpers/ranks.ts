/** Several ranks in one process: their collective calls meet in memory. */
import type { Communicator, Piece, Work } from '../../src/comm/communicator.ts';
import { checkExchange, checkParts, checkRoot, checkSummed } from '../../src/comm/operands.ts';
import type { TypedArray } from '../../src/native/binding.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';

/** What one rank brings to a call; `key` has to be equal on all ranks. */
interface Contribution {
  key: string;
  value: unknown;
}

/** The calls of all ranks with one number. */
interface Meeting {
  contributions: (Contribution | undefined)[];
  arrived: number;
  done: Promise<void>;
  finish: () => void;
  fail: (error: Error) => void;
}

/** A call as the log hears of it, when the first rank starts it. */
export interface LoggedCall {
  operation: string;
  /** Elements of the larger tensor, or how many numbers; 0 for texts and barriers. */
  elements: number;
  name: string | undefined;
}

/**
 * One communicator a rank. `log` hears of each operation on tensors as rank 0 starts it, with its
 * number of elements.
 */
export function ranksInProcess(
  size: number,
  log?: (elements: number, call: LoggedCall) => void,
): Communicator[] {
  const meetings: Meeting[] = [];
  return Array.from({ length: size }, (_, rank) => new RankInProcess(rank, size, meetings, log));
}

class RankInProcess implements Communicator {
  #calls = 0;
  #closed = false;

  constructor(
    readonly rank: number,
    readonly size: number,
    readonly meetings: Meeting[],
    readonly log?: (elements: number, call: LoggedCall) => void,
  ) {}

  allReduce(tensor: Tensor, name?: string): Work {
    checkSummed('allReduce', tensor);
    const call = this.#start('allReduce', tensor, tensor.toFloats(), name);
    return work(call, (all) => tensor.writeFloats(summed(all as Float32Array[])));
  }

  reduceScatter(input: Tensor, output: Tensor, name?: string): Work {
    checkSummed('reduceScatter', input);
    checkParts('reduceScatter', { whole: input, part: output, size: this.size });
    const call = this.#start('reduceScatter', input, input.toFloats(), name);
    return work(call, (all) => {
      output.writeFloats(summed(all.map((values) => this.#part(values as Float32Array, this.rank))));
    });
  }

  allGather(input: Tensor, output: Tensor, name?: string): Work {
    checkParts('allGather', { whole: output, part: input, size: this.size });
    const call = this.#start('allGather', output, input.read(), name);
    return work(call, (all) => output.write(joined(all as TypedArray[])));
  }

  allToAll(input: Tensor, output: Tensor, name?: string): Work {
    checkExchange('allToAll', input, output, this.size);
    const call = this.#start('allToAll', input, input.read(), name);
    return work(call, (all) => {
      const others = all.filter((_, rank) => rank !== this.rank);
      if (others.length === 0) return;
      output.write(joined(others.map((values) => this.#part(values as TypedArray, this.rank))));
    });
  }

  broadcast(tensor: Tensor, root: number, name?: string): Work {
    checkRoot('broadcast', root, this.size);
    const call = this.#start(`broadcast from ${root}`, tensor, tensor.read(), name);
    return work(call, (all) => tensor.write(all[root] as TypedArray));
  }

  broadcastEach(pieces: readonly Piece[], name?: string): Work {
    const all = pieces.map(({ tensor, root }) => this.broadcast(tensor, root, name));
    return { wait: async () => void (await Promise.all(all.map((one) => one.wait()))) };
  }

  async sum(values: readonly number[]): Promise<number[]> {
    const all = (await this.#meet(`sum of ${values.length}`, [...values])) as number[][];
    return values.map((_, i) => all.reduce((total, one) => total + one[i]!, 0));
  }

  async gather(values: readonly number[]): Promise<number[][]> {
    return ((await this.#meet('gather', [...values])) as number[][]).map((one) => [...one]);
  }

  async gatherText(text: string): Promise<string[]> {
    return (await this.#meet('gatherText', text)) as string[];
  }

  async barrier(): Promise<void> {
    await this.#meet('barrier', undefined);
  }

  async close(): Promise<void> {
    await this.barrier();
    this.#closed = true;
  }

  #part<T extends TypedArray>(values: T, rank: number): T {
    const length = values.length / this.size;
    return values.slice(rank * length, (rank + 1) * length) as T;
  }

  #start(operation: string, tensor: Tensor, value: TypedArray, name?: string): Promise<unknown[]> {
    if (this.rank === 0) this.log?.(tensor.size, { operation, elements: tensor.size, name });
    return this.#meet(`${operation} of ${tensor.size} ${tensor.dtype}`, value);
  }

  async #meet(key: string, value: unknown): Promise<unknown[]> {
    if (this.#closed) throw new Error(`rank ${this.rank} starts ${key} after close()`);
    const index = this.#calls++;
    this.meetings[index] ??= newMeeting(this.size);
    const meeting = this.meetings[index]!;
    const other = meeting.contributions.findIndex((one) => one !== undefined && one.key !== key);
    if (other >= 0) {
      const text = `rank ${this.rank} brings ${key} where rank ${other} brings ${meeting.contributions[other]!.key}`;
      meeting.fail(new Error(text));
    }
    meeting.contributions[this.rank] = { key, value };
    meeting.arrived += 1;
    if (meeting.arrived === this.size) meeting.finish();
    await meeting.done;
    return meeting.contributions.map((one) => one!.value);
  }
}

function work(call: Promise<unknown[]>, finish: (all: unknown[]) => void): Work {
  call.catch(() => {}); // wait() reports it
  return { wait: async () => finish(await call) };
}

/** In rank order, each step rounded to f32, as every engine sums. */
function summed(all: readonly Float32Array[]): Float32Array {
  const total = Float32Array.from(all[0]!);
  for (const values of all.slice(1)) for (let i = 0; i < total.length; ++i) total[i]! += values[i]!;
  return total;
}

function joined(parts: readonly TypedArray[]): TypedArray {
  const first = parts[0]!;
  const length = parts.reduce((total, part) => total + part.length, 0);
  const out = new (first.constructor as new (length: number) => TypedArray)(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function newMeeting(size: number): Meeting {
  let finish: Meeting['finish'] = () => {};
  let fail: Meeting['fail'] = () => {};
  const done = new Promise<void>((resolve, reject) => {
    finish = resolve;
    fail = reject;
  });
  done.catch(() => {}); // each rank reports it
  return { contributions: Array.from({ length: size }, () => undefined), arrived: 0, done, finish, fail };
}
