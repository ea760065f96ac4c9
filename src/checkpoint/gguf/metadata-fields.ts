/** Reads the metadata of a GGUF file and names what is wrong. */
import { AthanorError } from '../../base/errors.ts';
import type { GgufFile } from './gguf-reader.ts';

export class MetadataFields {
  constructor(
    readonly file: GgufFile,
    /** Stands before the keys of `own`. */
    readonly architecture: string,
  ) {}

  text(key: string): string {
    const value = this.file.metadata.get(key);
    if (typeof value !== 'string') this.fail(`${key} is ${value === undefined ? 'missing' : 'no text'}`);
    return value;
  }

  number(key: string, otherwise?: number): number {
    const value = this.file.metadata.get(key) ?? otherwise;
    const number = typeof value === 'bigint' ? Number(value) : value;
    if (typeof number !== 'number') this.fail(`${key} is ${value === undefined ? 'missing' : 'no number'}`);
    return number;
  }

  /** A number of the architecture. */
  own(key: string, otherwise?: number): number {
    return this.number(`${this.architecture}.${key}`, otherwise);
  }

  /** A number of the architecture that a person wrote, such as 1e-5; the file has it in f32. */
  written(key: string, otherwise?: number): number {
    return asWritten(this.own(key, otherwise));
  }

  /** The metadata of the architecture, as it is. */
  value(key: string) {
    return this.file.metadata.get(`${this.architecture}.${key}`);
  }

  fail(problem: string): never {
    throw new AthanorError('ERR_FORMAT', `${this.file.path}: ${problem}`, 'write the file again');
  }
}

/** A file has f32, where a person wrote 1e-5. */
export function asWritten(value: number): number {
  return Number(value.toPrecision(7));
}
