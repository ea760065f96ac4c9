/** Where rewards come from: a reward model, or a function of the user's for tasks whose answers can be checked. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { AthanorError } from '../base/errors.ts';
import type { JsonObject } from '../base/json.ts';
import { loadScoringModel } from '../checkpoint/gpt-folder.ts';
import type { GptOptions } from '../nn/decoder.ts';
import type { LoraAdapters } from '../nn/lora.ts';
import type { ScoringModel } from '../nn/scoring-model.ts';
import { noGrad } from '../tensor/autograd.ts';
import { scope } from '../tensor/tensor.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { byTokens, ints, packSequences } from './episode.ts';

export interface Answer {
  /** Prompt and response, the response cut at its stop token. */
  tokens: Int32Array;
  /** The last user message, and the response without control tokens. */
  prompt: string;
  response: string;
  /** The prompt's row of the data, with whatever fields it has. */
  row: JsonObject;
}

export interface RewardSource {
  /** One number an answer; higher is better. */
  score(answers: readonly Answer[]): Promise<Float32Array>;
  dispose(): void;
}

/** What a `--reward-fn` file exports, as `default` or `reward`. */
export type RewardFunction = (prompt: string, response: string, row: JsonObject) => number | Promise<number>;

/** Tokens that go through a frozen model at once. */
export const SCORING_TOKENS = 8192;

/** The score of a reward model at the last token of each answer. */
export class RewardModelSource implements RewardSource {
  readonly model: ScoringModel;
  #adapters: LoraAdapters | undefined;

  constructor(model: ScoringModel) {
    this.model = model;
  }

  /** From now on the adapters of a value model hang on the same weights; answers are scored without them. */
  share(adapters: LoraAdapters): void {
    this.#adapters = adapters;
  }

  get isShared(): boolean {
    return this.#adapters !== undefined;
  }

  /** Throws ERR_MISMATCH when the reward model reads other tokens than the policy writes, or has a shorter context. */
  static load(
    folder: string,
    policyTokenizer: Tokenizer,
    longest: number,
    options: GptOptions,
  ): RewardModelSource {
    if (Tokenizer.load(folder).fingerprint() !== policyTokenizer.fingerprint()) {
      throw new AthanorError(
        'ERR_MISMATCH',
        `the reward model in ${folder} has another tokenizer than the policy, so it would read other text than was written`,
        'train the reward model from the same model as the policy',
      );
    }
    const model = loadScoringModel(folder, options);
    const { contextLength } = model.config;
    if (longest > contextLength) {
      model.dispose();
      throw new AthanorError(
        'ERR_MISMATCH',
        `prompt and response can be ${longest} tokens and the reward model in ${folder} reads ${contextLength}`,
        'lower --max-response, or train a reward model of a longer context',
      );
    }
    return new RewardModelSource(model);
  }

  score(answers: readonly Answer[]): Promise<Float32Array> {
    return this.scoreSequences(answers.map(({ tokens }) => tokens));
  }

  /** The scores of prompts with their responses, as tokens. */
  async scoreSequences(sequences: readonly Int32Array[]): Promise<Float32Array> {
    const scores: number[] = [];
    for (const group of byTokens(sequences, ({ length }) => length, SCORING_TOKENS)) {
      const score = () => scoreSequences(this.model, group);
      scores.push(...(this.#adapters ? this.#adapters.without(score) : score()));
      await yieldToEvents();
    }
    return Float32Array.from(scores);
  }

  dispose(): void {
    this.model.dispose();
  }
}

/** The score at the last token of each of any number of sequences. */
export function scoreAll(model: ScoringModel, sequences: readonly Int32Array[]): number[] {
  return byTokens(sequences, ({ length }) => length, SCORING_TOKENS).flatMap((group) => [
    ...scoreSequences(model, group),
  ]);
}

/** The score at the last token of each sequence, read in one batch. */
export function scoreSequences(model: ScoringModel, sequences: readonly Int32Array[]): Float32Array {
  return noGrad(() =>
    scope(() => {
      const input = packSequences(sequences);
      let end = 0;
      const last = sequences.map(({ length }) => {
        end += length;
        return end - 1;
      });
      return model.scores(input, ints(last)).toFloats();
    }),
  );
}

export class RewardFunctionSource implements RewardSource {
  readonly #reward: RewardFunction;
  readonly #name: string;

  constructor(reward: RewardFunction, name: string) {
    this.#reward = reward;
    this.#name = name;
  }

  /** Imports a JavaScript module. Throws ERR_FILE_MISSING, and ERR_CONFIG when it fails to load or exports no function. */
  static async load(file: string): Promise<RewardFunctionSource> {
    if (!existsSync(file)) {
      throw new AthanorError('ERR_FILE_MISSING', `${file} does not exist`, 'check --reward-fn');
    }
    let module: Record<string, unknown>;
    try {
      module = (await import(pathToFileURL(resolve(file)).href)) as Record<string, unknown>;
    } catch (error) {
      const what = `${file} does not load: ${messageOf(error)}`;
      throw new AthanorError('ERR_CONFIG', what, 'run it with node to see why', { cause: error });
    }
    const reward = module.default ?? module.reward;
    if (typeof reward !== 'function') {
      throw new AthanorError(
        'ERR_CONFIG',
        `${file} exports no reward function`,
        'export default function (prompt, response, row) { return 0; }',
      );
    }
    return new RewardFunctionSource(reward as RewardFunction, file);
  }

  async score(answers: readonly Answer[]): Promise<Float32Array> {
    const rewards = await Promise.all(
      answers.map(async ({ prompt, response, row }) => this.#checked(prompt, response, row)),
    );
    return Float32Array.from(rewards);
  }

  async #checked(prompt: string, response: string, row: JsonObject): Promise<number> {
    let value: unknown;
    try {
      value = await this.#reward(prompt, response, row);
    } catch (error) {
      throw new AthanorError(
        'ERR_CONFIG',
        `${this.#name} threw on the response ${JSON.stringify(response.slice(0, 80))}: ${messageOf(error)}`,
        'make the function return a number for any response',
        { cause: error },
      );
    }
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw new AthanorError(
      'ERR_CONFIG',
      `${this.#name} returned ${String(value)} for the response ${JSON.stringify(response.slice(0, 80))}, not a finite number`,
      'make the function return a number for any response',
    );
  }

  dispose(): void {}
}

/** Of whatever a user's code threw. */
function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
