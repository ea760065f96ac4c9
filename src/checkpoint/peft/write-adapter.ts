/** Writes LoRA adapters as a folder of peft, which transformers, vLLM and peft read. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createFolder } from '../../base/files/create-folder.ts';
import { writeText } from '../../base/files/hashed-file.ts';
import type { JsonObject } from '../../base/json.ts';
import type { ModelDescription } from '../../nn/config-json.ts';
import { type LayoutEntry, modelLayout } from '../hf-layout.ts';
import { writeSafetensors } from '../safetensors.ts';
import { headByHead, type ParameterData, type TensorSource } from '../tensor-data.ts';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from './adapter-config.ts';

/** Adapters in memory. */
export interface AdapterContents {
  /** The model that has them. */
  model: Pick<ModelDescription, 'config' | 'head' | 'labels'>;
  /** The base model, as peft will look for it. */
  base: string;
  rank: number;
  alpha: number;
  /**
   * A `[rank, in]` and B `[out, rank]` of each projection under Athanor's names, such as
   * `blocks.0.attention.qkv.lora_a`, and the parameters of a score head.
   */
  tensors: ReadonlyMap<string, ParameterData>;
}

/**
 * Writes adapter_config.json and adapter_model.safetensors into `folder`, in place of what it held.
 * Where Athanor keeps several projections of peft as one matrix, each gets the same A and its rows
 * of B, which is the same product. Throws ERR_DISK_FULL and ERR_IO.
 */
export async function writeAdapter(folder: string, contents: AdapterContents): Promise<void> {
  const { model, tensors } = contents;
  const layout = modelLayout(model.config, model.head, model.labels);
  const modules = layout.flatMap((entry) => adaptedModules(entry, contents));
  const saved = [...tensors.keys()].filter((name) => name.startsWith('score.'));
  const weights: [string, TensorSource][] = [
    ...modules.flatMap(({ module, a, b }): [string, TensorSource][] => [
      [`base_model.model.${module}.lora_A.weight`, a],
      [`base_model.model.${module}.lora_B.weight`, b],
    ]),
    ...saved.map((name): [string, TensorSource] => [`base_model.model.${name}`, tensors.get(name)!]),
  ];
  const config = configJson(contents, layout, modules, saved.length > 0);
  rmSync(folder, { recursive: true, force: true });
  await createFolder(folder, async (temporary) => {
    await writeText(join(temporary, ADAPTER_CONFIG), `${JSON.stringify(config, undefined, 2)}\n`);
    await writeSafetensors(join(temporary, ADAPTER_WEIGHTS), weights, { format: 'pt' });
  });
}

interface AdaptedModule {
  /** Its name in the base model's files. */
  module: string;
  a: TensorSource;
  b: TensorSource;
}

function adaptedModules({ name, parts, heads }: LayoutEntry, { tensors }: AdapterContents): AdaptedModule[] {
  const path = name.replace(/\.weight$/, '');
  const [a, b] = [tensors.get(`${path}.lora_a`), tensors.get(`${path}.lora_b`)];
  if (!a || !b) return [];
  const [out = 0, rank = 0] = b.shape;
  let row = 0;
  return parts.map((part) => {
    const rows = parts.length > 1 ? (part.shape[0] ?? 0) : out;
    const own = heads === undefined ? b.data : headByHead(b.data, heads);
    const data = own.subarray(row * rank, (row + rows) * rank);
    row += rows;
    return {
      module: part.name.replace(/\.weight$/, ''),
      a,
      b: { dtype: b.dtype, shape: [rows, rank], data },
    };
  });
}

function configJson(
  { base, rank, alpha, model }: AdapterContents,
  layout: readonly LayoutEntry[],
  modules: readonly AdaptedModule[],
  hasHead: boolean,
): JsonObject {
  return {
    peft_type: 'LORA',
    task_type: model.head === 'score' ? 'SEQ_CLS' : 'CAUSAL_LM',
    base_model_name_or_path: base,
    revision: null,
    inference_mode: true,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    target_modules: targetNames(layout, modules),
    modules_to_save: hasHead ? ['score'] : null,
    bias: 'none',
    // Layers that are stored [in, out].
    fan_in_fan_out: layout.some(({ transposed }) => transposed),
    use_rslora: false,
    use_dora: false,
    rank_pattern: {},
    alpha_pattern: {},
    layers_to_transform: null,
    layers_pattern: null,
    init_lora_weights: true,
  };
}

/**
 * The ends of the modules' names, as short as they can be: peft adapts every module whose name ends
 * so, and `c_proj` of GPT-2 is in attention and in the feed-forward network.
 */
function targetNames(layout: readonly LayoutEntry[], modules: readonly AdaptedModule[]): string[] {
  const adapted = new Set(modules.map(({ module }) => module));
  const others = layout
    .flatMap(({ parts }) => parts.map(({ name }) => name.replace(/\.(weight|bias)$/, '')))
    .filter((module) => !adapted.has(module));
  const targets = new Set<string>();
  for (const module of adapted) {
    const names = module.split('.');
    let count = 1;
    const end = () => names.slice(-count).join('.');
    while (count < names.length && others.some((other) => other.endsWith(`.${end()}`))) count += 1;
    targets.add(end());
  }
  return [...targets].sort();
}
