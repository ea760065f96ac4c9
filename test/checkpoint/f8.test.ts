/** Folders with weights in f8, against what PyTorch makes of them (scripts/record-f8.py). */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/base/json.ts';
import { convertModel } from '../../src/checkpoint/convert/convert-model.ts';
import { readModelFiles } from '../../src/checkpoint/load-model.ts';
import { SafetensorsFile } from '../../src/checkpoint/safetensors.ts';
import type { TensorData } from '../../src/checkpoint/tensor-data.ts';
import { temporaryFolder } from '../helpers/cli.ts';

const fixtures = join(import.meta.dirname, 'fixtures/f8');
const bits = ({ data }: TensorData) => [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];

it('every value of the types is that of PyTorch', () => {
  using file = SafetensorsFile.open(join(fixtures, 'types.safetensors'));
  for (const type of ['e4m3', 'e5m2', 'e8m0']) {
    expect(file.read(type).data, type).toEqual(file.read(`${type}.f32`).data);
  }
});

describe.each(['block', 'tensor', 'channel'])('one scale per %s', (kind) => {
  const folder = join(fixtures, kind);

  it('gives the weights of PyTorch, bit by bit', () => {
    const [read, wanted] = ['model.safetensors', 'expected.safetensors'].map(
      (name) => readModelFiles(folder, name).parameters,
    );
    for (const [name, tensor] of wanted!) {
      expect(read!.get(name)!.dtype, name).toBe(tensor.dtype);
      expect(bits(read!.get(name)!), name).toEqual(bits(tensor));
    }
  });

  it('is written without scales, and the folder says so', async () => {
    const out = join(temporaryFolder(), 'out');
    await convertModel(folder, { out });
    const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as JsonObject;
    expect(config.quantization_config).toBeUndefined();
    using file = SafetensorsFile.open(join(out, 'model.safetensors'));
    expect([...file.tensors.keys()].filter((name) => /scale/.test(name))).toEqual([]);
    const [copy, first] = [out, folder].map((place) => readModelFiles(place).parameters);
    for (const [name, tensor] of first!) expect(bits(copy!.get(name)!), name).toEqual(bits(tensor));
  });
});

/** A copy of a folder with other fields. */
function changed(quantization: JsonObject): string {
  const folder = join(temporaryFolder(), 'model');
  mkdirSync(folder);
  const config = JSON.parse(readFileSync(join(fixtures, 'block/config.json'), 'utf8')) as JsonObject;
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify({ ...config, quantization_config: quantization }),
  );
  copyFileSync(join(fixtures, 'block/model.safetensors'), join(folder, 'model.safetensors'));
  return folder;
}

describe('refused by name, with what to do', () => {
  it.each([
    [{ quant_method: 'gptq', bits: 4 }, /weights of "gptq" are not supported/],
    [{ quant_method: 'awq', bits: 4 }, /weights of "awq" are not supported/],
    [{ quant_method: 'bitsandbytes', load_in_4bit: true }, /weights of "bitsandbytes" are not supported/],
    [{ quant_method: 'mxfp4' }, /weights of "mxfp4" are not supported/],
    [{ quant_method: 'fp8', fmt: 'e5m2' }, /fmt "e5m2" is not supported/],
    [{ quant_method: 'fp8', weight_block_size: [0, 128] }, /expected weight_block_size to be two sizes/],
    [
      { quant_method: 'compressed-tensors', format: 'pack-quantized', config_groups: {} },
      /weights of "compressed-tensors \(pack-quantized\)" are not supported/,
    ],
  ] as [JsonObject, RegExp][])('%j', (quantization, message) => {
    const folder = changed(quantization);
    expect(() => readModelFiles(folder)).toThrow(message);
    expect(() => readModelFiles(folder)).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
  });

  it('weights whose scales do not fit, or are not there', () => {
    const folder = changed({ quant_method: 'fp8', weight_block_size: [7, 7] });
    expect(() => readModelFiles(folder)).toThrow(/scales of \[\d+, \d+\] do not fit it/);
    const path = join(folder, 'model.safetensors');
    const bytes = readFileSync(path, 'latin1').replace('q_proj.weight_scale_inv', 'q_proj.weight_scale_old');
    writeFileSync(path, bytes, 'latin1');
    expect(() => readModelFiles(folder)).toThrow(
      /q_proj\.weight_scale_inv or .*q_proj\.weight_scale is missing; .*_scale_old is not part of the model/,
    );
  });
});
