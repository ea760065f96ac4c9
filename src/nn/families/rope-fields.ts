/**
 * Rotary positions in config.json. transformers 4 writes `rope_theta` and `rope_scaling`,
 * transformers 5 one object `rope_parameters`, in some families with an object for each type of
 * layer. Both spellings are read, and both are written.
 */
import type { JsonObject } from '../../base/json.ts';
import { type RopeScaling, type RopeSpec, ropeMagnitude } from '../rope.ts';
import { ConfigFields, spell } from './config-fields.ts';

/** Types of layers, as `layer_types` and a nested `rope_parameters` name them. */
export type LayerType = 'full_attention' | 'sliding_attention';

export interface RopeDefaults {
  headDim: number;
  /** `max_position_embeddings`. */
  maxPositions: number;
  /** The base where the file names none, and the top-level field of the base. */
  theta: number;
  thetaField: string;
  /** The share of each head that rotates. Undefined: the family rotates whole heads only. */
  partial?: number;
  /** The top-level field of that share. */
  partialField?: string;
  /** The type of layer, in families whose types of layers differ. */
  layerType?: LayerType;
}

const ropeTypes = ['default', 'linear', 'dynamic', 'llama3', 'yarn', 'longrope'] as const;

/** Throws ERR_FORMAT for a type that is not there and for what the family does not have. */
export function readRope(fields: ConfigFields, defaults: RopeDefaults): RopeSpec {
  const { headDim, maxPositions } = defaults;
  const parameters = ropeParameters(fields, defaults.layerType);
  const theta = parameters.number('rope_theta', fields.number(defaults.thetaField, defaults.theta));
  const width = Math.trunc(headDim * partialOf(fields, parameters, defaults));
  if (width < 2 || width % 2 !== 0) parameters.fail(`${width} of ${headDim} channels cannot rotate in pairs`);
  const scaling = readScaling(parameters, { width, maxPositions, outer: fields });
  return { theta, ...(width !== headDim && { width }), ...(scaling && { scaling }) };
}

/**
 * The longest sequence that is computed. LongRoPE turns the positions of longer sequences by other
 * frequencies, the first tokens' too. So a model is used up to its original context, where a
 * token's results do not depend on those after it.
 */
export function contextWithin(rope: RopeSpec | undefined, maxPositions: number): number {
  return rope?.scaling?.type === 'longrope'
    ? Math.min(maxPositions, rope.scaling.originalContext)
    : maxPositions;
}

/** `max_position_embeddings` of a model. */
export function maxPositionsOf(rope: RopeSpec | undefined, contextLength: number): number {
  return rope?.scaling?.type === 'longrope' ? rope.scaling.longContext : contextLength;
}

/** transformers 4's fields, and transformers 5's object for a family without types of layers. */
export function writeRope(rope: RopeSpec | undefined, headDim: number): JsonObject {
  if (rope === undefined) return { rope_theta: null, rope_scaling: null };
  return {
    rope_theta: rope.theta,
    rope_scaling: rope.scaling ? writeScaling(rope.scaling) : null,
    rope_parameters: writeParameters(rope, headDim),
  };
}

/** One object of `rope_parameters`. */
export function writeParameters({ theta, width, scaling }: RopeSpec, headDim: number): JsonObject {
  return {
    rope_theta: theta,
    ...(scaling ? writeScaling(scaling) : { rope_type: 'default' }),
    ...(width !== undefined && { partial_rotary_factor: width / headDim }),
  };
}

/** The fields of one `rope_scaling`, without the base. */
export function writeScaling(scaling: RopeScaling): JsonObject {
  const { type } = scaling;
  switch (type) {
    case 'linear':
    case 'dynamic':
      return { rope_type: type, factor: scaling.factor };
    case 'llama3':
      return {
        rope_type: type,
        factor: scaling.factor,
        low_freq_factor: scaling.lowFrequency,
        high_freq_factor: scaling.highFrequency,
        original_max_position_embeddings: scaling.originalContext,
      };
    case 'yarn':
      return {
        rope_type: type,
        factor: scaling.factor,
        original_max_position_embeddings: scaling.originalContext,
        ...(scaling.fast !== 32 && { beta_fast: scaling.fast }),
        ...(scaling.slow !== 1 && { beta_slow: scaling.slow }),
        ...(scaling.scales && { mscale: scaling.scales[0], mscale_all_dim: scaling.scales[1] }),
        ...(scaling.magnitude !== undefined && { attention_factor: scaling.magnitude }),
        ...(!scaling.truncate && { truncate: false }),
      };
    case 'longrope':
      return {
        rope_type: type,
        short_factor: [...scaling.short],
        long_factor: [...scaling.long],
        original_max_position_embeddings: scaling.originalContext,
        ...(scaling.magnitude !== undefined && { attention_factor: scaling.magnitude }),
      };
  }
}

