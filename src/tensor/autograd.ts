/**
 * Reverse-mode differentiation. There is no global tape: an operation's outputs point at a node, the node at its
 * inputs, and nodes are numbered as they are made, so going through the reachable ones from the highest number down
 * is a topological order.
 */

import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import { empty, full, keep, type Shape, scope, Tensor, zeros } from './tensor.ts';

/** Gradients of a node's outputs, in order; undefined where nothing depends on that output. */
export type OutputGrads = readonly (Tensor | undefined)[];

export interface GradNode {
  readonly order: number;
  readonly operation: string;
  /** The gradients that it returns are new memory that nothing else refers to: a leaf may keep one as it is. */
  readonly ownsGrads: boolean;
  readonly inputs: readonly (Tensor | undefined)[];
  /**
   * Returns a gradient for each input (undefined where none is needed, or where it went through accumulate). What it
   * returns is the engine's to dispose; everything else that it makes is freed when it returns.
   */
  backward(grads: OutputGrads, accumulate: Accumulate): readonly (Tensor | undefined)[];
}

export interface Accumulate {
  /**
   * The f32 buffer in which an input's gradient is summed, zero at first: kernels that add into a weight's gradient
   * write there directly. Undefined when the input needs no gradient.
   */
  (input: Tensor | undefined): Tensor | undefined;
  /**
   * The same for a kernel that can overwrite: `fresh` says that nothing was added yet, and the buffer may hold anything.
   * Filling a large gradient with zeros only to add to it would cost two more passes over it.
   */
  claim(input: Tensor): { grad: Tensor; fresh: boolean } | undefined;
}

let nodeCount = 0;
let gradEnabled = true;

/** Runs body without recording: evaluation, generation, optimizer updates. */
export function noGrad<T>(body: () => T): T {
  return withGrad(false, body);
}

function withGrad<T>(enabled: boolean, body: () => T): T {
  const before = gradEnabled;
  gradEnabled = enabled;
  try {
    return body();
  } finally {
    gradEnabled = before;
  }
}

/** Whether an operation on these inputs has to remember how to go back. */
export function needsGrad(...inputs: readonly (Tensor | undefined)[]): boolean {
  return gradEnabled && inputs.some((input) => input?.requiresGrad === true);
}

/** Ties outputs to the node that made them, when an input needs a gradient. */
export function record(
  operation: string,
  inputs: readonly (Tensor | undefined)[],
  outputs: readonly Tensor[],
  backward: GradNode['backward'],
  ownsGrads = false,
): void {
  if (!needsGrad(...inputs)) return;
  nodeCount += 1;
  const node: GradNode = { order: nodeCount, operation, ownsGrads, inputs, backward };
  outputs.forEach((output, index) => {
    output.requiresGrad = true;
    output.node = node;
    output.outputIndex = index;
  });
}

/**
 * Adds d(root)/d(leaf) to the grad of every leaf that requires it. Without `seed` (a gradient of root's own shape) the
 * root must hold one element. Throws ERR_STATE when nothing below the root requires a gradient.
 */
export function backward(root: Tensor, seed?: Tensor): void {
  backwardAll([[root, seed ?? rootSeed(root)]]);
}

function rootSeed(root: Tensor): Tensor {
  if (root.size !== 1) {
    throw new AthanorError(
      'ERR_SHAPE',
      `[backward] expected a loss of one element but got [${root.shape.join(', ')}]`,
    );
  }
  return full(root.shape, 1, root.dtype);
}

/** backward from several outputs of one graph at once. */
export function backwardAll(roots: readonly (readonly [Tensor, Tensor])[]): void {
  const nodes = reachable(roots.map(([root]) => root));
  if (nodes.length === 0) {
    throw new AthanorError(
      'ERR_STATE',
      '[backward] nothing here requires a gradient',
      'was it computed in noGrad()?',
    );
  }
  scope(() => {
    const pending = new Pending();
    for (const [root, seed] of roots) pending.add(root, seed);
    for (const node of nodes) {
      const grads = pending.take(node);
      if (grads.every((grad) => grad === undefined)) continue;
      const accumulate: Accumulate = Object.assign((input: Tensor | undefined) => pending.buffer(input), {
        claim: (input: Tensor) => pending.claim(input),
      });
      const inputGrads = scope(() => withGrad(false, () => node.backward(grads, accumulate)));
      node.inputs.forEach((input, i) => {
        const grad = inputGrads[i];
        if (grad === undefined || !input?.requiresGrad) return;
        pending.add(input, grad, node.ownsGrads);
      });
      for (const grad of [...grads, ...inputGrads]) grad?.dispose();
    }
  });
}

