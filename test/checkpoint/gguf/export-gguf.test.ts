import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportGguf } from '../../../src/checkpoint/gguf/export-gguf.ts';
import { saveModel, saveScoringModel } from '../../../src/checkpoint/gpt-folder.ts';
import { readModelFiles } from '../../../src/checkpoint/load-model.ts';
import { f32FromBf16, type ParameterData } from '../../../src/checkpoint/tensor-data.ts';
import type { ModelConfig } from '../../../src/nn/config.ts';
import { Gpt } from '../../../src/nn/gpt.ts';
import type { RopeScaling } from '../../../src/nn/rope.ts';
import { ScoringModel } from '../../../src/nn/scoring-model.ts';
import type { Tokenizer } from '../../../src/text/tokenizer.ts';
import { chatTokenizer } from '../../helpers/chat-model.ts';
import { athanor, temporaryFolder } from '../../helpers/cli.ts';
import { familyConfigs } from '../../helpers/family-configs.ts';
import { ggufConfigs } from '../../helpers/gguf-configs.ts';

/** A reader of version 3, from the format's description: metadata by key, tensors by name. */
function readGguf(path: string) {
  const file = readFileSync(path);
  let at = 0;
  const next = (size: number) => {
    at += size;
    return at - size;
  };
  const u32 = () => file.readUInt32LE(next(4));
  const u64 = () => Number(file.readBigUInt64LE(next(8)));
  const text = () => {
    const length = u64();
    at += length;
    return file.toString('utf8', at - length, at);
  };
  const value = (kind: number): unknown => {
    if (kind === 4) return u32();
    if (kind === 5) return file.readInt32LE(next(4));
    if (kind === 6) return file.readFloatLE(next(4));
    if (kind === 7) return file[next(1)] === 1;
    if (kind === 8) return text();
    const item = u32();
    return Array.from({ length: u64() }, () => value(item));
  };
  expect(file.toString('latin1', 0, 4)).toBe('GGUF');
  at = 4;
  expect(u32()).toBe(3);
  const [tensorCount, keyCount] = [u64(), u64()];
  const metadata = Object.fromEntries(Array.from({ length: keyCount }, () => [text(), value(u32())]));
  const infos = Array.from({ length: tensorCount }, () => {
    const name = text();
    const dimensions = Array.from({ length: u32() }, u64);
    return { name, dimensions, type: u32(), offset: u64() };
  });
  const start = Math.ceil(at / 32) * 32;
  const tensors = new Map(
    infos.map(({ name, dimensions, type, offset }, i) => {
      expect(offset % 32).toBe(0);
      const end = infos[i + 1]?.offset ?? file.length - start;
      return [name, { dimensions, type, data: file.subarray(start + offset, start + end) }];
    }),
  );
  return { metadata, tensors };
}

async function modelFolder(config: ModelConfig, tokenizer: Tokenizer): Promise<string> {
  const folder = join(temporaryFolder(), config.architecture);
  const model = new Gpt({ ...config, vocabSize: tokenizer.vocabSize + 3 }, { seed: 3 });
  tokenizer.save(folder);
  await saveModel(folder, model, { tokenizer: folder });
  model.dispose();
  return folder;
}

/** Llama with scaled rotary positions. */
function rotated(scaling: RopeScaling): ModelConfig {
  const { blocks, ...config } = familyConfigs.llama;
  return { ...config, blocks: blocks.map((block) => ({ ...block, rope: { theta: 10_000, scaling } })) };
}
const yarn: RopeScaling = { type: 'yarn', factor: 4, originalContext: 16, fast: 32, slow: 1, truncate: true };
const [qwen2Block] = familyConfigs.qwen2.blocks;
const { olmo2, olmo3 } = familyConfigs;
const onlyWindows: ModelConfig = { ...olmo3, blocks: [olmo3.blocks[0]!] };
const windowed: ModelConfig = { ...familyConfigs.qwen2, blocks: [{ ...qwen2Block!, window: 8 }] };