/** The object that describes the rotation; transformers 5 lets `rope_scaling` go first. */
function ropeParameters(fields: ConfigFields, layerType: LayerType | undefined): ConfigFields {
  const scaling = fields.object('rope_scaling');
  const parameters = fields.object('rope_parameters');
  if (layerType === undefined) return scaling ?? parameters ?? new ConfigFields({}, fields.path);
  const own = parameters?.object(layerType);
  // The scaling of transformers 4 is that of layers with full attention.
  const { truncate: _, ...json } = { ...own?.json, ...(layerType === 'full_attention' && scaling?.json) };
  // transformers 5 looks for this one field outside of the layers' objects.
  const truncate = parameters?.value('truncate');
  if (truncate !== undefined) Object.assign(json, { truncate });
  return new ConfigFields(json, own?.path ?? scaling?.path ?? fields.path);
}

function partialOf(fields: ConfigFields, parameters: ConfigFields, defaults: RopeDefaults): number {
  const { partial, partialField = 'partial_rotary_factor' } = defaults;
  if (partial === undefined) {
    for (const object of [fields, parameters]) object.only('partial_rotary_factor', 1);
    return 1;
  }
  return parameters.number('partial_rotary_factor', fields.number(partialField, partial));
}

interface ScalingContext {
  width: number;
  maxPositions: number;
  outer: ConfigFields;
}

function readScaling(fields: ConfigFields, context: ScalingContext): RopeScaling | undefined {
  const key = fields.value('rope_type') === undefined ? 'type' : 'rope_type';
  const type = fields.value(key) ?? 'default';
  switch (type) {
    case 'default':
      return undefined;
    case 'linear':
    case 'dynamic':
      return { type, factor: fields.number('factor') };
    case 'llama3':
      return {
        type,
        factor: fields.number('factor'),
        lowFrequency: fields.number('low_freq_factor'),
        highFrequency: fields.number('high_freq_factor'),
        originalContext: originalContext(fields, context),
      };
    case 'yarn':
      return readYarn(fields, context);
    // The first name of the method, in files of Phi-3.
    case 'su':
    case 'longrope':
      return readLongRope(fields, context);
    default:
      return fields.unsupported(
        `${key} ${spell(type)}`,
        ropeTypes.map((name) => `${key} ${spell(name)}`),
      );
  }
}

function originalContext(fields: ConfigFields, { outer, maxPositions }: ScalingContext): number {
  const key = 'original_max_position_embeddings';
  return outer.number(key, fields.number(key, maxPositions));
}

function readYarn(fields: ConfigFields, context: ScalingContext): RopeScaling {
  const original = originalContext(fields, context);
  const scales = [fields.number('mscale', 0), fields.number('mscale_all_dim', 0)] as const;
  return {
    type: 'yarn',
    factor: fields.number('factor', context.maxPositions / original),
    originalContext: original,
    // As in transformers, 0 stands for the default.
    fast: fields.number('beta_fast', 0) || 32,
    slow: fields.number('beta_slow', 0) || 1,
    truncate: fields.boolean('truncate', true),
    ...(fields.value('attention_factor') !== undefined && {
      magnitude: fields.number('attention_factor'),
    }),
    // transformers uses both or neither.
    ...(scales[0] !== 0 && scales[1] !== 0 && { scales }),
  };
}

function readLongRope(fields: ConfigFields, context: ScalingContext): RopeScaling {
  const { maxPositions, width } = context;
  const divisors = (key: string) => {
    const list = fields.numbers(key) ?? fields.fail(`expected ${key} to be a list of numbers`);
    if (list.length === width / 2) return list;
    return fields.fail(`${key} has ${list.length} numbers for ${width / 2} pairs of channels`);
  };
  const scaling = {
    type: 'longrope' as const,
    short: divisors('short_factor'),
    long: divisors('long_factor'),
    originalContext: originalContext(fields, context),
    longContext: maxPositions,
  };
  if (fields.value('attention_factor') !== undefined) {
    return { ...scaling, magnitude: fields.number('attention_factor') };
  }
  if (fields.value('factor') === undefined) return scaling;
  const stretched = { ...scaling, longContext: fields.number('factor') * scaling.originalContext };
  const magnitude = ropeMagnitude(stretched);
  return magnitude === ropeMagnitude(scaling) ? scaling : { ...scaling, magnitude };
}
