/**
 * Names and shapes of parameters in a Hugging Face folder. The names are those of the model's
 * family (nn/families); shapes and parts follow from the configuration. The rotary layout is the
 * same in memory and on disk (halves, not pairs), so no row moves.
 */
import { AthanorError } from '../base/errors.ts';
import { type HeadKind, type ModelConfig, parameterShapes, stackedRows } from '../nn/config.ts';
import { familyOf } from '../nn/config-json.ts';
import type { Family } from '../nn/families/family.ts';

/** A tensor of the file: a whole parameter, or some of its rows. */
export interface LayoutPart {
  readonly name: string;
  /** Shape in the file: [in, out] if the parameter is stored transposed. */
  readonly shape: readonly number[];
}

export interface LayoutEntry {
  /** In-memory name. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Stacked by rows, the parts make the parameter. */
  readonly parts: readonly LayoutPart[];
  /** Whether the only part is stored as [in, out]. */
  readonly transposed: boolean;
  /** Where rows are stored head by head (query, key, value): the number of heads. */
  readonly heads?: number;
  /** Whether a file may lack it. It is zero then: transformers' score heads have no bias. */
  readonly optional: boolean;
}

/** The name of a language model's head in the file. */
export function headTensor(config: ModelConfig): string {
  return `${familyOf(config).tensors.head ?? 'lm_head'}.weight`;
}

/** Every parameter with its tensors in the file, in the order of the forward pass. */
export function modelLayout(config: ModelConfig, head: HeadKind, labels: number): LayoutEntry[] {
  const family = familyOf(config);
  return [...parameterShapes(config, head, labels)].map(([name, shape]) => {
    const [, layer, part = '', kind = ''] = /^(?:blocks\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name)!;
    const names = diskNames(family, part, layer).map((stored) => `${stored}.${kind}`);
    const isTransposed = kind === 'weight' && layer !== undefined && family.tensors.transposed.includes(part);
    const optional = name === 'score.bias';
    const extra = family.tensors.headByHead?.includes(part) && { heads: config.heads };
    if (names.length === 1) {
      const parts = [{ name: names[0]!, shape: isTransposed ? shape.toReversed() : shape }];
      return { name, shape, parts, transposed: isTransposed, optional, ...extra };
    }
    const rows = stackedRows(config, part) ?? [];
    const parts = names.map((stored, i) => ({ name: stored, shape: [rows[i] ?? 0, ...shape.slice(1)] }));
    return { name, shape, parts, transposed: false, optional };
  });
}

/** The names of a part in the file; `layer` is undefined outside the blocks. */
function diskNames({ name, tensors }: Family, part: string, layer: string | undefined): string[] {
  if (layer === undefined && part === 'head') return [tensors.head ?? 'lm_head'];
  if (layer === undefined && part === 'score') return ['score'];
  const inner = layer === undefined ? tensors.trunk[part] : tensors.block[part];
  if (inner === undefined) {
    throw new AthanorError('ERR_INTERNAL', `the family ${name} has no name for ${part}`);
  }
  const prefix = layer === undefined ? tensors.wrapper : `${tensors.wrapper}.${tensors.layers}.${layer}`;
  return [inner].flat().map((stored) => `${prefix}.${stored}`);
}

/**
 * The name without its wrapper, as in files of the bare model: `h.0.ln_1.bias` for
 * `transformer.h.0.ln_1.bias`. Some programs call every head lm_head.
 */
export function bareName(name: string, config: ModelConfig): string {
  if (name === 'lm_head.weight') return headTensor(config);
  const prefix = `${familyOf(config).tensors.wrapper}.`;
  return name.startsWith(prefix) ? name.slice(prefix.length) : name;
}

/**
 * Whether a tensor of the file is not needed: buffers of older files, and a copy of the embedding
 * as the head of a model whose head is tied.
 */
export function isIgnorable(name: string, config: ModelConfig): boolean {
  if (bareName(name, config) === headTensor(config)) return config.tiedHead;
  return familyOf(config).tensors.ignored.test(name);
}
