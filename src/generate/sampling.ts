/**
 * Draws tokens. Every request has its own settings. The engine draws for rows with equal settings,
 * so a step makes one call per kind of settings among its rows. Rows of one kind should be
 * neighbours: then they are a slice of the logits, and nothing is copied.
 */
import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import { scope, Tensor, tensor } from '../tensor/tensor.ts';
import { MAX_REPETITION_PENALTY, MIN_REPETITION_PENALTY, MIN_TEMPERATURE } from './sampling-range.ts';

/** How a token is drawn from the model's distribution. */
export interface SamplingOptions {
  /** 0 always takes the likeliest token. Default 1. */
  temperature?: number;
  /** Sample from the k likeliest tokens; 0: all. Default 0. */
  topK?: number;
  /**
   * Sample from the smallest set of tokens whose probability reaches this; 1: all, 0: the likeliest
   * token. Default 1.
   */
  topP?: number;
  /**
   * Sample from tokens whose probability is at least this share of the largest one; 0:
   * all. Default 0.
   */
  minP?: number;
  /**
   * Divides positive logits and multiplies negative logits of tokens that already occur in the
   * sequence (Keskar et al., 2019). Default 1: no change.
   */
  repetitionPenalty?: number;
  /**
   * Subtracted from the logit of a token for each time that it was drawn for this request.
   * Default 0.
   */
  frequencyPenalty?: number;
  /** Subtracted from the logits of all tokens that were drawn for this request. Default 0. */
  presencePenalty?: number;
  /** Added to the logits of these token ids. Default: none. */
  logitBias?: Readonly<Record<number, number>>;
  /** Default 0. */
  seed?: number;
}

export interface SamplingSettings extends Required<SamplingOptions> {
  /** Equal for settings that the engine applies in one call. */
  readonly key: string;
  /** Whether there are biases or additive penalties. */
  readonly changesLogits: boolean;
}

/**
 * Logits of the next token of some sequences, and what each draw depends on in addition
 * to the settings.
 */
export interface NextTokenRows {
  /** f32 `[rows, vocab]` */
  logits: Tensor;
  /** i32 `[rows]`: random stream of each sequence. */
  streams: Tensor;
  /**
   * i32 `[rows]`: number of tokens of each sequence, which is the place of the draw in its stream.
   */
  lengths: Tensor;
}

/** The parts of a sequence that a draw needs. */
export interface SampledSequence {
  readonly sampling: SamplingSettings;
  /** Prompt and new tokens, i32 `[length]` at the front of a longer array. */
  readonly tokens: Int32Array;
  readonly promptLength: number;
  readonly length: number;
  /** i32 `[ceil(vocab / 32)]` bits of the tokens that may be drawn; undefined: all. */
  readonly constraint?: { readonly allowed: Int32Array } | undefined;
}

export interface DrawnTokens {
  /** `[rows]` */
  tokens: Int32Array;
  /**
   * f32 `[rows]`: log-probability of each token in the model's own distribution at the temperature,
   * in nats. Filters and suppressed tokens do not change it: their share of the probability stays
   * with the tokens that could not be drawn.
   */
  logProbs: Float32Array;
}

/** Adds defaults. Throws ERR_ARGUMENT for a value out of range. @param name of the request */
export function samplingSettings(
  options: SamplingOptions,
  vocabSize: number,
  name: string,
): SamplingSettings {
  const { temperature = 1, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1, seed = 0 } = options;
  const check = (isGood: boolean, setting: keyof SamplingOptions, range: string) => {
    if (isGood) return;
    throw new AthanorError(
      'ERR_ARGUMENT',
      `${name} has the ${setting} ${options[setting]}; it must be ${range}`,
    );
  };
  const isUsable = temperature >= MIN_TEMPERATURE && temperature < Infinity;
  check(temperature === 0 || isUsable, 'temperature', `0 (greedy) or at least ${MIN_TEMPERATURE}`);
  check(Number.isSafeInteger(topK) && topK >= 0, 'topK', '0 (all) or a positive integer');
  check(topP >= 0 && topP <= 1, 'topP', 'from 0 to 1');
  check(minP >= 0 && minP <= 1, 'minP', 'from 0 to 1');
  check(
    repetitionPenalty >= MIN_REPETITION_PENALTY && repetitionPenalty <= MAX_REPETITION_PENALTY,
    'repetitionPenalty',
    `from ${MIN_REPETITION_PENALTY} to ${MAX_REPETITION_PENALTY}`,
  );
  check(Number.isSafeInteger(seed), 'seed', 'an integer');
  const { frequencyPenalty = 0, presencePenalty = 0, logitBias = {} } = options;
  check(Number.isFinite(frequencyPenalty), 'frequencyPenalty', 'a number');
  check(Number.isFinite(presencePenalty), 'presencePenalty', 'a number');
  checkBias(logitBias, vocabSize, name);
  const key = [temperature, topK, topP, minP, repetitionPenalty, seed].join(' ');
  const isBiased = Object.keys(logitBias).length > 0;
  return {
    ...{ temperature, topK, topP, minP, repetitionPenalty, seed, key },
    ...{ frequencyPenalty, presencePenalty, logitBias },
    changesLogits: isBiased || frequencyPenalty !== 0 || presencePenalty !== 0,
  };
}

function checkBias(logitBias: Readonly<Record<number, number>>, vocabSize: number, name: string): void {
  for (const [id, bias] of Object.entries(logitBias)) {
    const token = Number(id);
    if (Number.isSafeInteger(token) && token >= 0 && token < vocabSize && Number.isFinite(bias)) continue;
    throw new AthanorError(
      'ERR_ARGUMENT',
      `${name} has the logitBias ${bias} for the token ${id}; it must be a number, for an id below ${vocabSize}`,
    );
  }
}

