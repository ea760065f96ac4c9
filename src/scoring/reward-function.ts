/** Rewards from a user's function, for tasks whose answers a program can check. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AthanorError } from '../base/errors.ts';
import type { JsonObject } from '../base/json.ts';
import type { Answer, RewardSource } from './reward-source.ts';

/** The function that a file for `rewardFn` exports, as `default` or as `reward`. */
export type RewardFunction = (prompt: string, response: string, row: JsonObject) => number | Promise<number>;

export class RewardFunctionSource implements RewardSource {
  readonly #reward: RewardFunction;
  readonly #name: string;

  /** @param name of the function in errors, such as its file */
  constructor(reward: RewardFunction, name: string) {
    this.#reward = reward;
    this.#name = name;
  }

  /**
   * Imports a JavaScript module. Throws ERR_FILE_MISSING, and ERR_CONFIG if it fails to load or
   * exports no function.
   */
  static async load(file: string): Promise<RewardFunctionSource> {
    if (!existsSync(file)) {
      throw new AthanorError('ERR_FILE_MISSING', `${file} does not exist`, 'check `rewardFn`');
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

  /** Throws ERR_CONFIG if the function throws, or returns anything but a finite number. */
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

/** The message of an error of the user's code, whatever its type. */
function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
