/** The rotation of a model as GGUF describes it. */
import type { ModelConfig } from '../../nn/config.ts';
import { type RopeScaling, type RopeSpec, ropeFactors, ropeMagnitude } from '../../nn/rope.ts';
import type { GgufTensor, GgufValue } from './gguf-file.ts';
import { byteLength, encodeTensor, tensorTypes } from './gguf-types.ts';

/** The scalings that llama.cpp has for a family, of the layers without windows. */
const scalings: Readonly<Record<string, readonly RopeScaling['type'][]>> = {
  gpt_neox: ['linear', 'dynamic', 'yarn'],
  gemma2: ['linear', 'dynamic'],
  gemma3_text: ['linear', 'dynamic'],
  phi3: ['linear', 'dynamic', 'yarn', 'longrope'],
  olmo2: ['linear', 'dynamic', 'yarn'],
  olmo3: ['linear', 'dynamic', 'yarn'],
};
const usual: readonly RopeScaling['type'][] = ['linear', 'dynamic', 'llama3', 'yarn'];

/** Families whose layers with windows have the plain rotation, and those with another base. */
const [plainWindows, ownBase] = [['olmo3', 'gemma3_text'], ['gemma3_text']];
const partial = ['phi3', 'gpt_neox'];

/** The rotation of the layers without windows, or else of all. */
export function mainRope({ blocks }: ModelConfig): RopeSpec | undefined {
  return (blocks.find(({ rope, window }) => rope && window === undefined) ?? blocks.find(({ rope }) => rope))
    ?.rope;
}

function windowRope({ blocks }: ModelConfig): RopeSpec | undefined {
  return blocks.find(({ window }) => window !== undefined)?.rope;
}

/** The longest text that the model was made for. */
export function longestContext(config: ModelConfig): number {
  const scaling = mainRope(config)?.scaling;
  // With LongRoPE Athanor uses a model up to its original context.
  return scaling?.type === 'longrope' && config.contextLength === scaling.originalContext
    ? scaling.longContext
    : config.contextLength;
}

/** What llama.cpp does not have of the rotation of a model. */
export function ropeProblem(config: ModelConfig): string | undefined {
  const { architecture } = config;
  const [main, windows] = [mainRope(config), windowRope(config)];
  if (main === undefined) return undefined;
  const { scaling, width } = main;
  if (width !== undefined && !partial.includes(architecture)) return 'partial rotation';
  if (scaling && !((scalings[architecture] ?? usual).includes(scaling.type) && isWritable(scaling))) {
    return `rotary positions of type ${scaling.type} with these settings`;
  }
  if (windows === undefined) return undefined;
  if (windows.theta !== main.theta && !ownBase.includes(architecture)) return 'a rotary base of windows';
  if (plainWindows.includes(architecture)) {
    return windows.scaling === undefined ? undefined : 'scaled rotary positions in layers with windows';
  }
  return undefined;
}

/** llama.cpp has one set of YaRN's settings; a factor on rotated vectors it has. */
function isWritable(scaling: RopeScaling): boolean {
  return scaling.type !== 'yarn' || (scaling.fast === 32 && scaling.slow === 1 && scaling.truncate);
}

type Entry = [string, GgufValue];

/** @param own makes an entry of the architecture */
export function ropeMetadata(config: ModelConfig, own: (key: string, value: GgufValue) => Entry): Entry[] {
  const rope = mainRope(config);
  if (!rope) return [];
  const { theta, scaling, width = config.headDim } = rope;
  const windows = windowRope(config);
  return [
    own('rope.dimension_count', { u32: width }),
    own('rope.freq_base', { f32: theta }),
    ...(windows && ownBase.includes(config.architecture)
      ? [own('rope.freq_base_swa', { f32: windows.theta })]
      : []),
    ...(scaling ? scalingMetadata(scaling, own) : []),
  ];
}

function scalingMetadata(scaling: RopeScaling, own: (key: string, value: GgufValue) => Entry): Entry[] {
  const type = own('rope.scaling.type', { string: scaling.type });
  const original = (context: number) => own('rope.scaling.original_context_length', { u32: context });
  const magnitude = (factor: number) =>
    Math.abs(factor - 1) < 1e-6 ? [] : [own('rope.scaling.attn_factor', { f32: factor })];
  switch (scaling.type) {
    case 'linear':
      return [type, own('rope.scaling.factor', { f32: scaling.factor })];
    case 'yarn':
      return [
        type,
        own('rope.scaling.factor', { f32: scaling.factor }),
        original(scaling.originalContext),
        ...magnitude(ropeMagnitude(scaling) / yarnMagnitude(scaling.factor)),
      ];
    case 'longrope':
      return [type, original(scaling.originalContext), ...magnitude(ropeMagnitude(scaling))];
    default:
      return [];
  }
}

/** The factor on rotated vectors that llama.cpp itself gives YaRN. */
export function yarnMagnitude(factor: number): number {
  return 0.1 * Math.log(factor) + 1;
}

/** Llama 3.1's and LongRoPE's divisors of the frequencies are tensors. */
export function ropeDivisors(config: ModelConfig): GgufTensor[] {
  const rope = mainRope(config);
  if (rope?.scaling?.type === 'longrope') {
    const { long, short } = rope.scaling;
    return [vector('rope_factors_long.weight', long), vector('rope_factors_short.weight', short)];
  }
  if (rope?.scaling?.type !== 'llama3') return [];
  const { frequencies } = ropeFactors(rope, config.headDim, config.contextLength);
  return [
    vector(
      'rope_freqs.weight',
      frequencies!.map((factor) => 1 / factor),
    ),
  ];
}

function vector(name: string, values: readonly number[]): GgufTensor {
  const data = Float32Array.from(values);
  const shape = [data.length];
  const read = () => encodeTensor('f32', { dtype: 'f32', shape, data });
  return { name, shape, type: tensorTypes.f32.number, bytes: byteLength('f32', data.length), read };
}