const floats = ({ dtype, data }: ParameterData) => (dtype === 'f32' ? data : f32FromBf16(data));
const f32s = (data: Buffer, count: number) =>
  new Float32Array(new Uint8Array(data.subarray(0, 4 * count)).buffer);

describe('a GGUF file', () => {
  const { gpt2, llama, qwen2, qwen3, smollm3 } = familyConfigs;
  const writable = Object.entries({ gpt2, llama, qwen2, qwen3, smollm3 });

  it.each(writable)('of %s has every weight at its place', async (name, config) => {
    const folder = await modelFolder(config, await chatTokenizer());
    const path = join(folder, 'model.gguf');
    const result = await exportGguf(folder, path, { type: 'f32' });
    const { metadata, tensors } = readGguf(path);
    expect(result).toMatchObject({ tensors: tensors.size, type: 'f32', bytes: readFileSync(path).length });
    expect(metadata).toMatchObject({
      'general.architecture': name,
      'general.file_type': 0,
      [`${name}.block_count`]: config.layers,
      [`${name}.embedding_length`]: config.hiddenSize,
      [`${name}.attention.head_count_kv`]: config.kvHeads,
      [`${name}.attention.key_length`]: config.headDim,
      [`${name}.context_length`]: config.contextLength,
    });
    const { parameters } = readModelFiles(folder);
    const rows = (parameter: string, from: number, count: number) => {
      const data = floats(parameters.get(parameter)!);
      const width = config.hiddenSize;
      return data.subarray(from * width, (from + count) * width);
    };
    const { headDim, heads, kvHeads, layers } = config;
    const last = `blocks.${layers - 1}.attention.qkv.weight`;
    if (name === 'gpt2') {
      const fused = tensors.get(`blk.${layers - 1}.attn_qkv.weight`)!;
      expect(fused.dimensions).toEqual([config.hiddenSize, 3 * config.hiddenSize]);
      expect(f32s(fused.data, fused.dimensions[0]! * fused.dimensions[1]!)).toEqual(
        floats(parameters.get(last)!),
      );
      return;
    }
    const keys = tensors.get(`blk.${layers - 1}.attn_k.weight`)!;
    expect(keys.dimensions).toEqual([config.hiddenSize, kvHeads * headDim]);
    const found = f32s(keys.data, config.hiddenSize * kvHeads * headDim);
    const isTurned = name === 'llama' || name === 'smollm3';
    // Of the second head, row 3 of the file: the second half's row 1 where neighbours rotate.
    const head = heads * headDim + headDim;
    const wanted = rows(last, head + (isTurned ? headDim / 2 + 1 : 3), 1);
    expect(found.subarray((headDim + 3) * config.hiddenSize, (headDim + 4) * config.hiddenSize)).toEqual(
      wanted,
    );
    const values = tensors.get(`blk.0.attn_v.weight`)!;
    expect(f32s(values.data, config.hiddenSize * kvHeads * headDim)).toEqual(
      rows('blocks.0.attention.qkv.weight', (heads + kvHeads) * headDim, kvHeads * headDim),
    );
    expect(tensors.has('output.weight')).toBe(!config.tiedHead);
    expect(tensors.has('blk.0.attn_q.bias')).toBe(name === 'qwen2');
    expect(tensors.has('blk.0.attn_q_norm.weight')).toBe(name === 'qwen3');
  });

  it('has the divisors of Llama 3.1 and the scaling of YaRN', async () => {
    const write = async (scaling: RopeScaling) => {
      const folder = await modelFolder(rotated(scaling), await chatTokenizer());
      await exportGguf(folder, join(folder, 'model.gguf'), { type: 'f32' });
      return readGguf(join(folder, 'model.gguf'));
    };
    const llama3 = await write({
      ...{ type: 'llama3', factor: 8, lowFrequency: 1, highFrequency: 4, originalContext: 128 },
    });
    const [name, divisors] = [...llama3.tensors][0]!;
    expect([name, divisors.dimensions]).toEqual(['rope_freqs.weight', [8]]);
    // Wavelengths 2 pi 10000^(i / 8): up to 32 kept, from 128 on divided by 8, one between.
    const values = f32s(divisors.data, 8);
    expect([...values.subarray(0, 2), ...values.subarray(3)]).toEqual([1, 1, 8, 8, 8, 8, 8]);
    const turns = 128 / (2 * Math.PI * 10_000 ** (2 / 8));
    const smooth = (turns - 1) / 3;
    expect(values[2]).toBeCloseTo(1 / ((1 - smooth) / 8 + smooth), 5);
    const { metadata, tensors } = await write(yarn);
    expect(tensors.has('rope_freqs.weight')).toBe(false);
    expect(metadata).toMatchObject({
      'llama.rope.scaling.type': 'yarn',
      'llama.rope.scaling.factor': 4,
      'llama.rope.scaling.original_context_length': 16,
    });
  });

  it.each([
    [
      'gemma2',
      'gemma2',
      { attn_logit_softcapping: 2, final_logit_softcapping: 30, 'attention.sliding_window': 9 },
      ['post_attention_norm', 'post_ffw_norm', 'ffn_norm'],
    ],
    [
      'gemma3_text',
      'gemma3',
      { 'rope.freq_base': 1e6, 'rope.freq_base_swa': 10_000, 'attention.sliding_window': 9 },
      ['attn_q_norm', 'attn_k_norm', 'post_attention_norm'],
    ],
    [
      'olmo3',
      'olmo2',
      { 'rope.scaling.type': 'yarn', 'rope.scaling.factor': 2, 'attention.sliding_window': 9 },
      ['attn_q_norm', 'post_attention_norm', 'post_ffw_norm'],
    ],
    [
      'phi3',
      'phi3',
      { 'rope.dimension_count': 4, 'rope.scaling.attn_factor': 1.25, 'rope.scaling.type': 'longrope' },
      ['attn_qkv', 'ffn_up', 'attn_norm'],
    ],
    [
      'gpt_neox',
      'gptneox',
      { 'rope.dimension_count': 4, use_parallel_residual: true },
      ['attn_qkv', 'ffn_up', 'ffn_norm'],
    ],
  ])('of %s has the keys and names of llama.cpp', async (name, architecture, keys, parts) => {
    const folder = await modelFolder(ggufConfigs[name]!, await chatTokenizer());
    const path = join(folder, 'model.gguf');
    await exportGguf(folder, path, { type: 'f32' });
    const { metadata, tensors } = readGguf(path);
    expect(metadata['general.architecture']).toBe(architecture);
    for (const [key, value] of Object.entries(keys)) {
      expect(metadata[`${architecture}.${key}`], key).toBe(value);
    }
    for (const part of parts) expect(tensors.has(`blk.0.${part}.weight`), part).toBe(true);
    expect(tensors.has('rope_factors_long.weight')).toBe(name === 'phi3');
    if (!name.startsWith('gemma')) return;
    // The file has gains, where Gemma's weights are the gain minus 1.
    const own = floats(readModelFiles(folder).parameters.get('final_norm.weight')!);
    expect(f32s(tensors.get('output_norm.weight')!.data, own.length)).toEqual(own.map((w) => w + 1));
  });

  it('has the tokens by kind, the merges, the ends and the template', async () => {
    const tokenizer = await chatTokenizer();
    const folder = await modelFolder(familyConfigs.llama, tokenizer);
    const path = join(folder, 'model.gguf');
    await exportGguf(folder, path, { name: 'a name' });
    const { metadata } = readGguf(path);
    const tokens = metadata['tokenizer.ggml.tokens'] as string[];
    const types = metadata['tokenizer.ggml.token_type'] as number[];
    const end = tokenizer.idOf('<|end|>')!;
    expect(tokens).toHaveLength(tokenizer.vocabSize + 3);
    expect([tokens[end], types[end]]).toEqual(['<|end|>', 3]);
    expect([tokens.at(-1), types.at(-1), types[0]]).toEqual([`[PAD${tokens.length - 1}]`, 5, 1]);
    const file = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8')) as {
      model: { merges: [string, string][] };
    };
    expect(metadata['tokenizer.ggml.merges']).toEqual(
      file.model.merges.map((pair) => [pair].flat().join(' ')),
    );
    expect(metadata).toMatchObject({
      'general.name': 'a name',
      'general.file_type': 1,
      'tokenizer.ggml.pre': 'gpt-2',
      'tokenizer.ggml.eos_token_id': tokenizer.eosId,
      'tokenizer.ggml.eot_token_id': end,
      'tokenizer.ggml.add_bos_token': false,
      'tokenizer.chat_template': tokenizer.chatTemplate,
    });
  });

  it('that is quantized keeps vectors in f32, and rows without whole blocks in f16', async () => {
    const folder = await modelFolder(familyConfigs.qwen2, await chatTokenizer());
    const path = join(folder, 'model.gguf');
    await exportGguf(folder, path, { type: 'q8_0' });
    const { tensors } = readGguf(path);
    const typeOf = (name: string) => tensors.get(name)!.type;
    // Rows of 48 have no blocks of 32, nor have those of 88.
    expect(typeOf('blk.0.ffn_down.weight')).toBe(1);
    expect(typeOf('blk.0.attn_norm.weight')).toBe(0);
    const wide = await modelFolder({ ...familyConfigs.qwen2, intermediateSize: 96 }, await chatTokenizer());
    await exportGguf(wide, path, { type: 'q8_0' });
    expect(readGguf(path).tensors.get('blk.0.ffn_down.weight')!.type).toBe(8);
  });

  it('of type q4_k_m has larger types where they matter, and the head of a copy too', async () => {
    const sizes = { hiddenSize: 256, headDim: 64, heads: 4, intermediateSize: 512, layers: 2 };
    const folder = await modelFolder({ ...olmo2, ...sizes, tiedHead: true }, await chatTokenizer());
    const path = join(folder, 'model.gguf');
    await exportGguf(folder, path, { type: 'q4_k_m' });
    const { tensors, metadata } = readGguf(path);
    expect(metadata['general.file_type']).toBe(15);
    const types = ['token_embd', 'output', 'blk.0.attn_v', 'blk.1.attn_v', 'blk.1.attn_q'].map(
      (name) => tensors.get(`${name}.weight`)!.type,
    );
    expect(types).toEqual([12, 14, 12, 14, 12]);
  });

  it('for a shorter context has the first rows of the position table', async () => {
    const folder = await modelFolder(familyConfigs.gpt2, await chatTokenizer());
    const path = join(folder, 'model.gguf');
    await exportGguf(folder, path, { type: 'f32', context: 10 });
    const { data, dimensions } = readGguf(path).tensors.get('position_embd.weight')!;
    expect(dimensions).toEqual([familyConfigs.gpt2.hiddenSize, 10]);
    const table = floats(readModelFiles(folder).parameters.get('position_embedding.weight')!);
    const count = 10 * familyConfigs.gpt2.hiddenSize;
    expect(f32s(data, count)).toEqual(table.subarray(0, count));
  });

  it('is written by the command line', async () => {
    const folder = await modelFolder(familyConfigs.gpt2, await chatTokenizer());
    const path = join(folder, 'model.gguf');
    const { stdout, code } = await athanor(
      'export',
      '--model',
      folder,
      '--gguf',
      path,
      '--type',
      'bf16',
      '--json',
    );
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { type: 'bf16', bytes: readFileSync(path).length }]);
    expect(readGguf(path).tensors.get('token_embd.weight')!.type).toBe(30);
  });
});

