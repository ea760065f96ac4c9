/** Several ranks in one process: their collective calls meet in memory. */
import type { Communicator } from '../../src/comm/communicator.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';

/** The calls of all ranks with one number, and what they come to. */
interface Meeting {
  values: (Float64Array | undefined)[];
  done: Promise<Float64Array>;
  finish: (sum: Float64Array) => void;
}

/**
 * One communicator a rank. `log` hears of each reduction as the first rank starts it, with its
 * number of elements.
 */
export function ranksInProcess(size: number, log?: (elements: number) => void): Communicator[] {
  const meetings: Meeting[] = [];
  const meet = (index: number, rank: number, values: Float64Array): Promise<Float64Array> => {
    meetings[index] ??= newMeeting(size);
    const meeting = meetings[index]!;
    const other = meeting.values.find((one) => one !== undefined);
    if (other && other.length !== values.length) {
      throw new Error(`rank ${rank} brings ${values.length} values where another brings ${other.length}`);
    }
    meeting.values[rank] = values;
    if (meeting.values.every((one) => one !== undefined)) {
      meeting.finish(values.map((_, i) => meeting.values.reduce((sum, one) => sum + one![i]!, 0)));
    }
    return meeting.done;
  };
  return Array.from({ length: size }, (_, rank): Communicator => {
    let calls = 0;
    return {
      rank,
      size,
      allReduce: (tensor: Tensor) => {
        if (rank === 0) log?.(tensor.size);
        const sum = meet(calls++, rank, Float64Array.from(tensor.toFloats()));
        return { wait: async () => tensor.write(Float32Array.from(await sum)) };
      },
      sum: async (values) => [...(await meet(calls++, rank, Float64Array.from(values)))],
    };
  });
}

function newMeeting(size: number): Meeting {
  let finish: Meeting['finish'] = () => {};
  const done = new Promise<Float64Array>((resolve) => {
    finish = resolve;
  });
  return { values: Array.from({ length: size }, () => undefined), done, finish: (sum) => finish(sum) };
}
