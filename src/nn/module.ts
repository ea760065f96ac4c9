/**
 * A module is a class whose public fields are parameters, other modules or arrays of modules. A
 * parameter's name is the path to it in snake_case, such as `blocks.0.attention_norm.weight`.
 * Checkpoints of training state use these names.
 */
import { AthanorError } from '../base/errors.ts';
import { Tensor } from '../tensor/tensor.ts';

/** The base of all layers and models. */
export abstract class Module {
  /**
   * All parameters by name, frozen ones too, in the order of the fields. Checkpoints depend
   * on this order.
   */
  parameters(): Map<string, Tensor> {
    const found = new Map<string, Tensor>();
    collectParameters(this, '', found);
    return found;
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

  /** Number of elements of all parameters. */
  parameterCount(): number {
    let count = 0;
    for (const parameter of this.parameters().values()) count += parameter.size;
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
   * Copies values into the parameters by name. Throws ERR_MISMATCH listing names that are missing,
   * unknown or of another shape.
   */
  load(values: ReadonlyMap<string, { shape: readonly number[]; data: Float32Array }>): void {
    const problems: string[] = [];
    const parameters = this.parameters();
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

  /** Frees all parameters. */
  dispose(): void {
    for (const parameter of this.parameters().values()) parameter.dispose();
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

function collectParameters(owner: object, prefix: string, found: Map<string, Tensor>): void {
  for (const [path, value] of fields(owner, prefix)) {
    if (value instanceof Tensor) found.set(path, value);
    else if (value instanceof Module || Array.isArray(value)) {
      collectParameters(value, `${path}.`, found);
    }
  }
}
