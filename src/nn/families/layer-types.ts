/**
 * Layers of different types in config.json: one width of sliding windows, `layer_types` for the
 * layers that have it, and in some families a rotation for each type.
 */
import type { JsonObject } from '../../base/json.ts';
import { type BlockSpec, blockOf, type ModelConfig, maxLayers } from '../config.ts';
import type { RopeSpec } from '../rope.ts';
import type { ConfigFields } from './config-fields.ts';
import {
  contextWithin,
  type LayerType,
  maxPositionsOf,
  readRope,
  writeParameters,
  writeRope,
  writeScaling,
} from './rope-fields.ts';

/**
 * The type of each layer, from `layer_types` or else from the family's own rule. Throws ERR_FORMAT
 * for other types and for another number of layers.
 */
export function readLayerTypes(
  fields: ConfigFields,
  layers: number,
  isSliding: (layer: number) => boolean,
): LayerType[] {
  fields.onlyEach('layer_types', 'full_attention', 'sliding_attention');
  const given = fields.value('layer_types') as LayerType[] | undefined;
  if (given && given.length !== layers) {
    fields.fail(`layer_types has ${given.length} entries for ${layers} layers`);
  }
  const length = Math.min(layers, maxLayers);
  return given ?? Array.from({ length }, (_, i) => (isSliding(i) ? 'sliding_attention' : 'full_attention'));
}

/** The counterpart of readLayerTypes. */
export function writeLayerTypes(config: ModelConfig): LayerType[] {
  return Array.from({ length: config.layers }, (_, i) =>
    blockOf(config, i).window === undefined ? 'full_attention' : 'sliding_attention',
  );
}

/** The width of a model's windows; null where no layer has one. */
export function windowOf(config: ModelConfig): number | null {
  return config.blocks.find(({ window }) => window !== undefined)?.window ?? null;
}

/**
 * `sliding_window`, where an absent field stands for `otherwise` and null for no window.
 * @param otherwise null: none
 */
export function readWindow(fields: ConfigFields, otherwise: number | null): number | undefined {
  if (fields.json.sliding_window === null) return undefined;
  if (fields.json.sliding_window === undefined) return otherwise ?? undefined;
  const window = fields.number('sliding_window');
  if (!Number.isInteger(window) || window < 1) {
    fields.fail(`expected sliding_window to be a whole number above 0 but it is ${window}`);
  }
  return window;
}

/** The layers with windows as Qwen2, Qwen3 and SmolLM3 say it: only with `use_sliding_window`. */
export function readOptionalWindows(
  fields: ConfigFields,
  layers: number,
  otherwise: number | null,
  isSliding: (layer: number) => boolean,
): (number | undefined)[] {
  const isUsed = fields.boolean('use_sliding_window', false);
  const window = isUsed ? readWindow(fields, otherwise) : undefined;
  if (window === undefined) fields.onlyEach('layer_types', 'full_attention');
  const types = readLayerTypes(fields, layers, (layer) => window !== undefined && isSliding(layer));
  return types.map((type) => (type === 'sliding_attention' ? window : undefined));
}

/** The counterpart of readOptionalWindows. */
export function writeOptionalWindows(config: ModelConfig): JsonObject {
  const window = windowOf(config);
  return {
    use_sliding_window: window !== null,
    sliding_window: window,
    ...(window !== null && { layer_types: writeLayerTypes(config) }),
  };
}

/** The base of a type of layer where the file names none, and the field of transformers 4. */
export interface TypeDefaults {
  theta: number;
  thetaField: string;
}

/** Of each type, or of all layers where one rotation serves both. */
export type RopeDefaultsByType = Readonly<Record<LayerType, TypeDefaults>> | TypeDefaults;

/** The blocks and the context of a family whose types of layers have windows and rotations. */
export function readTypedLayers(
  fields: ConfigFields,
  sizes: { layers: number; headDim: number; contextLength: number },
  defaults: RopeDefaultsByType,
  block: Omit<BlockSpec, 'rope'>,
  isSliding: (layer: number) => boolean,
): { blocks: BlockSpec[]; contextLength: number } {
  const { layers, headDim, contextLength: maxPositions } = sizes;
  const types = readLayerTypes(fields, layers, isSliding);
  const window = readWindow(fields, 4096);
  if (window === undefined && types.includes('sliding_attention')) {
    fields.fail('layer_types names sliding_attention but sliding_window is null');
  }
  const rope = (layerType: LayerType) => {
    const own = 'theta' in defaults ? defaults : { ...defaults[layerType], layerType };
    return readRope(fields, { headDim, maxPositions, ...own });
  };
  const ropes = { full_attention: rope('full_attention'), sliding_attention: rope('sliding_attention') };
  const blockOfType = {
    full_attention: { ...block, rope: ropes.full_attention },
    sliding_attention: { ...block, rope: ropes.sliding_attention, ...(window !== undefined && { window }) },
  };
  const contexts = Object.values(ropes).map((each) => contextWithin(each, maxPositions));
  return { blocks: types.map((type) => blockOfType[type]), contextLength: Math.min(...contexts) };
}

/** The counterpart of readTypedLayers. */
export function writeTypedLayers(config: ModelConfig, defaults: RopeDefaultsByType): JsonObject {
  const ropeOf = (isSliding: boolean): RopeSpec | undefined =>
    config.blocks.find(({ window }) => (window !== undefined) === isSliding)?.rope;
  const full = ropeOf(false) ?? ropeOf(true);
  const sliding = ropeOf(true) ?? ropeOf(false);
  const window = windowOf(config);
  const common = {
    max_position_embeddings: maxPositionsOf(full, config.contextLength),
    ...(window !== null && { sliding_window: window }),
    layer_types: writeLayerTypes(config),
  };
  if ('theta' in defaults) return { ...common, ...writeRope(full, config.headDim) };
  const localTheta = defaults.sliding_attention.thetaField;
  return {
    ...common,
    rope_theta: full?.theta ?? null,
    rope_scaling: full?.scaling ? writeScaling(full.scaling) : null,
    ...(localTheta !== 'rope_theta' && { [localTheta]: sliding?.theta ?? null }),
    rope_parameters: {
      full_attention: full ? writeParameters(full, config.headDim) : null,
      sliding_attention: sliding ? writeParameters(sliding, config.headDim) : null,
    },
  };
}
