/**
 * The outputs of a step on their way between threads. Most are a piece of text and nothing else.
 * Cloning an object for each took ten times as long as a few columns: 170 us of a step of 64 jobs.
 */
import type { JobOutput } from './messages.ts';

export interface PackedOutputs {
  /** f64 `[2 n]`: of each output that is only text, its job and the length of its text. */
  places: Float64Array;
  /** Those texts, one after another. */
  text: string;
  /** The outputs that are more. */
  others: JobOutput[];
}

export function packOutputs(outputs: readonly JobOutput[]): PackedOutputs {
  const others: JobOutput[] = [];
  const places: number[] = [];
  let text = '';
  for (const output of outputs) {
    if (isOnlyText(output)) {
      places.push(output.job, output.text.length);
      text += output.text;
    } else {
      others.push(output);
    }
  }
  return { places: Float64Array.from(places), text, others };
}

/** The outputs again, in another order: a step has at most one per job. */
export function unpackOutputs({ places, text, others }: PackedOutputs): JobOutput[] {
  let at = 0;
  for (let i = 0; i < places.length; i += 2) {
    const end = at + places[i + 1]!;
    others.push({ job: places[i]!, text: text.slice(at, end) });
    at = end;
  }
  return others;
}

function isOnlyText(output: JobOutput): boolean {
  for (const key in output) if (key !== 'job' && key !== 'text') return false;
  return true;
}