/**
 * Draws a token for each row; row i belongs to sequence i. Throws ERR_NOT_FINITE for NaN logits.
 * @param suppressed i32 `[s]`: tokens that are not drawn
 */
export function drawTokens(
  rows: NextTokenRows,
  sequences: readonly SampledSequence[],
  suppressed?: Tensor,
): DrawnTokens {
  const first = endOfRun(sequences, 0);
  if (first === sequences.length) return drawAlike(rows, sequences, suppressed);
  const tokens = new Int32Array(sequences.length);
  const logProbs = new Float32Array(sequences.length);
  for (let begin = 0, end = first; begin < sequences.length; begin = end) {
    end = endOfRun(sequences, begin);
    const drawn = scope(() => {
      return drawAlike(rowsOf(rows, begin, end), sequences.slice(begin, end), suppressed);
    });
    tokens.set(drawn.tokens, begin);
    logProbs.set(drawn.logProbs, begin);
  }
  return { tokens, logProbs };
}

/** The end of the run of sequences from `begin` on that have equal settings. */
function endOfRun(sequences: readonly SampledSequence[], begin: number): number {
  const { key } = sequences[begin]!.sampling;
  let end = begin + 1;
  while (end < sequences.length && sequences[end]!.sampling.key === key) ++end;
  return end;
}

function rowsOf({ logits, streams, lengths }: NextTokenRows, begin: number, end: number): NextTokenRows {
  const slice = (whole: Tensor) => new Tensor(native.slice(whole.handle, begin, end));
  return { logits: slice(logits), streams: slice(streams), lengths: slice(lengths) };
}

/** Draws for sequences with equal settings. */
function drawAlike(
  { logits, streams, lengths }: NextTokenRows,
  sequences: readonly SampledSequence[],
  suppressed: Tensor | undefined,
): DrawnTokens {
  const { temperature, topK, topP, minP, repetitionPenalty, seed } = sequences[0]!.sampling;
  const changed = changedLogits(logits, sequences);
  const [drawn, sampledLogProbs] = native.sample({
    logits: (changed ?? logits).handle,
    temperature,
    topK,
    // The engine knows no empty set: the smallest share of all is that of the likeliest token.
    topP: Math.max(topP, Number.MIN_VALUE),
    minP,
    repetitionPenalty,
    history: repetitionPenalty === 1 ? undefined : history(sequences).handle,
    suppressed: suppressed?.handle,
    allowed: allowedTokens(sequences, logits.shape[1]!)?.handle,
    seed,
    streams: streams.handle,
    steps: lengths.handle,
  });
  const tokens = new Tensor(drawn, [sequences.length], 'i32').toInts();
  let logProbs = new Tensor(sampledLogProbs);
  // The sampler reports on the logits that it was given. The model's own are those before.
  if (changed) {
    const column = tensor(tokens, [sequences.length, 1]);
    logProbs = new Tensor(native.tokenLogProbs(logits.handle, column.handle, temperature || 1));
  }
  return { tokens, logProbs: logProbs.toFloats() };
}

/** i32 `[sequences, ceil(vocab / 32)]`; undefined when no sequence has a constraint. */
function allowedTokens(sequences: readonly SampledSequence[], vocabSize: number): Tensor | undefined {
  if (sequences.every(({ constraint }) => constraint === undefined)) return undefined;
  const words = Math.ceil(vocabSize / 32);
  const masks = new Int32Array(sequences.length * words).fill(-1);
  sequences.forEach(({ constraint }, row) => {
    if (constraint) masks.set(constraint.allowed, row * words);
  });
  return tensor(masks, [sequences.length, words]);
}

/** The logits with biases and additive penalties; undefined when no sequence has any. */
function changedLogits(logits: Tensor, sequences: readonly SampledSequence[]): Tensor | undefined {
  if (sequences.every(({ sampling }) => !sampling.changesLogits)) return undefined;
  const changes = sequences.map(logitChanges);
  const most = changes.reduce((largest, { size }) => Math.max(largest, size), 0);
  if (most === 0) return undefined;
  const tokens = new Int32Array(sequences.length * most).fill(-1);
  const values = new Float32Array(tokens.length);
  changes.forEach((change, row) => {
    tokens.set([...change.keys()], row * most);
    values.set([...change.values()], row * most);
  });
  const shape = [sequences.length, most];
  return new Tensor(native.addAt(logits.handle, tensor(tokens, shape).handle, tensor(values, shape).handle));
}

/** The sum that each token's logit gets for this sequence. */
function logitChanges({ sampling, tokens, promptLength, length }: SampledSequence): Map<number, number> {
  const { frequencyPenalty, presencePenalty, logitBias } = sampling;
  const changes = new Map(Object.entries(logitBias).map(([id, bias]) => [Number(id), bias]));
  if (frequencyPenalty === 0 && presencePenalty === 0) return changes;
  const counts = new Map<number, number>();
  for (const token of tokens.subarray(promptLength, length)) counts.set(token, (counts.get(token) ?? 0) + 1);
  for (const [token, count] of counts) {
    changes.set(token, (changes.get(token) ?? 0) - count * frequencyPenalty - presencePenalty);
  }
  return changes;
}

/** i32 `[sequences, longest]`: the tokens so far, padded with -1. */
function history(sequences: readonly SampledSequence[]): Tensor {
  const longest = sequences.reduce((most, { length }) => Math.max(most, length), 0);
  const values = new Int32Array(sequences.length * longest).fill(-1);
  sequences.forEach(({ tokens, length }, row) => {
    values.set(tokens.subarray(0, length), row * longest);
  });
  return tensor(values, [sequences.length, longest]);
}
