/**
 * Classifiers: models with one score whose sigmoid is the probability that a text or a dialogue is
 * of a class. A folder of one is that of a reward model with `classifier.json`, which says what it
 * reads and where its threshold is.
 */
import { join } from 'node:path';
import { concatInts } from '../base/concat.ts';
import { AthanorError } from '../base/errors.ts';
import { ifThere, readJsonObject } from '../base/files/read-file.ts';
import type { JsonObject } from '../base/json.ts';
import { loadScoringModel } from '../checkpoint/gpt-folder.ts';
import type { GptOptions } from '../nn/decoder.ts';
import type { ScoringModel } from '../nn/scoring-model.ts';
import { sigmoid } from '../tensor/ops/classification.ts';
import { ChatTemplate, type Message } from '../text/chat-template.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { GrowingSequences } from './growing-sequences.ts';
import { scoreAll } from './reward-model.ts';

/** What a classifier reads: plain texts, or dialogues in the chat template. */
export type ClassifierInput = 'text' | 'messages';

/** The content of classifier.json. */
export interface ClassifierInfo {
  reads: ClassifierInput;
  /** The class, where the labels were names of classes. */
  category: string | undefined;
  /** Probability from which a text counts as of the class. */
  threshold: number;
  /** How the threshold was chosen, and what it gave on other held-out rows. */
  report: JsonObject;
}

export const CLASSIFIER_NAME = 'classifier.json';

/** Reads classifier.json. Throws ERR_FILE_MISSING, ERR_FORMAT and as readJsonObject. */
export function readClassifierInfo(folder: string): ClassifierInfo {
  const path = join(folder, CLASSIFIER_NAME);
  const found = ifThere(() => readJsonObject(path));
  if (!found) {
    throw new AthanorError(
      'ERR_FILE_MISSING',
      `${path} does not exist, so ${folder} is no classifier`,
      'train one with athanor safety train',
    );
  }
  const { reads, category = null, threshold, ...report } = found;
  const isRight =
    (reads === 'text' || reads === 'messages') &&
    (category === null || typeof category === 'string') &&
    typeof threshold === 'number' &&
    threshold >= 0 &&
    threshold <= 1;
  if (!isRight) {
    throw new AthanorError('ERR_FORMAT', `${path}: expected "reads" and a "threshold" from 0 to 1`);
  }
  return { reads, category: category ?? undefined, threshold, report };
}

/** Turns texts and dialogues into the tokens that a classifier reads. */
export class ClassifierReader {
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate | undefined;
  readonly #end: Int32Array;

  constructor(tokenizer: Tokenizer, template: ChatTemplate | undefined) {
    this.#tokenizer = tokenizer;
    this.#template = template;
    this.#end = Int32Array.from(tokenizer.eosId === undefined ? [] : [tokenizer.eosId]);
  }

  /** A text with the token that ends texts, `[n]`. */
  text(text: string): Int32Array {
    return concatInts([this.#tokenizer.encode(text), this.#end]);
  }

  /** A dialogue as the template writes it, `[n]`. Throws as ChatTemplate.encodeDialogue. */
  messages(messages: readonly Message[], where?: string): Int32Array {
    return this.#template!.encodeDialogue(messages, where).tokens;
  }

  /**
   * A sequence in parts of at most `context` tokens that overlap by half, each with the end of the
   * sequence at its end: one that is longer than the context is read whole.
   */
  windows(tokens: Int32Array, context: number): Int32Array[] {
    if (tokens.length <= context) return [tokens];
    const last = tokens.subarray(-1);
    const size = context - 1;
    const stride = Math.max(1, Math.ceil(size / 2));
    const body = tokens.length - 1;
    const windows: Int32Array[] = [];
    for (let start = 0; ; start += stride) {
      const from = Math.min(start, body - size);
      windows.push(concatInts([tokens.subarray(from, from + size), last]));
      if (from + size >= body) return windows;
    }
  }
}

/** Something to classify. */
export type Classified = { text: string } | { messages: readonly Message[] };

/** A classifier in memory. Owns its model: dispose() frees it. */
export class Classifier {
  readonly folder: string;
  readonly info: ClassifierInfo;
  readonly model: ScoringModel;
  readonly #reader: ClassifierReader;
  #growing: GrowingSequences | undefined;

  private constructor(folder: string, info: ClassifierInfo, model: ScoringModel, reader: ClassifierReader) {
    this.folder = folder;
    this.info = info;
    this.model = model;
    this.#reader = reader;
  }

  /** Throws as readClassifierInfo, loadScoringModel, Tokenizer.load and ChatTemplate.of. */
  static load(folder: string, options: GptOptions = {}): Classifier {
    const info = readClassifierInfo(folder);
    const tokenizer = Tokenizer.load(folder);
    const template = info.reads === 'messages' ? ChatTemplate.of(tokenizer) : undefined;
    const reader = new ClassifierReader(tokenizer, template);
    return new Classifier(folder, info, loadScoringModel(folder, options), reader);
  }

  /**
   * The probability of each, f64 `[inputs]`. Of what is longer than the context the likeliest part
   * counts. Throws as parts.
   */
  probabilities(inputs: readonly Classified[]): Float64Array {
    return this.score(inputs.map((input) => this.parts(input)));
  }

  /**
   * The sequences to read of an input: one, unless it is longer than the context. Throws
   * ERR_ARGUMENT for a dialogue where the classifier reads texts, and as ChatTemplate.render.
   */
  parts(input: Classified): Int32Array[] {
    return this.#reader.windows(this.#tokens(input), this.model.config.contextLength);
  }

  /** f64 `[inputs]`: the highest probability among the parts of each. Few batches read them all. */
  score(inputs: readonly (readonly Int32Array[])[]): Float64Array {
    const scores = scoreAll(this.model, inputs.flat());
    let at = 0;
    return Float64Array.from(inputs, (parts) =>
      parts.reduce((most) => Math.max(most, sigmoid(scores[at++]!)), 0),
    );
  }

  /**
   * f64 `[parts]`: the probability of each, of texts that are asked about again when they are
   * longer. What was read of them is kept, so only new tokens are read. The bits are those of
   * score() where a row has the same bits with the cache (docs/architecture.md).
   */
  scoreGrowing(parts: readonly Int32Array[]): Float64Array {
    this.#growing ??= new GrowingSequences(this.model);
    return Float64Array.from(this.#growing.score(parts), sigmoid);
  }

  #tokens(input: Classified): Int32Array {
    if (this.info.reads === 'messages') {
      return this.#reader.messages(
        'messages' in input ? input.messages : [{ role: 'user', content: input.text }],
      );
    }
    if ('text' in input) return this.#reader.text(input.text);
    throw new AthanorError('ERR_ARGUMENT', `the classifier in ${this.folder} reads texts, not messages`);
  }

  /** Frees the memory of the model. */
  dispose(): void {
    this.#growing?.dispose();
    this.model.dispose();
  }
}
