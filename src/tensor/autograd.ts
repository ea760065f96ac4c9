/**
 * Reverse-mode differentiation. There is no global tape: the outputs of an operation refer to a
 * node, and the node refers to its inputs. Nodes are numbered in the order in which they are made.
 * Descending numbers are therefore a topological order of the nodes that a loss depends on.
 */

import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import { empty, full, keep, scope, Tensor, zeros } from './tensor.ts';

/** Gradients of a node's outputs, in order; undefined where nothing depends on that output. */
export type OutputGrads = readonly (Tensor | undefined)[];

/** An operation in the graph of the backward pass. */
export interface GradNode {
  readonly order: number;
  readonly operation: string;
  /**
   * Whether nothing else refers to the gradients that backward() returns. A leaf may then keep one
   * as its own.
   */
  readonly ownsGrads: boolean;
  readonly inputs: readonly (Tensor | undefined)[];
  /** Leaves that get a gradient from the backward pass of this node without being its inputs. */
  readonly hiddenLeaves?: readonly Tensor[];
  /**
   * Returns a gradient for each input: undefined where none is needed, or where it went through
   * accumulate. The engine disposes of the returned gradients. All other tensors that it makes are
   * freed when it returns.
   */
  backward(grads: OutputGrads, accumulate: Accumulate): readonly (Tensor | undefined)[];
}

/** Gives a backward pass the memory to which it adds gradients. */
export interface Accumulate {
  /**
   * The f32 buffer in which an input's gradient is summed, zero at first: kernels that add into a
   * weight's gradient write there directly. Undefined when the input needs no gradient.
   */
  (input: Tensor | undefined): Tensor | undefined;
  /**
   * The same for a kernel that can overwrite: `fresh` says that nothing was added yet, and the
   * buffer may hold anything. Filling a large gradient with zeros only to add to it would cost two
   * more passes over it.
   */
  claim(input: Tensor): { grad: Tensor; fresh: boolean } | undefined;
}

let nodeCount = 0;
let gradEnabled = true;
/** The leaves that operations have used, while checkpoint() collects them. */
let metLeaves: Set<Tensor> | undefined;

/**
 * Runs body without recording operations for a backward pass. Meant for evaluation, generation
 * and optimizer updates.
 */
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

/** Whether an operation on these inputs has to record its backward pass. */
export function needsGrad(...inputs: readonly (Tensor | undefined)[]): boolean {
  if (metLeaves) for (const input of inputs) if (input && isLeaf(input)) metLeaves.add(input);
  return gradEnabled && inputs.some((input) => input?.requiresGrad === true);
}

function isLeaf(value: Tensor): boolean {
  return value.requiresGrad && !value.node;
}

/**
 * Records an operation, if one of its inputs needs a gradient: `backward` turns gradients of the
 * outputs into gradients of the inputs. A new operation calls this once, after its forward pass.
 * @param operation name of the operation
 * @param ownsGrads see GradNode.ownsGrads
 */
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

/** Options of backward(). */
export interface BackwardOptions {
  /**
   * Called once for each leaf that got a gradient, as soon as this pass adds no more to it. The
   * pass meanwhile continues with the rest of the graph. The order is that of the graph, the same
   * each time. Where several batches accumulate into one gradient, give this to the pass of the
   * last batch: only then is the gradient final. The callback may read the leaf's grad or start to
   * sum it over ranks, but not replace it.
   */
  onGradient?: ((leaf: Tensor) => void) | undefined;
}

/**
 * Backward pass: adds d(root)/d(leaf) to the grad of every leaf that requires a gradient. Throws
 * ERR_SHAPE unless the root holds one element, and ERR_STATE when nothing that it depends on
 * requires a gradient.
 */
export function backward(root: Tensor, options: BackwardOptions = {}): void {
  if (root.size !== 1) {
    throw new AthanorError(
      'ERR_SHAPE',
      `[backward] expected a loss of one element but got [${root.shape.join(', ')}]`,
    );
  }
  backwardAll([[root, full(root.shape, 1, root.dtype)]], options);
}

/** The backward pass from several outputs of one graph at once, given their gradients. */
function backwardAll(
  roots: readonly (readonly [Tensor, Tensor])[],
  { onGradient }: BackwardOptions = {},
): void {
  const nodes = reachable(roots.map(([root]) => root));
  if (nodes.length === 0) {
    throw new AthanorError(
      'ERR_STATE',
      '[backward] nothing here requires a gradient',
      'was it computed in noGrad()?',
    );
  }
  const uses = onGradient ? new LeafUses(nodes, onGradient) : undefined;
  scope(() => {
    const pending = new Pending();
    for (const [root, seed] of roots) pending.add(root, seed);
    for (const node of nodes) {
      const grads = pending.take(node);
      if (grads.some((grad) => grad !== undefined)) backwardNode(node, grads, pending);
      uses?.done(node);
    }
  });
}

/** Passes the gradients of a node's outputs to its inputs. */
function backwardNode(node: GradNode, grads: OutputGrads, pending: Pending): void {
  const accumulate: Accumulate = Object.assign((input: Tensor | undefined) => pending.buffer(input), {
    claim: (input: Tensor) => pending.claim(input),
  });
  const inputGrads = scope(() => withGrad(false, () => node.backward(grads, accumulate)));
  node.inputs.forEach((input, i) => {
    const grad = inputGrads[i];
    if (grad === undefined || !input?.requiresGrad) return;
    pending.add(input, grad, node.ownsGrads);
  });
  for (const grad of grads) grad?.dispose();
  inputGrads.forEach((grad, i) => {
    if (node.inputs[i]?.grad !== grad) grad?.dispose();
  });
}