describe('what GGUF has no name for is refused, and nothing is written', () => {
  const refused = async (folder: string, message: RegExp, code = 'ERR_FORMAT') => {
    const path = join(folder, 'model.gguf');
    await expect(exportGguf(folder, path)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(existsSync(path)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.includes('tmp'))).toEqual([]);
  };

  it.each([
    ['sliding windows', windowed],
    ['sliding windows', familyConfigs.mistral],
    ['sliding windows', familyConfigs.phi3],
    ['a query_pre_attn_scalar other than 16', familyConfigs.gemma2],
    ['no soft-caps', { ...ggufConfigs.gemma2!, attentionSoftcap: undefined }],
    ['a head of its own', { ...ggufConfigs.gemma2!, tiedHead: false }],
    ['soft-caps', { ...ggufConfigs.gemma3_text!, logitSoftcap: 30 }],
    ['windows in other layers than all except each 4th', onlyWindows],
    [
      'biases',
      { ...olmo2, blocks: olmo2.blocks.map((block) => ({ ...block, qkvBias: true, outputBias: true })) },
    ],
    ['heads that are not the hidden size together', { ...olmo2, headDim: 16 }],
    ['rotary positions of type yarn with these settings', rotated({ ...yarn, fast: 8 })],
  ] as [string, ModelConfig][])('%s (%#)', async (problem, config) => {
    const folder = await modelFolder(config, await chatTokenizer());
    await refused(folder, new RegExp(`no model of the family ${config.architecture} with ${problem}`));
  });

  it('but not windows that reach over the context of the file', async () => {
    const folder = await modelFolder(familyConfigs.mistral, await chatTokenizer());
    const path = join(folder, 'model.gguf');
    await expect(exportGguf(folder, path, { context: 10 })).rejects.toMatchObject({
      remedy: expect.stringMatching(/`context` 9 writes a file/),
    });
    await exportGguf(folder, path, { context: 9 });
    expect(readGguf(path).metadata['llama.context_length']).toBe(9);
    await expect(exportGguf(folder, path, { context: 65 })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/`context` is 65, and the model has a context of 64 tokens/),
    });
  });

  it('layers that do not rotate as llama.cpp has them', async () => {
    const { smollm3 } = familyConfigs;
    const [first] = smollm3.blocks;
    const folder = await modelFolder({ ...smollm3, blocks: [first!] }, await chatTokenizer());
    await refused(folder, /smollm3 with other layers than every fourth that do not rotate/);
  });

  it('a reward model', async () => {
    const tokenizer = await chatTokenizer();
    const folder = join(temporaryFolder(), 'reward');
    const config = { ...familyConfigs.llama, vocabSize: tokenizer.vocabSize };
    const model = new ScoringModel(config, { seed: 1 });
    tokenizer.save(folder);
    await saveScoringModel(folder, model, { tokenizer: folder });
    model.dispose();
    await refused(folder, /model that scores/, 'ERR_MISMATCH');
  });

  it('a path that would replace the model', async () => {
    const folder = await modelFolder(familyConfigs.gpt2, await chatTokenizer());
    for (const name of ['model.safetensors', 'config.json']) {
      const before = readFileSync(join(folder, name));
      await expect(exportGguf(folder, join(folder, name))).rejects.toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringMatching(/is a file of the model, which the export would replace/),
      });
      expect(readFileSync(join(folder, name)).equals(before)).toBe(true);
    }
    await expect(exportGguf(folder, folder)).rejects.toThrow(/is a folder, not a file/);
  });

  it('another type', async () => {
    await expect(exportGguf('x', 'y', { type: 'q2_k' as never })).rejects.toThrow(/there is no type q2_k/);
  });

  it('and a folder that is not there is named', async () => {
    const folder = await modelFolder(familyConfigs.gpt2, await chatTokenizer());
    await expect(exportGguf(folder, '/absent/model.gguf')).rejects.toThrow(/\/absent/);
  });
});
