/**
 * The responses of a rollout, shared out among ranks. Each rank draws and scores a run of whole
 * groups, and gets the results of the others. So the statistics of a rollout are over all of its
 * responses, in the order of its prompts, on every rank.
 */
import { concatFloats } from '../../base/concat.ts';
import { batchesOfRank, type Run } from '../../comm/batch-sums.ts';
import type { Communicator } from '../../comm/communicator.ts';
import { together } from '../../comm/together.ts';
import { type ResponseSequence, responseLength } from '../../scoring/sequences.ts';
import type { DrawnResponses, ResponseScores } from './sampled-responses.ts';

/** Responses with the scores of the reward source. */
export interface ScoredResponses {
  drawn: DrawnResponses;
  scored: Omit<ResponseScores, 'scores'>;
}

/**
 * All responses, made on the ranks. Throws what make throws. When it throws on another rank:
 * ERR_STATE with that rank and its message.
 * @param size how many responses there are in all, and in a group
 * @param make draws and scores a run of them
 */
export async function sharedRollout(
  communicator: Communicator,
  { count, group }: { count: number; group: number },
  make: (run: Run) => Promise<ScoredResponses>,
): Promise<ScoredResponses> {
  const { rank, size } = communicator;
  if (size === 1) return make({ begin: 0, end: count });
  const { begin, end } = batchesOfRank(count / group, rank, size);
  const run = { begin: begin * group, end: end * group };
  const own = await together(communicator, 'the responses', () => make(run));
  const parts = await communicator.gather(packed(own), 'responses');
  return joined(parts.map(unpacked));
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
