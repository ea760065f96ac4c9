/**
 * How parameters are named and laid out in a Hugging Face folder. The names are those of the
 * model's family (nn/families); shapes and parts follow from the configuration. The rotary layout
 * is the same in memory and on disk (halves, not pairs), so no row moves.
 */
import { AthanorError } from '../base/errors.ts';
import { type HeadKind, type ModelConfig, parameterShapes, stackedRows } from '../nn/config.ts';
import { familyOf } from '../nn/config-json.ts';
import type { Family } from '../nn/families/family.ts';

/** A tensor of the file: a whole parameter, or some of its rows. */
export interface LayoutPart {
  readonly name: string;
  /** In the file: [in, out] where the parameter is stored transposed. */
  readonly shape: readonly number[];
}

export interface LayoutEntry {
  /** In-memory name. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Stacked by rows they are the parameter. */
  readonly parts: readonly LayoutPart[];
  /** The one part is stored [in, out]. */
  readonly transposed: boolean;
  /** A file may lack it, and it is zero then: transformers' score heads have no bias. */
  readonly optional: boolean;
}

const headNames: Readonly<Record<string, string>> = { head: 'lm_head', score: 'score' };

/** Every parameter with the tensors it is stored as, in the order of the forward pass. */
export function modelLayout(config: ModelConfig, head: HeadKind, labels: number): LayoutEntry[] {
  const family = familyOf(config);
  return [...parameterShapes(config, head, labels)].map(([name, shape]) => {
    const [, layer, part = '', kind = ''] = /^(?:blocks\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name)!;
    const names = diskNames(family, part, layer).map((stored) => `${stored}.${kind}`);
    const isTransposed = kind === 'weight' && layer !== undefined && family.tensors.transposed.includes(part);
    const optional = name === 'score.bias';
    if (names.length === 1) {
      const parts = [{ name: names[0]!, shape: isTransposed ? shape.toReversed() : shape }];
      return { name, shape, parts, transposed: isTransposed, optional };
    }
    const rows = stackedRows(config, part) ?? [];
    const parts = names.map((stored, i) => ({ name: stored, shape: [rows[i] ?? 0, ...shape.slice(1)] }));
    return { name, shape, parts, transposed: false, optional };
  });
}

/** The names that a part has in the file; `layer` is undefined outside of the blocks. */
function diskNames({ name, tensors }: Family, part: string, layer: string | undefined): string[] {
  const headName = layer === undefined ? headNames[part] : undefined;
  if (headName !== undefined) return [headName];
  const inner = layer === undefined ? tensors.trunk[part] : tensors.block[part];
  if (inner === undefined) {
    throw new AthanorError('ERR_INTERNAL', `the family ${name} has no name for ${part}`);
  }
  const prefix = layer === undefined ? tensors.wrapper : `${tensors.wrapper}.${tensors.layers}.${layer}`;
  return [inner].flat().map((stored) => `${prefix}.${stored}`);
}

/**
 * The name without the wrapper that files of the bare model lack: `h.0.ln_1.bias` for
 * `transformer.h.0.ln_1.bias`.
 */
export function bareName(name: string, config: ModelConfig): string {
  const prefix = `${familyOf(config).tensors.wrapper}.`;
  return name.startsWith(prefix) ? name.slice(prefix.length) : name;
}

/**
 * Buffers that older files carry beside the weights; and the head of a model whose head is tied.
 */
export function isIgnorable(name: string, config: ModelConfig): boolean {
  if (name === 'lm_head.weight') return config.tiedHead;
  return familyOf(config).tensors.ignored.test(name);
}