/** All nodes below the roots, latest first. */
function reachable(roots: readonly Tensor[]): GradNode[] {
  const seen = new Set<GradNode>();
  const stack = roots.flatMap((root) => (root.node ? [root.node] : []));
  while (stack.length > 0) {
    const node = stack.pop()!;
    if (seen.has(node)) continue;
    seen.add(node);
    for (const input of node.inputs) if (input?.node) stack.push(input.node);
  }
  return [...seen].sort((a, b) => b.order - a.order);
}

/** Gradients on their way down, by node and output; those of leaves go to Tensor.grad. */
class Pending {
  readonly #byNode = new Map<GradNode, (Tensor | undefined)[]>();

  add(target: Tensor, grad: Tensor, owned = false): void {
    if (!target.node) {
      if (owned && !target.grad && grad.dtype === 'f32') {
        target.grad = keep(grad.detach());
        return;
      }
      const buffer = this.buffer(target)!;
      const wide = grad.dtype === 'f32' ? grad : new Tensor(native.cast(grad.handle, 'f32'));
      native.addScaledInto(buffer.handle, wide.handle, 1);
      return;
    }
    const grads = this.#slot(target.node);
    const before = grads[target.outputIndex];
    // An operation may hand one tensor to two inputs, so a gradient is never added to in place.
    grads[target.outputIndex] = before
      ? new Tensor(native.axpby(before.handle, 1, grad.handle, 1))
      : new Tensor(native.view(grad.handle, grad.shape), grad.shape, grad.dtype);
    before?.dispose();
  }

  buffer(target: Tensor | undefined): Tensor | undefined {
    return target && this.#buffer(target, zeros)?.grad;
  }

  claim(target: Tensor): { grad: Tensor; fresh: boolean } | undefined {
    return this.#buffer(target, empty);
  }

  #buffer(target: Tensor, make: (shape: Shape) => Tensor): { grad: Tensor; fresh: boolean } | undefined {
    if (!target.requiresGrad) return undefined;
    const before = target.node ? this.#slot(target.node)[target.outputIndex] : target.grad;
    if (before) return { grad: before, fresh: false };
    // Kept: it outlives the operation that asks for it; backwardAll disposes it with the node's gradients.
    const grad = keep(make(target.shape));
    if (target.node) this.#slot(target.node)[target.outputIndex] = grad;
    else target.grad = grad;
    return { grad, fresh: true };
  }

  take(node: GradNode): (Tensor | undefined)[] {
    const grads = this.#slot(node);
    this.#byNode.delete(node);
    return grads;
  }

  #slot(node: GradNode): (Tensor | undefined)[] {
    let grads = this.#byNode.get(node);
    if (!grads) {
      grads = [];
      this.#byNode.set(node, grads);
    }
    return grads;
  }
}

/**
 * Runs body without remembering its inside and runs it again when the gradient comes by: memory for its inputs and
 * outputs only, for one more forward pass (Chen et al., "Training deep nets with sublinear memory cost", 2016).
 * Body must be a pure function of its inputs and of parameters.
 */
export function checkpoint(
  body: (...inputs: Tensor[]) => Tensor[],
  inputs: readonly Tensor[],
  trains = true,
): Tensor[] {
  const outputs = noGrad(() => scope(() => body(...inputs)));
  if (!gradEnabled || !(trains || needsGrad(...inputs))) return outputs;
  nodeCount += 1;
  const node: GradNode = {
    order: nodeCount,
    operation: 'checkpoint',
    ownsGrads: false,
    inputs,
    backward: (grads) => recompute(body, inputs, grads),
  };
  outputs.forEach((output, index) => {
    output.requiresGrad = true;
    output.node = node;
    output.outputIndex = index;
  });
  return outputs;
}

function recompute(body: (...inputs: Tensor[]) => Tensor[], inputs: readonly Tensor[], grads: OutputGrads) {
  const fresh = inputs.map((input) => {
    const leaf = input.detach();
    leaf.requiresGrad = input.requiresGrad;
    return leaf;
  });
  const outputs = withGrad(true, () => body(...fresh));
  const roots = outputs.flatMap((output, i) => {
    const grad = grads[i];
    return grad && output.node ? [[output, grad] as const] : [];
  });
  // Nothing inside trains where every parameter is frozen and so is the input.
  if (roots.length > 0) backwardAll(roots);
  return fresh.map((leaf, i) => {
    const grad = leaf.grad;
    // The leaf is about to be freed, and would take its gradient along.
    leaf.grad = undefined;
    if (!grad) return undefined;
    const type = inputs[i]!.dtype;
    return grad.dtype === type ? grad : new Tensor(native.cast(grad.handle, type));
  });
}
