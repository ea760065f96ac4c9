/**
 * A round in its folder. `round.json` has its settings and what each step gave, and is replaced
 * after every step: a round that was interrupted anywhere goes on behind the last one.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError, fileError } from '../base/errors.ts';
import { makeFolders } from '../base/files/make-folders.ts';
import { ifThere, readJsonObject } from '../base/files/read-file.ts';
import { replaceFile } from '../base/files/replace-file.ts';
import type { JsonObject, JsonValue } from '../base/json.ts';
import type { ImproveSettings } from './settings.ts';

const FILE = 'round.json';
const VERSION = 1;
const ROUNDS = 'rounds';

interface SavedRound {
  version: number;
  settings: ImproveSettings;
  /** The results of the steps by name, in order. */
  steps: JsonObject;
}

export class Round {
  /** Such as `improve/rounds/0001`. */
  readonly folder: string;
  readonly name: string;
  readonly settings: ImproveSettings;
  readonly #steps: JsonObject;

  private constructor(out: string, name: string, { settings, steps }: SavedRound) {
    this.name = name;
    this.folder = join(out, ROUNDS, name);
    this.settings = settings;
    this.#steps = steps;
  }

  /** Begins the next round of a folder. Throws ERR_ARGUMENT when its last round has not ended. */
  static begin(out: string, settings: ImproveSettings): Round {
    const last = Round.#names(out).at(-1);
    if (last !== undefined && !Round.#read(out, last).isOver) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        `the round in ${join(out, ROUNDS, last)} has not ended`,
        'continue it with `resume`, or delete its folder',
      );
    }
    const round = new Round(out, String(Number(last ?? 0) + 1).padStart(4, '0'), {
      ...{ version: VERSION, settings, steps: {} },
    });
    try {
      makeFolders(round.folder);
    } catch (error) {
      throw fileError(error, round.folder, 'make');
    }
    round.#save();
    return round;
  }

  /** The last round of a folder. Throws ERR_FILE_MISSING when there is none. */
  static last(out: string): Round {
    const name = Round.#names(out).at(-1);
    if (name !== undefined) return Round.#read(out, name);
    throw new AthanorError('ERR_FILE_MISSING', `${out} holds no round`, 'start one without `resume`');
  }

  /** Rounds whose beginning was not saved hold nothing. */
  static #names(out: string): string[] {
    const folder = join(out, ROUNDS);
    if (!existsSync(folder)) return [];
    const names = readdirSync(folder).filter((name) => /^\d{4,}$/.test(name));
    return names.filter((name) => existsSync(join(folder, name, FILE))).sort((a, b) => Number(a) - Number(b));
  }

  static #read(out: string, name: string): Round {
    const path = join(out, ROUNDS, name, FILE);
    const fail = (problem: string) =>
      new AthanorError('ERR_FILE_DAMAGED', `${path}: ${problem}`, 'delete the folder of the round');
    const saved = ifThere(() => readJsonObject(path, { fail })) as Partial<SavedRound> | undefined;
    if (saved?.version !== VERSION || !isObject(saved.settings) || !isObject(saved.steps)) {
      throw fail('it is not the record of a round of this version');
    }
    return new Round(out, name, saved as SavedRound);
  }

  get isOver(): boolean {
    return this.result('end') !== undefined;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** What a step gave; undefined before it has ended. */
  result<T extends JsonValue>(name: string): T | undefined {
    return this.#steps[name] as T | undefined;
  }

  /** Runs a step, unless it has ended before. Returns what it gave. */
  async step<T extends JsonValue>(name: string, run: () => T | Promise<T>): Promise<T> {
    const known = this.result<T>(name);
    if (known !== undefined) return known;
    const result = await run();
    this.#steps[name] = result;
    this.#save();
    return result;
  }

  #save(): void {
    const saved: SavedRound = { version: VERSION, settings: this.settings, steps: this.#steps };
    replaceFile(join(this.folder, FILE), `${JSON.stringify(saved, undefined, 2)}\n`);
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
