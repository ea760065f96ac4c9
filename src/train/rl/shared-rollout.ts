/**
 * The responses of a rollout, shared out among ranks. Each rank draws and scores a run of whole
 * groups, and gets the results of the others. So the statistics of a rollout are over all of its
 * responses, in the order of its prompts, on every rank.
 */
import { concatFloats } from '../../base/concat.ts';
import { AthanorError } from '../../base/errors.ts';
import { batchesOfRank, type Run } from '../../comm/batch-sums.ts';
import type { Communicator } from '../../comm/communicator.ts';
import { type ResponseSequence, responseLength } from '../../scoring/sequences.ts';
import type { DrawnResponses, ResponseScores } from './sampled-responses.ts';

/** Responses with the scores of the reward source. */
export interface ScoredResponses {
  drawn: DrawnResponses;
  scored: Omit<ResponseScores, 'scores'>;
}

/**
 * @param size how many responses there are in all, and in a group
 * @param make draws and scores a run of them
 * Throws what make throws. When it throws on another rank: ERR_STATE with that rank and its message.
 */
export async function sharedRollout(
  communicator: Communicator,
  { count, group }: { count: number; group: number },
  make: (run: Run) => Promise<ScoredResponses>,
): Promise<ScoredResponses> {
  const { rank, size } = communicator;
  if (size === 1) return make({ begin: 0, end: count });
  const { begin, end } = batchesOfRank(count / group, rank, size);
  const own = await together(communicator, () => make({ begin: begin * group, end: end * group }));
  const parts = await communicator.gather(packed(own), 'responses');
  return joined(parts.map(unpacked));
}

/** Runs body on every rank; throws on all of them when it throws on one. */
async function together<T>(communicator: Communicator, body: () => Promise<T>): Promise<T> {
  let outcome: { value: T } | { error: unknown };
  try {
    outcome = { value: await body() };
  } catch (error) {
    outcome = { error };
  }
  const failed = 'error' in outcome;
  const text = failed ? `failed: ${messageOf((outcome as { error: unknown }).error)}` : '';
  const texts = await communicator.gatherText(text, 'errors of responses');
  if ('error' in outcome) throw outcome.error;
  const other = texts.findIndex((one) => one !== '');
  if (other < 0) return outcome.value;
  throw new AthanorError('ERR_STATE', `the responses of rank ${other} ${texts[other]}`, 'see its error');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The fields of a response in the numbers that ranks exchange; its tokens follow. */
const HEAD = 4;

function packed({ drawn, scored }: ScoredResponses): number[] {
  const { sequences, logProbs, drawnLogProbs, seconds } = drawn;
  return [
    ...[sequences.length, drawnLogProbs ? 1 : 0, seconds, scored.scoringSeconds],
    ...sequences.flatMap(({ prompt, promptLength, finished, tokens }) => {
      return [prompt, promptLength, finished ? 1 : 0, tokens.length, ...tokens];
    }),
    ...logProbs,
    ...scored.referenceLogProbs,
    ...scored.rawScores,
    ...(drawnLogProbs ?? []),
  ];
}

function unpacked(numbers: readonly number[]): ScoredResponses {
  const [count, hasDrawn, seconds, scoringSeconds] = numbers as [number, number, number, number];
  let at = HEAD;
  const sequences = Array.from({ length: count }, (): ResponseSequence => {
    const [prompt, promptLength, finished, length] = numbers.slice(at, at + HEAD) as [
      number,
      number,
      number,
      number,
    ];
    const tokens = Int32Array.from(numbers.slice(at + HEAD, at + HEAD + length));
    at += HEAD + length;
    return { prompt, tokens, promptLength, finished: finished === 1 };
  });
  const floats = (length: number) => {
    at += length;
    return Float32Array.from(numbers.slice(at - length, at));
  };
  const tokens = sequences.reduce((sum, sequence) => sum + responseLength(sequence), 0);
  const [logProbs, referenceLogProbs, rawScores] = [floats(tokens), floats(tokens), floats(count)];
  const drawn = { sequences, logProbs, seconds, ...(hasDrawn && { drawnLogProbs: floats(tokens) }) };
  return { drawn, scored: { referenceLogProbs, rawScores, scoringSeconds } };
}

/** The responses of all ranks. The times are those of the slowest rank. */
function joined(parts: readonly ScoredResponses[]): ScoredResponses {
  const floats = (of: (part: ScoredResponses) => Float32Array) => concatFloats(parts.map(of));
  const hasDrawn = parts.some(({ drawn }) => drawn.drawnLogProbs);
  return {
    drawn: {
      sequences: parts.flatMap(({ drawn }) => drawn.sequences),
      logProbs: floats(({ drawn }) => drawn.logProbs),
      ...(hasDrawn && { drawnLogProbs: floats(({ drawn }) => drawn.drawnLogProbs!) }),
      seconds: Math.max(...parts.map(({ drawn }) => drawn.seconds)),
    },
    scored: {
      referenceLogProbs: floats(({ scored }) => scored.referenceLogProbs),
      rawScores: floats(({ scored }) => scored.rawScores),
      scoringSeconds: Math.max(...parts.map(({ scored }) => scored.scoringSeconds)),
    },
  };
}
