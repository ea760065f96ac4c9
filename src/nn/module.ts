/**
 * A module is a class whose public fields are parameters, other modules or arrays of modules. A
 * parameter's name is the path to it in snake_case, such as `blocks.0.attention_norm.weight`.
 * Checkpoints of training state use these names.
 */
import { AthanorError } from '../base/errors.ts';
import { FrozenWeight, type Weight } from '../tensor/frozen-weight.ts';
import { Tensor } from '../tensor/tensor.ts';

/** The base of all layers and models. */
export abstract class Module {
  /**
   * All parameters by name, frozen ones too, in the order of the fields. Checkpoints depend
   * on this order.
   */
  parameters(): Map<string, Tensor> {
    return collected(this, (value) => value instanceof Tensor);
  }

  /** The weights in int8 or NF4 by name. They are not among the parameters. */
  frozenWeights(): Map<string, FrozenWeight> {
    return collected(this, (value) => value instanceof FrozenWeight);
  }

  /** The parameters that require a gradient, for an optimizer. */
  trainable(): Map<string, Tensor> {
    return new Map([...this.parameters()].filter(([, parameter]) => parameter.requiresGrad));
  }

  /** The inner modules by path, outer ones first. */
  modules(): Map<string, Module> {
    const found = new Map<string, Module>();
    collectModules(this, '', found);
    return found;
  }

  /** Number of elements of all parameters and of weights in int8 or NF4. */
  parameterCount(): number {
    let count = 0;
    for (const { size } of this.parameters().values()) count += size;
    for (const { size } of this.frozenWeights().values()) count += size;
    return count;
  }

  /** Frees the gradients, so that the next backward pass starts from zero. */
  zeroGrad(): void {
    for (const parameter of this.parameters().values()) {
      parameter.grad?.dispose();
      parameter.grad = undefined;
    }
  }

  /**
   * Copies values into the parameters by name, and quantizes those of weights in int8 or NF4.
   * Throws ERR_MISMATCH listing names that are missing, unknown or of another shape.
   */
  load(values: ReadonlyMap<string, { shape: readonly number[]; data: Float32Array }>): void {
    const problems: string[] = [];
    const parameters = new Map<string, Weight>([...this.parameters(), ...this.frozenWeights()]);
    for (const [name, parameter] of parameters) {
      const value = values.get(name);
      if (!value) problems.push(`${name} is missing`);
      else if (value.shape.join() !== parameter.shape.join()) {
        problems.push(`${name} is [${value.shape.join(', ')}], expected [${parameter.shape.join(', ')}]`);
      }
    }
    for (const name of values.keys()) if (!parameters.has(name)) problems.push(`${name} is unknown`);
    if (problems.length > 0) {
      throw new AthanorError(
        'ERR_MISMATCH',
        `the weights do not fit the model: ${problems.slice(0, 8).join('; ')}`,
      );
    }
    for (const [name, parameter] of parameters) parameter.writeFloats(values.get(name)!.data);
  }

  /** Frees all parameters and weights. */
  dispose(): void {
    for (const parameter of this.parameters().values()) parameter.dispose();
    for (const weight of this.frozenWeights().values()) weight.dispose();
  }
}

function collectModules(owner: object, prefix: string, found: Map<string, Module>): void {
  for (const [path, value] of fields(owner, prefix)) {
    if (value instanceof Module) found.set(path, value);
    if (value instanceof Module || Array.isArray(value)) collectModules(value, `${path}.`, found);
  }
}

/** Fields with their paths. The path of `attentionNorm` is `attention_norm`. */
function fields(owner: object, prefix: string): [string, unknown][] {
  return Object.entries(owner).map(([key, value]) => [
    prefix + key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
}

/** What the fields of a module hold of one kind, by path. */
function collected<T>(owner: object, isKind: (value: unknown) => value is T): Map<string, T> {
  const found = new Map<string, T>();
  collect(owner, '', isKind, found);
  return found;
}

function collect<T>(
  owner: object,
  prefix: string,
  isKind: (value: unknown) => value is T,
  found: Map<string, T>,
): void {
  for (const [path, value] of fields(owner, prefix)) {
    if (isKind(value)) found.set(path, value);
    else if (value instanceof Module || Array.isArray(value)) collect(value, `${path}.`, isKind, found);
  }
}
