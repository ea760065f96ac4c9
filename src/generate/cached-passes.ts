/**
 * The two kinds of forward pass over cached sequences. decode() reads one new token of each
 * sequence; most steps are of this kind. prefill() reads any number of tokens, and so brings
 * prompts into the cache.
 */
import type { Gpt } from '../nn/gpt.ts';
import { type Tensor, tensor } from '../tensor/tensor.ts';
import { DecodeGraphs, stepLogits } from './decode-graph.ts';
import type { KvCache } from './kv-cache.ts';
import type { NextTokenRows } from './sampling.ts';
import { StepInputs, type StepSequence } from './step-inputs.ts';

/** A part of a sequence: its tokens from the first uncached one up to, but not including, `end`. */
export interface SequencePart<S extends StepSequence = StepSequence> {
  sequence: S;
  begin: number;
  end: number;
}

/** The result of reading parts of sequences. */
export interface PrefillRows {
  /** `[n, d]`: the final hidden states of all parts, one after another. */
  hidden: Tensor;
  /** A row for each part that ends its sequence, in the same order; undefined when no part does. */
  ending: NextTokenRows | undefined;
}

export class CachedPasses {
  readonly #model: Gpt;
  readonly #cache: KvCache;
  readonly #graphs: DecodeGraphs;
  /** The inputs of the last decoding step. */
  #inputs: StepInputs | undefined;

  constructor(model: Gpt, cache: KvCache) {
    this.#model = model;
    this.#cache = cache;
    this.#graphs = new DecodeGraphs(model, cache);
  }

  /** Reads the last token of each sequence. All other tokens must be cached. */
  decode(sequences: readonly StepSequence[]): NextTokenRows {
    if (this.#inputs?.sequences !== sequences.length) {
      this.#inputs?.dispose();
      this.#inputs = new StepInputs(sequences.length);
    }
    const inputs = this.#inputs;
    inputs.write(sequences);
    const logits = this.#graphs.logits(inputs) ?? stepLogits(this.#model, this.#cache, inputs);
    return { logits, streams: inputs.streams, lengths: inputs.lengths };
  }

  /** Reads a part of each sequence. */
  prefill(parts: readonly SequencePart[]): PrefillRows {
    const starts = new Int32Array(parts.length + 1);
    parts.forEach(({ begin, end }, i) => {
      starts[i + 1] = starts[i]! + end - begin;
    });
    const tokens = new Int32Array(starts.at(-1)!);
    const positions = new Int32Array(tokens.length);
    parts.forEach(({ sequence, begin, end }, i) => {
      tokens.set(sequence.tokens.subarray(begin, end), starts[i]);
      for (let at = begin; at < end; ++at) positions[starts[i]! + at - begin] = at;
    });
    const slots = ints(parts.map(({ sequence }) => sequence.slot));
    const past = ints(parts.map(({ begin }) => begin));
    const input = { tokens: tensor(tokens), positions: tensor(positions), cuSeqlens: tensor(starts) };
    const hidden = this.#model.forward(input, this.#cache.view(slots, past));
    const lastRows = parts.flatMap(({ sequence, end }, i) =>
      end === sequence.length ? [starts[i + 1]! - 1] : [],
    );
    if (lastRows.length === 0) return { hidden, ending: undefined };
    const last = parts.filter(({ sequence, end }) => end === sequence.length);
    const ending = {
      logits: this.#model.logits(hidden, ints(lastRows)),
      streams: ints(last.map(({ sequence }) => sequence.stream)),
      lengths: ints(last.map(({ sequence }) => sequence.length)),
    };
    return { hidden, ending };
  }

  dispose(): void {
    this.#graphs.dispose();
    this.#inputs?.dispose();
  }
}

function ints(values: readonly number[]): Tensor {
  return tensor(Int32Array.from(values));
}
