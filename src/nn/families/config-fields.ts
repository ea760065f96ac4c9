/** Reads the fields of one config.json. Every problem names the file and the field. */
import { AthanorError } from '../../base/errors.ts';
import { type JsonObject, type JsonValue, quoted } from '../../base/json.ts';

export class ConfigFields {
  constructor(
    readonly json: JsonObject,
    readonly path: string,
  ) {}

  fail(problem: string): never {
    throw new AthanorError('ERR_FORMAT', `${this.path}: ${problem}`, 'the file is damaged; write it again');
  }

  /**
   * Throws ERR_FORMAT for a value that is valid but not supported.
   * @param supported the values that are supported
   */
  unsupported(what: string, supported: readonly string[]): never {
    const remedy = `supported: ${supported.join(', ')}`;
    throw new AthanorError('ERR_FORMAT', `${this.path}: ${what} is not supported`, remedy);
  }

  /** The value of a field. Python writes null for an absent value. */
  value(key: string): JsonValue | undefined {
    return this.json[key] ?? undefined;
  }

  number(key: string, otherwise?: number): number {
    const value = this.value(key) ?? otherwise;
    if (typeof value !== 'number') this.fail(`expected ${key} to be a number but it is ${spell(value)}`);
    return value;
  }

  boolean(key: string, otherwise: boolean): boolean {
    const value = this.value(key) ?? otherwise;
    if (typeof value !== 'boolean') {
      this.fail(`expected ${key} to be true or false but it is ${spell(value)}`);
    }
    return value;
  }

  /** A list of numbers, or undefined. */
  numbers(key: string): number[] | undefined {
    const list = this.value(key);
    if (list === undefined) return undefined;
    const isNumbers = Array.isArray(list) && list.every((value) => typeof value === 'number');
    if (!isNumbers) this.fail(`expected ${key} to be a list of numbers but it is ${spell(list)}`);
    return list as number[];
  }

  object(key: string): ConfigFields | undefined {
    const value = this.value(key);
    if (value === undefined) return undefined;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.fail(`expected ${key} to be an object but it is ${spell(value)}`);
    }
    return new ConfigFields(value, `${this.path}: ${key}`);
  }

  /**
   * A token id, or the first of several. Ids outside of the vocabulary stand in files of other
   * programs; they name no token.
   */
  tokenId(key: string, vocabSize: number): number | undefined {
    const ids = [this.value(key) ?? []].flat();
    for (const id of ids) {
      if (!Number.isInteger(id)) this.fail(`expected ${key} to be a token id but it is ${spell(id)}`);
    }
    return (ids as number[]).find((id) => id >= 0 && id < vocabSize);
  }

  /**
   * Throws ERR_FORMAT for an option with a value that is not allowed. An absent option is allowed.
   */
  only(key: string, ...allowed: JsonValue[]): void {
    const value = this.value(key);
    if (value === undefined || allowed.includes(value)) return;
    const supported = allowed.length > 0 ? allowed.map((word) => `${key} ${spell(word)}`) : [`no ${key}`];
    this.unsupported(`${key} ${spell(value)}`, supported);
  }

  /** Applies `only` to each element of a list. */
  onlyEach(key: string, ...allowed: JsonValue[]): void {
    const list = this.value(key) ?? [];
    if (!Array.isArray(list)) this.fail(`expected ${key} to be a list but it is ${spell(list)}`);
    for (const value of list) new ConfigFields({ [key]: value }, this.path).only(key, ...allowed);
  }
}

/** A value for a message. */
export function spell(value: JsonValue | undefined): string {
  return quoted(value);
}
