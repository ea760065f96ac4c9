/**
 * What happens to a text before and after the merges: normalization, the steps that cut it into
 * pieces, and how tokens become text again. tokenizer.json has these as objects, which are kept
 * verbatim; the engine gets steps.
 */
import type { JsonValue } from '../base/json.ts';
import type { NativeNormalizerStep, NativePieceStep, SplitPattern } from '../native/binding/text.ts';
import { splitExpressions } from './split-patterns.ts';

/** The parts of a tokenizer.json that a pipeline was read from. */
export interface PipelineJson {
  normalizer: JsonValue;
  pre_tokenizer: JsonValue;
  decoder: JsonValue;
}

/** What a text loses at its beginning: nothing, one space, or those of its first token. */
export type TextStart = 'all' | 'no space' | 'no spaces of the token';

export interface Pipeline {
  readonly normalizer: readonly NativeNormalizerStep[];
  readonly pieces: readonly NativePieceStep[];
  readonly textStart: TextStart;
  readonly json: PipelineJson;
  /** The split pattern where it is all that the pipeline does. */
  readonly pattern?: SplitPattern | undefined;
}

export function pieceStep(
  kind: NativePieceStep['kind'],
  more: Partial<NativePieceStep> = {},
): NativePieceStep {
  return { kind, named: 'gpt2', text: '', content: '', behavior: 'isolated', invert: false, ...more };
}

export function normalizerStep(
  kind: NativeNormalizerStep['kind'],
  more: Partial<NativeNormalizerStep> = {},
): NativeNormalizerStep {
  return { kind, pattern: '', literal: false, content: '', left: false, right: false, ...more };
}

/** The steps of a split pattern alone. */
export function patternSteps(pattern: SplitPattern): NativePieceStep[] {
  return [pieceStep('pattern', { named: pattern })];
}

/** The pipeline of byte-level BPE with a split pattern. */
export function patternPipeline(pattern: SplitPattern): Pipeline {
  const byteLevel = {
    type: 'ByteLevel',
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: pattern === 'gpt2',
  };
  const split = {
    type: 'Split',
    pattern: { Regex: splitExpressions[pattern] },
    behavior: 'Isolated',
    invert: false,
  };
  return {
    normalizer: [],
    pieces: patternSteps(pattern),
    textStart: 'all',
    json: {
      normalizer: null,
      pre_tokenizer: pattern === 'gpt2' ? byteLevel : { type: 'Sequence', pretokenizers: [split, byteLevel] },
      decoder: { ...byteLevel, use_regex: true },
    },
    pattern,
  };
}
