/** The rotation of a GGUF file in the words of config.json. */
import type { JsonObject } from '../../base/json.ts';
import { yarnMagnitude } from './gguf-rope.ts';
import { asWritten, type MetadataFields } from './metadata-fields.ts';

/** Tensors that describe the rotation, and are no parameters. */
export const ropeTensors = ['rope_freqs.weight', 'rope_factors_long.weight', 'rope_factors_short.weight'];

/** Llama 3 and its successors: the file has the divisors of the frequencies that these give. */
const llama3Factors = [8, 32];

/** `rope_scaling`; undefined for the plain rotation. */
export function ropeScaling(fields: MetadataFields): JsonObject | undefined {
  const { tensors } = fields.file;
  if (tensors.has('rope_freqs.weight')) return llama3Scaling(fields);
  if (tensors.has('rope_factors_long.weight')) return longRope(fields);
  const type = fields.value('rope.scaling.type') ?? 'none';
  if (type === 'none') return undefined;
  const scaling: JsonObject = { rope_type: String(type), factor: fields.written('rope.scaling.factor') };
  if (type === 'linear') return scaling;
  if (type !== 'yarn') fields.fail(`${fields.architecture}.rope.scaling.type ${type} is not supported`);
  const original = fields.own('rope.scaling.original_context_length');
  const magnitude = fields.own('rope.scaling.attn_factor', 1);
  return {
    ...scaling,
    original_max_position_embeddings: original,
    ...(magnitude !== 1 && {
      attention_factor: asWritten(magnitude * yarnMagnitude(fields.own('rope.scaling.factor'))),
    }),
  };
}

function divisors(fields: MetadataFields, name: string): number[] {
  if (fields.file.tensors.get(name)?.type !== 'f32') fields.fail(`${name} is missing or not of type f32`);
  return [...(fields.file.read(name).data as Float32Array)].map(asWritten);
}

function longRope(fields: MetadataFields): JsonObject {
  return {
    rope_type: 'longrope',
    long_factor: divisors(fields, 'rope_factors_long.weight'),
    short_factor: divisors(fields, 'rope_factors_short.weight'),
    original_max_position_embeddings: fields.own('rope.scaling.original_context_length'),
    attention_factor: fields.written('rope.scaling.attn_factor', 1),
  };
}

function llama3Scaling(fields: MetadataFields): JsonObject {
  const data = divisors(fields, 'rope_freqs.weight');
  const theta = fields.own('rope.freq_base', 10_000);
  const [low, high, original] = [1, 4, 8192];
  const divisor = (i: number, factor: number) => {
    const wavelength = 2 * Math.PI * theta ** (i / data.length);
    const smooth = (original / wavelength - low) / (high - low);
    if (smooth >= 1) return 1;
    return smooth <= 0 ? factor : 1 / ((1 - smooth) / factor + smooth);
  };
  const factor = llama3Factors.find((candidate) =>
    data.every((value, i) => Math.abs(value / divisor(i, candidate) - 1) < 1e-4),
  );
  if (factor === undefined)
    fields.fail('rope_freqs.weight has other divisors than those of Llama 3.1 and 3.2');
  return {
    rope_type: 'llama3',
    factor,
    low_freq_factor: low,
    high_freq_factor: high,
    original_max_position_embeddings: original,
  };
}