/** Counts the remaining uses of each leaf, and reports a leaf after its last use. */
class LeafUses {
  readonly #left = new Map<Tensor, number>();
  readonly #onGradient: (leaf: Tensor) => void;

  constructor(nodes: readonly GradNode[], onGradient: (leaf: Tensor) => void) {
    this.#onGradient = onGradient;
    for (const leaf of nodes.flatMap(leavesOf)) this.#left.set(leaf, (this.#left.get(leaf) ?? 0) + 1);
  }

  done(node: GradNode): void {
    for (const leaf of leavesOf(node)) {
      const left = this.#left.get(leaf)! - 1;
      this.#left.set(leaf, left);
      if (left === 0 && leaf.grad) this.#onGradient(leaf);
    }
  }
}

/** The leaves that a node gives gradients to. A leaf that is two of its inputs is listed twice. */
function leavesOf({ inputs, hiddenLeaves = [] }: GradNode): Tensor[] {
  return [...inputs, ...hiddenLeaves].filter((input) => input !== undefined && isLeaf(input)) as Tensor[];
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

/**
 * Gradients of outputs, which wait until the pass reaches their node. Gradients of leaves
 * go to Tensor.grad.
 */
class Pending {
  readonly #byNode = new Map<GradNode, (Tensor | undefined)[]>();

  add(target: Tensor, grad: Tensor, owned = false): void {
    if (!target.node) {
      if (owned && !target.grad && grad.dtype === 'f32') {
        target.grad = keep(grad);
        return;
      }
      const buffer = this.buffer(target)!;
      const wide = grad.dtype === 'f32' ? grad : new Tensor(native.cast(grad.handle, 'f32'));
      native.addScaledInto(buffer.handle, wide.handle, 1);
      return;
    }
    const grads = this.#slot(target.node);
    const before = grads[target.outputIndex];
    // An operation may give one tensor to two inputs, so nothing is added to a gradient in place.
    grads[target.outputIndex] = before
      ? new Tensor(native.axpby(before.handle, 1, grad.handle, 1))
      : new Tensor(native.view(grad.handle, grad.shape), grad.shape, grad.dtype);
    before?.dispose();
  }

  buffer(target: Tensor | undefined): Tensor | undefined {
    const claimed = target && this.#buffer(target, true);
    return claimed?.grad;
  }

  claim(target: Tensor): { grad: Tensor; fresh: boolean } | undefined {
    return this.#buffer(target, false);
  }

  #buffer(target: Tensor, zeroed: boolean): { grad: Tensor; fresh: boolean } | undefined {
    if (!target.requiresGrad) return undefined;
    const before = target.node ? this.#slot(target.node)[target.outputIndex] : target.grad;
    if (before) return { grad: before, fresh: false };
    // The gradient outlives the operation that asks for it; backwardNode disposes of it later.
    const grad = keep(newGrad(target, zeroed));
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

/** Memory for a gradient: from the leaf's gradMemory where it has one, else new. */
function newGrad(target: Tensor, zeroed: boolean): Tensor {
  const memory = target.node ? undefined : target.gradMemory?.take();
  if (!memory) return zeroed ? zeros(target.shape) : empty(target.shape);
  if (zeroed) native.fillInto(memory.handle, 0);
  return memory;
}

/**
 * Gradient checkpointing (Chen et al., "Training deep nets with sublinear memory cost", 2016): runs
 * body without keeping its intermediate tensors, and runs it again in the backward pass. This costs
 * one more forward pass and keeps memory for inputs and outputs only. Body must be a pure function
 * of its inputs and of parameters.
 * @param trains whether body may use parameters that need a gradient
 */
export function checkpoint(
  body: (...inputs: Tensor[]) => Tensor[],
  inputs: readonly Tensor[],
  trains = true,
): Tensor[] {
  const [outputs, leaves] = withMetLeaves(() => noGrad(() => scope(() => body(...inputs))));
  if (!gradEnabled || !(trains || needsGrad(...inputs))) return outputs;
  nodeCount += 1;
  const node: GradNode = {
    order: nodeCount,
    operation: 'checkpoint',
    ownsGrads: false,
    inputs,
    // The leaf that is used last is the first to get its gradient.
    hiddenLeaves: leaves.filter((leaf) => !inputs.includes(leaf)).reverse(),
    backward: (grads) => recompute(body, inputs, grads),
  };
  outputs.forEach((output, index) => {
    output.requiresGrad = true;
    output.node = node;
    output.outputIndex = index;
  });
  return outputs;
}

/** Runs body; returns its result and the leaves that its operations use, by their first use. */
function withMetLeaves<T>(body: () => T): [T, Tensor[]] {
  const outer = metLeaves;
  const mine = new Set<Tensor>();
  metLeaves = mine;
  try {
    return [body(), [...mine]];
  } finally {
    metLeaves = outer;
    if (outer) for (const leaf of mine) outer.add(leaf);
  }
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
  // With frozen inputs and frozen parameters nothing inside trains.
  if (roots.length > 0) backwardAll(roots);
  return fresh.map((leaf, i) => {
    const grad = leaf.grad;
    // The leaf will be freed soon and must not free its gradient with it.
    leaf.grad = undefined;
    if (!grad) return undefined;
    const type = inputs[i]!.dtype;
    return grad.dtype === type ? grad : new Tensor(native.cast(grad.handle, type));
  });
}
