import { AthanorError } from '../base/errors.ts';
import { type JsonObject, type JsonValue, quoted } from '../base/json.ts';

/** Checks the values of a tokenizer.json. Every error is ERR_FORMAT and names the file. */
export class FileReader {
  constructor(readonly path: string) {}

  fail(problem: string): never {
    throw new AthanorError(
      'ERR_FORMAT',
      `${this.path}: ${problem}`,
      'the file is damaged; fetch or write it again',
    );
  }

  unsupported(what: string): never {
    throw new AthanorError(
      'ERR_FORMAT',
      `${this.path}: ${what} is not supported`,
      'docs/checkpoints.md lists the tokenizers that are; athanor tokenizer train makes one',
    );
  }

  object(value: JsonValue | undefined, where: string): JsonObject {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.fail(`expected ${where} to be an object but it is ${quoted(value)}`);
    }
    return value;
  }

  array(value: JsonValue | undefined, where: string): JsonValue[] {
    if (!Array.isArray(value)) this.fail(`expected ${where} to be an array but it is ${quoted(value)}`);
    return value;
  }

  string(value: JsonValue | undefined, where: string): string {
    if (typeof value !== 'string') this.fail(`expected ${where} to be a string but it is ${quoted(value)}`);
    return value;
  }

  boolean(value: JsonValue | undefined, where: string, otherwise: boolean): boolean {
    if (value === undefined || value === null) return otherwise;
    if (typeof value !== 'boolean')
      this.fail(`expected ${where} to be true or false but it is ${quoted(value)}`);
    return value;
  }

  /** The steps of a component one after another; a step may be a `Sequence` of steps. */
  steps(value: JsonValue | undefined, name: string, list: string, depth = 0): JsonObject[] {
    if (value === undefined || value === null) return [];
    const step = this.object(value, `a ${name}`);
    if (step.type !== 'Sequence') return [step];
    // The reader of the tokenizers library stops there too.
    if (depth > 100) this.fail(`its ${list} are too deep in each other`);
    const steps = this.array(step[list], `${name}.${list}`);
    return steps.flatMap((inner) => this.steps(inner, name, list, depth + 1));
  }

  /** The pattern of Split and Replace: a text or a regular expression. */
  pattern(value: JsonValue | undefined, where: string): { text: string; literal: boolean } {
    const pattern = this.object(value, where);
    const literal = pattern.Regex === undefined;
    const text = this.string(literal ? pattern.String : pattern.Regex, where);
    if (text === '') this.unsupported(`${where} without text`);
    return { text, literal };
  }
}
