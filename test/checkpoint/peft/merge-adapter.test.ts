/** Merged adapters against what peft computes with them (scripts/record-peft.py), in f32. */
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../../src/base/package-root.ts';
import { convertModel } from '../../../src/checkpoint/convert/convert-model.ts';
import { loadModel, loadScoringModel } from '../../../src/checkpoint/gpt-folder.ts';
import { readDescription } from '../../../src/checkpoint/load-model.ts';
import { SafetensorsFile } from '../../../src/checkpoint/safetensors.ts';
import { noGrad } from '../../../src/tensor/autograd.ts';
import { scope, tensor } from '../../../src/tensor/tensor.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { maxError } from '../../helpers/reference.ts';

const recordings = join(packageRoot, 'test/fixtures/peft');
const folderOf = (name: string) => join(recordings, name);

function record(name: string) {
  using file = SafetensorsFile.open(join(folderOf(name), 'record.safetensors'));
  const tokens = file.read('tokens').data as Int32Array;
  return { tokens, logits: file.read('logits').data as Float32Array };
}

function input(tokens: Int32Array) {
  const length = tokens.length / 2;
  return {
    tokens: tensor(tokens),
    positions: tensor(Int32Array.from(tokens, (_, i) => i % length)),
    cuSeqlens: tensor(Int32Array.from([0, length, 2 * length])),
  };
}

function logitsOf(folder: string, tokens: Int32Array): Float32Array {
  const model = loadModel(folder);
  try {
    return noGrad(() => scope(() => model.logits(model.forward(input(tokens))).toFloats()));
  } finally {
    model.dispose();
  }
}

const languageModels = readdirSync(recordings).filter((name) => name !== 'scores');

describe('an adapter of peft, merged', () => {
  it.each(languageModels)('%s: logits are those of peft', async (name) => {
    const out = join(temporaryFolder(), 'merged');
    const { base } = await convertModel(folderOf(name), { out });
    const { tokens, logits } = record(name);
    expect(maxError(logitsOf(out, tokens), logits)).toBeLessThan(2e-5);
    // The adapter matters.
    expect(maxError(logitsOf(base!, tokens), logits)).toBeGreaterThan(0.01);
  });

  it('a classifier brings its head', async () => {
    const out = join(temporaryFolder(), 'merged');
    await convertModel(folderOf('scores'), { out });
    expect(readDescription(out)).toMatchObject({ head: 'score', labels: 1 });
    const { tokens, logits } = record('scores');
    const model = loadScoringModel(out);
    const last = [tokens.length / 2 - 1, tokens.length - 1];
    const scores = noGrad(() =>
      scope(() => model.scores(input(tokens), tensor(Int32Array.from(last))).toFloats()),
    );
    model.dispose();
    expect(maxError(scores, logits)).toBeLessThan(2e-5);
  });

  it('a tied head stays as it was when the adapter changes the embedding alone', async () => {
    const out = join(temporaryFolder(), 'merged');
    await convertModel(folderOf('tied-embedding'), { out });
    expect(readDescription(out).config.tiedHead).toBe(false);
    const kept = join(temporaryFolder(), 'merged');
    await convertModel(folderOf('tokens'), { out: kept });
    expect(readDescription(kept).config.tiedHead).toBe(true);
  });
});

describe('an adapter that cannot be merged is refused', () => {
  const changed = (change: (config: Record<string, unknown>) => void) => {
    const folder = join(temporaryFolder(), 'adapter');
    cpSync(folderOf('llama'), folder, { recursive: true });
    const path = join(folder, 'adapter_config.json');
    const config = JSON.parse(readFileSync(path, 'utf8'));
    config.base_model_name_or_path = join(packageRoot, 'test/fixtures/torch/llama');
    change(config);
    writeFileSync(path, JSON.stringify(config));
    return folder;
  };
  const merge = (folder: string, base?: string) =>
    convertModel(folder, { out: join(temporaryFolder(), 'merged'), base });

  it.each([
    ['another method', { peft_type: 'IA3' }, /peft_type "IA3" is not supported/],
    ['an option of LoRA', { lora_bias: true }, /lora_bias true is not supported/],
    ['layers copied', { layer_replication: [[0, 1]] }, /layer_replication/],
    ['an expression', { alpha_pattern: { '(a+)+b': 3 } }, /expression "\(a\+\)\+b" in alpha_pattern/],
    ['an alpha that is no number', { lora_alpha: 'x' }, /expected lora_alpha to be a number/],
    ['an alpha beyond f32', { lora_alpha: 1e39 }, /expected lora_alpha to be finite but it is 1e\+39/],
    [
      'an alpha of a module beyond f32',
      { alpha_pattern: { q_proj: 1e39 } },
      /alpha_pattern\.q_proj to be fin/,
    ],
    ['a rank that is none', { r: 0.5 }, /expected r to be a whole number of at least 1 but it is 0.5/],
    [
      'a rank that its tensors do not have',
      { r: 5 },
      /model\.layers\.\d\.\S+ has rank \d, and adapter_config\.json says 5/,
    ],
    [
      'a rank that the tensors of one module do not have',
      { rank_pattern: { '^model.layers.1.mlp.up_proj': 7 } },
      /model\.layers\.1\.mlp\.up_proj has rank \d, and adapter_config\.json says 7/,
    ],
  ])('%s', async (_, fields, message) => {
    await expect(merge(changed((config) => Object.assign(config, fields)))).rejects.toThrow(message);
  });

  it.each([
    ['1e999', /adapter_config\.json: expected lora_alpha to be finite but it is Infinity/],
    ['Infinity', /adapter_config\.json: it is not JSON: .*Infinity/],
    ['NaN', /adapter_config\.json: it is not JSON: .*NaN/],
  ])('an alpha of %s', async (written, message) => {
    const folder = changed(() => {});
    const path = join(folder, 'adapter_config.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace(/"lora_alpha":[^,}]+/, `"lora_alpha":${written}`));
    await expect(merge(folder)).rejects.toThrow(message);
  });

  it('but not for an expression in rank_pattern, since its tensors have their ranks', async () => {
    const folder = changed((config) => {
      Object.assign(config, { r: 5, rank_pattern: { '.*_proj': 9 } });
    });
    expect(existsSync((await merge(folder)).base!)).toBe(true);
  });

  it('without its base model, which is then named', async () => {
    const folder = changed((config) => {
      config.base_model_name_or_path = 'nobody/nothing';
    });
    await expect(merge(folder)).rejects.toThrow(/base model nobody\/nothing is not on this machine/);
    const { base } = await merge(folder, join(packageRoot, 'test/fixtures/torch/llama'));
    expect(existsSync(base!)).toBe(true);
  });

  it('on another base model', async () => {
    const qwen3 = join(packageRoot, 'test/fixtures/torch/qwen3');
    const gpt2 = join(packageRoot, 'test/fixtures/torch/gpt2');
    await expect(merge(folderOf('llama'), gpt2)).rejects.toThrow(/the model has no model\.layers\.0/);
    await expect(merge(folderOf('biases'), qwen3)).rejects.toThrow(
      /the model has no bias in model\.layers\.0/,
    );
  });
});
