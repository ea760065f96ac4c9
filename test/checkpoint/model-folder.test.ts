import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AthanorError } from '../../src/base/errors.ts';
import { packageRoot } from '../../src/base/package-root.ts';
import { ModelFolder, readModelFiles } from '../../src/checkpoint/load-model.ts';
import { SafetensorsFile, writeSafetensors } from '../../src/checkpoint/safetensors.ts';
import { copyModel, writeModelFiles } from '../../src/checkpoint/save-model.ts';
import { bf16FromF32, type ParameterData, type TensorData } from '../../src/checkpoint/tensor-data.ts';
import type { ModelConfig } from '../../src/nn/config.ts';
import { temporaryFolder } from '../helpers/cli.ts';
import { familyConfigs } from '../helpers/family-configs.ts';
import { expectError, rng } from '../helpers/reference.ts';
import { recordedModels } from '../helpers/torch-fixture.ts';
import { gpt2Config, llamaConfig, randomParameters } from './models.ts';

const recorded = (name: string) => join(packageRoot, 'test/fixtures/torch', name);

/** All tensors of a file by the names in it. */
function stored(folder: string, name = 'model.safetensors'): Map<string, TensorData> {
  using file = SafetensorsFile.open(join(folder, name));
  return new Map([...file.tensors.keys()].sort().map((key) => [key, file.read(key)]));
}

/** A model folder whose tensors were changed as another program might have. */
async function rewritten(
  config: ModelConfig,
  change: (tensors: Map<string, TensorData>) => void,
): Promise<string> {
  const folder = temporaryFolder();
  await writeModelFiles(folder, { config, parameters: randomParameters(config) });
  const tensors = stored(folder);
  change(tensors);
  await writeSafetensors(join(folder, 'model.safetensors'), tensors);
  return folder;
}

describe.each(recordedModels)('the %s folder that transformers wrote', (name) => {
  it('is written again with the same names, shapes, dtypes, values and metadata', async () => {
    const folder = temporaryFolder();
    await writeModelFiles(folder, readModelFiles(recorded(name)));
    expect(stored(folder)).toEqual(stored(recorded(name)));
    using ours = SafetensorsFile.open(join(folder, 'model.safetensors'));
    using theirs = SafetensorsFile.open(join(recorded(name), 'model.safetensors'));
    expect(ours.metadata).toEqual(theirs.metadata);
    const read = (path: string) => JSON.parse(readFileSync(join(path, 'generation_config.json'), 'utf8'));
    expect(read(folder)).toEqual(read(recorded(name)));
  });

  it('has a gradient and a trained value for every parameter', () => {
    const { parameters } = readModelFiles(recorded(name));
    for (const file of ['gradients.safetensors', 'final.safetensors']) {
      const other = readModelFiles(recorded(name), file).parameters;
      expect([...other.keys()]).toEqual([...parameters.keys()]);
      for (const [key, { data }] of other) {
        expect(data.length).toBe(parameters.get(key)!.data.length);
        expect(data.some((value) => value !== 0)).toBe(true);
      }
    }
  });
});

describe('layout', () => {
  it('of GPT-2 stores linear layers [in, out]', async () => {
    const folder = temporaryFolder();
    const parameters = randomParameters(gpt2Config);
    await writeModelFiles(folder, { config: gpt2Config, parameters });
    const tensors = stored(folder);
    expect([...tensors.keys()].filter((name) => !name.includes('.h.1.'))).toEqual([
      'transformer.h.0.attn.c_attn.bias',
      'transformer.h.0.attn.c_attn.weight',
      'transformer.h.0.attn.c_proj.bias',
      'transformer.h.0.attn.c_proj.weight',
      'transformer.h.0.ln_1.bias',
      'transformer.h.0.ln_1.weight',
      'transformer.h.0.ln_2.bias',
      'transformer.h.0.ln_2.weight',
      'transformer.h.0.mlp.c_fc.bias',
      'transformer.h.0.mlp.c_fc.weight',
      'transformer.h.0.mlp.c_proj.bias',
      'transformer.h.0.mlp.c_proj.weight',
      'transformer.ln_f.bias',
      'transformer.ln_f.weight',
      'transformer.wpe.weight',
      'transformer.wte.weight',
    ]);
    const up = parameters.get('blocks.1.mlp.up.weight')!;
    const conv = tensors.get('transformer.h.1.mlp.c_fc.weight')!;
    expect([up.shape, conv.shape]).toEqual([
      [40, 24],
      [24, 40],
    ]);
    for (const [out, input] of [
      [0, 0],
      [39, 0],
      [17, 23],
    ] as const) {
      expect(conv.data[input * 40 + out]).toBe(up.data[out * 24 + input]);
    }
  });

  it('of Llama keeps q, k, v and gate, up apart', async () => {
    const folder = temporaryFolder();
    const parameters = randomParameters(llamaConfig);
    await writeModelFiles(folder, { config: llamaConfig, parameters });
    const tensors = stored(folder);
    expect([...tensors.keys()].filter((name) => !name.includes('layers.1.'))).toEqual([
      'lm_head.weight',
      'model.embed_tokens.weight',
      'model.layers.0.input_layernorm.weight',
      'model.layers.0.mlp.down_proj.weight',
      'model.layers.0.mlp.gate_proj.weight',
      'model.layers.0.mlp.up_proj.weight',
      'model.layers.0.post_attention_layernorm.weight',
      'model.layers.0.self_attn.k_proj.weight',
      'model.layers.0.self_attn.o_proj.weight',
      'model.layers.0.self_attn.q_proj.weight',
      'model.layers.0.self_attn.v_proj.weight',
      'model.norm.weight',
    ]);
    const rows = (name: string, first: number, count: number) => ({
      dtype: 'f32',
      shape: [count, 24],
      data: parameters.get(name)!.data.slice(first * 24, (first + count) * 24),
    });
    const attention = 'model.layers.1.self_attn';
    expect(tensors.get(`${attention}.q_proj.weight`)).toEqual(rows('blocks.1.attention.qkv.weight', 0, 32));
    expect(tensors.get(`${attention}.k_proj.weight`)).toEqual(rows('blocks.1.attention.qkv.weight', 32, 16));
    expect(tensors.get(`${attention}.v_proj.weight`)).toEqual(rows('blocks.1.attention.qkv.weight', 48, 16));
    const mlp = 'model.layers.1.mlp';
    expect(tensors.get(`${mlp}.gate_proj.weight`)).toEqual(rows('blocks.1.mlp.gate_up.weight', 0, 44));
    expect(tensors.get(`${mlp}.up_proj.weight`)).toEqual(rows('blocks.1.mlp.gate_up.weight', 44, 44));
  });
});

describe('layout of Qwen3', () => {
  it('has the norms of queries and keys beside the projections', async () => {
    const folder = temporaryFolder();
    const config = familyConfigs.qwen3;
    const parameters = randomParameters(config);
    await writeModelFiles(folder, { config, parameters });
    const tensors = stored(folder);
    const prefix = 'model.layers.1.self_attn';
    expect([...tensors.keys()].filter((name) => name.startsWith(prefix))).toEqual(
      ['k_norm', 'k_proj', 'o_proj', 'q_norm', 'q_proj', 'v_proj'].map((name) => `${prefix}.${name}.weight`),
    );
    expect(tensors.get(`${prefix}.q_norm.weight`)!.data).toEqual(
      parameters.get('blocks.1.attention.query_norm.weight')!.data,
    );
    expect(tensors.get(`${prefix}.q_proj.weight`)!.shape).toEqual([96, 48]);
  });
});

describe('a model folder', () => {
  it.each([
    ['gpt2, tied', gpt2Config],
    ['gpt2, untied', { ...gpt2Config, tiedHead: false }],
    ['llama, untied', llamaConfig],
    ['llama, tied', { ...llamaConfig, tiedHead: true }],
    ['qwen2', familyConfigs.qwen2],
    ['qwen3, tied', { ...familyConfigs.qwen3, tiedHead: true }],
  ])('survives a round trip: %s', async (_, config) => {
    const folder = temporaryFolder();
    const parameters = randomParameters(config);
    const generationConfig = { eos_token_id: [1, 2], temperature: 0.7 };
    await writeModelFiles(folder, { config, parameters, generationConfig });
    expect(readModelFiles(folder)).toEqual({
      config,
      head: 'language-model',
      labels: 1,
      parameters,
      generationConfig,
    });
    expect(readdirSync(folder).sort()).toEqual([
      'config.json',
      'generation_config.json',
      'model.safetensors',
    ]);
  });

  it.each([gpt2Config, llamaConfig])('can hold a score head: $architecture', async (config) => {
    const folder = temporaryFolder();
    const parameters = randomParameters(config, 3, 'score');
    await writeModelFiles(folder, { config, parameters, head: 'score' });
    const loaded = readModelFiles(folder);
    expect(loaded).toMatchObject({ config, head: 'score', labels: 1 });
    expect(loaded.parameters).toEqual(parameters);
    expect(loaded.parameters.get('score.weight')!.shape).toEqual([1, 24]);
    expect([...stored(folder).keys()]).toContain('score.weight');
    expect([...stored(folder).keys()]).not.toContain('lm_head.weight');
  });

  it.each([gpt2Config, llamaConfig])('can be bf16: $architecture', async (config) => {
    const folder = temporaryFolder();
    const parameters = randomParameters(config);
    await writeModelFiles(folder, { config, parameters, dtype: 'bf16' });
    const rounded = new Map(
      [...parameters].map(([name, { shape, data }]) => [
        name,
        { dtype: 'bf16', shape, data: bf16FromF32(data as Float32Array) },
      ]),
    );
    const loaded = readModelFiles(folder).parameters;
    expect(loaded).toEqual(rounded);
    expect(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')).dtype).toBe('bfloat16');
    // And bf16 parameters as f32, exactly.
    await writeModelFiles(folder, { config, parameters: loaded, dtype: 'f32' });
    const wide = readModelFiles(folder).parameters;
    for (const [name, { dtype, data }] of wide) {
      expect(dtype).toBe('f32');
      expect(bf16FromF32(data as Float32Array)).toEqual(rounded.get(name)!.data);
    }
  });

  it('names the dtype that holds every weight exactly', async () => {
    // transformers converts all weights to this dtype. bf16 would round norms that are f32.
    const mixed = new Map(
      [...randomParameters(llamaConfig)].map(([name, parameter]): [string, ParameterData] => {
        const { shape, data } = parameter;
        const isMatrix = shape.length === 2;
        return [
          name,
          isMatrix ? { dtype: 'bf16', shape, data: bf16FromF32(data as Float32Array) } : parameter,
        ];
      }),
    );
    const folder = temporaryFolder();
    await writeModelFiles(folder, { config: llamaConfig, parameters: mixed });
    expect(readModelFiles(folder).parameters).toEqual(mixed);
    const json = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
    expect(json.dtype).toBe('float32');
  });

  it('keeps further fields of config.json, and removes tokenizer files that are not the given ones', async () => {
    const [folder, source] = [temporaryFolder(), temporaryFolder()];
    const old = ['special_tokens_map.json', 'added_tokens.json', 'chat_template.jinja', 'notes.txt'];
    for (const name of old) writeFileSync(join(folder, name), 'old');
    writeFileSync(join(source, 'tokenizer.json'), 'new');
    await writeModelFiles(folder, {
      ...{ config: { ...llamaConfig, eosTokenId: 3 }, parameters: randomParameters(llamaConfig) },
      configFields: { note: [1], hidden_size: 5, eos_token_id: [3, 4], pad_token_id: 2 },
      tokenizer: source,
    });
    expect(readdirSync(folder).sort()).toEqual([
      'config.json',
      'model.safetensors',
      'notes.txt',
      'tokenizer.json',
    ]);
    expect(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))).toMatchObject({
      ...{ note: [1], hidden_size: 24, eos_token_id: [3, 4], pad_token_id: 2 },
    });
  });

  it('fetches each parameter once and holds one at a time', async () => {
    const folder = temporaryFolder();
    const parameters = randomParameters(llamaConfig);
    const fetched: string[] = [];
    const buffer = new Float32Array(1e5);
    const sources = [...parameters].map(([name, { shape, data }]) => {
      const source = {
        dtype: 'f32' as const,
        shape,
        data: () => {
          fetched.push(name);
          buffer.set(data);
          return buffer.subarray(0, data.length);
        },
      };
      return [name, source] as const;
    });
    await writeModelFiles(folder, { config: llamaConfig, parameters: sources });
    expect(fetched).toEqual([...parameters.keys()]);
    expect(readModelFiles(folder).parameters).toEqual(parameters);
  });

  it('brings its tokenizer along', async () => {
    const [source, folder] = [temporaryFolder(), temporaryFolder()];
    for (const name of ['tokenizer.json', 'chat_template.jinja', 'notes.txt']) {
      writeFileSync(join(source, name), `content of ${name}`);
    }
    const model = { config: gpt2Config, parameters: randomParameters(gpt2Config) };
    const written = await writeModelFiles(folder, { ...model, tokenizer: source });
    expect(written.map(({ name }) => name).sort()).toEqual(readdirSync(folder).sort());
    expect(readFileSync(join(folder, 'tokenizer.json'), 'utf8')).toBe('content of tokenizer.json');
    expect(existsSync(join(folder, 'chat_template.jinja'))).toBe(true);
    expect(existsSync(join(folder, 'notes.txt'))).toBe(false);
    // Saved again over itself, the tokenizer stays.
    await writeModelFiles(folder, { ...model, tokenizer: folder });
    expect(readFileSync(join(folder, 'tokenizer.json'), 'utf8')).toBe('content of tokenizer.json');
    await writeModelFiles(folder, { ...model, tokenizer: [join(source, 'notes.txt')] });
    expect(existsSync(join(folder, 'notes.txt'))).toBe(true);
    await expect(
      writeModelFiles(folder, { ...model, tokenizer: join(source, 'none') }),
    ).rejects.toMatchObject({
      code: 'ERR_FILE_MISSING',
    });
  });

  it('is copied without training state', async () => {
    const [from, to] = [temporaryFolder(), join(temporaryFolder(), 'deep/er')];
    const parameters = randomParameters(gpt2Config);
    await writeModelFiles(from, { config: gpt2Config, parameters });
    writeFileSync(join(from, 'state.json'), '{}');
    writeFileSync(join(from, 'tokenizer.json'), '{}');
    await copyModel(from, to);
    expect(readdirSync(to).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
    expect(readModelFiles(to).parameters).toEqual(parameters);
  });

  it('replaces an older one and clears what killed runs left of it', async () => {
    const folder = temporaryFolder();
    await writeModelFiles(folder, { config: gpt2Config, parameters: randomParameters(gpt2Config) });
    const stale = join(folder, `model.safetensors.tmp-${deadProcess}`);
    const foreign = join(folder, `other.tmp-${deadProcess}`);
    const live = join(folder, 'model.safetensors.tmp-1');
    for (const path of [stale, foreign, live]) writeFileSync(path, 'x');
    const parameters = randomParameters(llamaConfig);
    await writeModelFiles(folder, { config: llamaConfig, parameters });
    expect(readModelFiles(folder).parameters).toEqual(parameters);
    expect([stale, foreign, live].map((path) => existsSync(path))).toEqual([false, true, true]);
  });

  it('changes in an order that never pairs weights with the configuration of others', async () => {
    const folder = temporaryFolder();
    const changes: string[] = [];
    const save = async (config: ModelConfig, seed: number) => {
      using watcher = watching(folder, (name) => {
        if (!name.includes('.tmp-')) changes.push(name);
      });
      await writeModelFiles(folder, { config, parameters: randomParameters(config, seed) });
      await watcher.settled();
      return changes.splice(0);
    };
    expect(await save(gpt2Config, 1)).toEqual(['config.json', 'model.safetensors']);
    // Only the weights are new: one rename, nothing in between.
    expect(await save(gpt2Config, 2)).toEqual(['model.safetensors']);
    // The old weights leave before the new configuration comes.
    const all = ['model.safetensors', 'config.json', 'model.safetensors'];
    expect(await save(llamaConfig, 3)).toEqual(all);
  });

  it('stays as it was when saving fails', async () => {
    const folder = temporaryFolder();
    const parameters = randomParameters(gpt2Config);
    await writeModelFiles(folder, { config: gpt2Config, parameters });
    const broken = new Map<string, ParameterData>(randomParameters(llamaConfig));
    broken.set('head.weight', { ...broken.get('head.weight')!, data: new Float32Array(3) } as ParameterData);
    await expect(writeModelFiles(folder, { config: llamaConfig, parameters: broken })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining('lm_head.weight'),
    });
    expect(readModelFiles(folder)).toMatchObject({ config: gpt2Config, parameters });
    expect(readdirSync(folder).sort()).toEqual(['config.json', 'model.safetensors']);
  });

  it('refuses parameters that are not of the configuration, all in one error', async () => {
    const parameters = new Map<string, ParameterData>(randomParameters(gpt2Config));
    parameters.delete('final_norm.bias');
    parameters.set('final_norm.weight', { dtype: 'f32', shape: [3], data: new Float32Array(3) });
    parameters.set('extra', { dtype: 'f32', shape: [1], data: new Float32Array(1) });
    const folder = join(temporaryFolder(), 'new');
    await expect(writeModelFiles(folder, { config: gpt2Config, parameters })).rejects.toMatchObject({
      code: 'ERR_MISMATCH',
      message: expect.stringMatching(
        /final_norm.weight is \[3\], not \[24\]; final_norm.bias is missing; extra is not part/,
      ),
    });
    expect(existsSync(folder)).toBe(false);
  });
});

/** Reports names that appear in, or disappear from, a folder, in the order in which it happened. */
function watching(folder: string, report: (name: string) => void) {
  const watcher = watch(folder, (event, name) => {
    if (event === 'rename' && name !== null) report(name);
  });
  return {
    /** The events come through one queue: after that of a last file, none is outstanding. */
    async settled(): Promise<void> {
      const last = join(folder, 'last.tmp-');
      const seen = new Promise<void>((resolve) => {
        watcher.on('change', (_, name) => name === 'last.tmp-' && resolve());
      });
      writeFileSync(last, '');
      rmSync(last);
      await seen;
    },
    [Symbol.dispose]: () => watcher.close(),
  };
}

/** An id above what Linux gives to processes. */
const deadProcess = 2 ** 22 + 1;

describe('folders of other programs', () => {
  it('may lack the prefix of names', async () => {
    const folder = await rewritten(gpt2Config, (tensors) => {
      for (const [name, tensor] of [...tensors]) {
        tensors.delete(name);
        tensors.set(name.replace('transformer.', ''), tensor);
      }
    });
    expect(readModelFiles(folder).parameters).toEqual(randomParameters(gpt2Config));
  });

  it('may carry masks, rotary tables and a tied head', async () => {
    const mask = { dtype: 'u8', shape: [1, 1, 2, 2], data: new Uint8Array(4) } as const;
    const table = { dtype: 'f32', shape: [4], data: new Float32Array(4) } as const;
    const gpt2 = await rewritten(gpt2Config, (tensors) => {
      tensors.set('transformer.h.0.attn.bias', mask);
      tensors.set('transformer.h.1.attn.masked_bias', table);
      tensors.set('lm_head.weight', tensors.get('transformer.wte.weight')!);
    });
    expect(readModelFiles(gpt2).parameters).toEqual(randomParameters(gpt2Config));
    const llama = await rewritten(llamaConfig, (tensors) => {
      tensors.set('model.layers.0.self_attn.rotary_emb.inv_freq', table);
    });
    expect(readModelFiles(llama).parameters).toEqual(randomParameters(llamaConfig));
  });

  // transformers 5.18 does not tie the two then, whatever config.json says.
  it.each([
    ['gpt2', gpt2Config, 'transformer.wte.weight'],
    ['llama', { ...llamaConfig, tiedHead: true }, 'model.embed_tokens.weight'],
  ])(
    'has a head of its own where the file holds another one than the tied table: %s',
    async (_, config, name) => {
      let head: TensorData | undefined;
      const folder = await rewritten(config, (tensors) => {
        const { shape, data } = tensors.get(name)!;
        head = { dtype: 'f32', shape, data: (data as Float32Array).map((value) => 2 * value + 1) };
        tensors.set('lm_head.weight', head);
      });
      const files = readModelFiles(folder);
      expect(files.config.tiedHead).toBe(false);
      expect(files.parameters.get('head.weight')).toEqual(head);
      expect(files.parameters.get('token_embedding.weight')).toEqual(
        randomParameters(config).get('token_embedding.weight'),
      );
      const copy = temporaryFolder();
      await writeModelFiles(copy, files);
      expect(readModelFiles(copy).parameters).toEqual(files.parameters);
      expect(JSON.parse(readFileSync(join(copy, 'config.json'), 'utf8')).tie_word_embeddings).toBe(false);
    },
  );

  it('may hold a tied table as the head alone, as transformers reads it', async () => {
    const folder = await rewritten(gpt2Config, (tensors) => {
      tensors.set('lm_head.weight', tensors.get('transformer.wte.weight')!);
      tensors.delete('transformer.wte.weight');
    });
    expect(readModelFiles(folder)).toMatchObject({ config: { tiedHead: true } });
    expect(readModelFiles(folder).parameters).toEqual(randomParameters(gpt2Config));
  });

  it('may be in shards', async () => {
    const folder = await rewritten(llamaConfig, () => {});
    const tensors = [...stored(folder)];
    const weightMap: Record<string, string> = {};
    for (const part of [1, 2, 3]) {
      const name = `model-0000${part}-of-00003.safetensors`;
      const own = tensors.filter((_, i) => i % 3 === part - 1);
      await writeSafetensors(join(folder, name), own);
      for (const [key] of own) weightMap[key] = name;
    }
    rmSync(join(folder, 'model.safetensors'));
    const index = join(folder, 'model.safetensors.index.json');
    writeFileSync(index, JSON.stringify({ metadata: { total_size: 1 }, weight_map: weightMap }));
    expect(readModelFiles(folder).parameters).toEqual(randomParameters(llamaConfig));

    writeFileSync(index, JSON.stringify({ weight_map: { ...weightMap, x: '../secret.safetensors' } }));
    expectError('ERR_FORMAT', /"\.\.\/secret.safetensors" is not the name/, () => readModelFiles(folder));
    writeFileSync(index, JSON.stringify({ weight_map: { ...weightMap, x: 'gone.safetensors' } }));
    expectError('ERR_FILE_MISSING', /gone.safetensors does not exist/, () => readModelFiles(folder));
    writeFileSync(index, '{}');
    expectError('ERR_FORMAT', /index.json: it has no weight_map/, () => readModelFiles(folder));
  });

  it('may mix dtypes within a fused parameter', async () => {
    const folder = await rewritten(llamaConfig, (tensors) => {
      const name = 'model.layers.0.self_attn.k_proj.weight';
      const { shape } = tensors.get(name)!;
      tensors.set(name, { dtype: 'bf16', shape, data: new Uint16Array(16 * 24).fill(0x3fc0) });
    });
    const qkv = readModelFiles(folder).parameters.get('blocks.0.attention.qkv.weight')!;
    const original = randomParameters(llamaConfig).get('blocks.0.attention.qkv.weight')!.data;
    expect(qkv.dtype).toBe('f32');
    expect(qkv.data.subarray(0, 32 * 24)).toEqual(original.subarray(0, 32 * 24));
    expect(qkv.data.subarray(32 * 24, 48 * 24).every((value) => value === 1.5)).toBe(true);
    expect(qkv.data.subarray(48 * 24)).toEqual(original.subarray(48 * 24));
  });

  it('are refused with all that does not fit in one error', async () => {
    const folder = await rewritten(gpt2Config, (tensors) => {
      tensors.delete('transformer.h.0.ln_1.weight');
      tensors.set('transformer.h.9.ln_1.weight', tensors.get('transformer.ln_f.weight')!);
      tensors.set('transformer.wpe.weight', {
        dtype: 'f32',
        shape: [2, 24],
        data: new Float32Array(48),
      });
      tensors.set('wte.weight', tensors.get('transformer.wte.weight')!);
    });
    const open = () => ModelFolder.open(folder);
    expectError('ERR_FORMAT', /transformer.h.0.ln_1.weight is missing/, open);
    expectError('ERR_FORMAT', /wpe.weight is \[2, 24\] but config.json needs \[16, 24\]/, open);
    expectError('ERR_FORMAT', /transformer.h.9.ln_1.weight is not part of the model/, open);
    expectError('ERR_FORMAT', /wte.weight is there twice/, open);
  });

  it('are refused when weights are integers', async () => {
    const folder = await rewritten(gpt2Config, (tensors) => {
      tensors.set('transformer.ln_f.bias', { dtype: 'u8', shape: [24], data: new Uint8Array(24) });
    });
    expectError('ERR_FORMAT', /ln_f.bias is u8, but weights are/, () => readModelFiles(folder));
  });

  it('are refused by name when something is missing', async () => {
    const folder = await rewritten(gpt2Config, () => {});
    expectError('ERR_FILE_MISSING', /none does not exist/, () => readModelFiles(join(folder, 'none')));
    expectError('ERR_ARGUMENT', /config.json is a file/, () => readModelFiles(join(folder, 'config.json')));
    rmSync(join(folder, 'model.safetensors'));
    expectError('ERR_FILE_MISSING', /has no model.safetensors/, () => readModelFiles(folder));
    writeFileSync(join(folder, 'pytorch_model.bin'), '');
    expectError('ERR_FORMAT', /a pickle/, () => readModelFiles(folder));
    writeFileSync(join(folder, 'config.json'), Uint8Array.of(0x7b, 0xff));
    expectError('ERR_FORMAT', /config.json: it is not UTF-8/, () => readModelFiles(folder));
    writeFileSync(join(folder, 'config.json'), '{');
    expectError('ERR_FORMAT', /config.json: it is not JSON/, () => readModelFiles(folder));
    rmSync(join(folder, 'config.json'));
    expectError('ERR_FILE_MISSING', /has no config.json/, () => readModelFiles(folder));
    mkdirSync(join(folder, 'checkpoints'));
    expect(() => readModelFiles(folder)).toThrow(
      expect.objectContaining({ remedy: expect.stringContaining('unfinished run') }),
    );
    mkdirSync(join(folder, 'config.json'));
    expectError('ERR_ARGUMENT', /config.json is a folder/, () => readModelFiles(folder));
  });

  it('survive random damage with one clear error', () => {
    const folder = temporaryFolder();
    const source = recorded('llama');
    cpSync(source, folder, { recursive: true });
    const names = ['config.json', 'generation_config.json', 'model.safetensors'];
    const random = rng(11);
    let refused = 0;
    for (let round = 0; round < 600; round++) {
      const name = names[round % names.length]!;
      const bytes = readFileSync(join(source, name));
      // Where the weights have meaning beyond their values: the header.
      const end = Math.min(bytes.length, 2000);
      for (let i = 0; i <= random.integer(3); i++) bytes[random.integer(end)] = 32 + random.integer(96);
      writeFileSync(
        join(folder, name),
        random.integer(5) === 0 ? bytes.subarray(0, random.integer(end)) : bytes,
      );
      try {
        readModelFiles(folder);
      } catch (error) {
        expect(error).toBeInstanceOf(AthanorError);
        expect(['ERR_FILE_DAMAGED', 'ERR_FORMAT', 'ERR_CONFIG']).toContain((error as AthanorError).code);
        refused++;
      }
      writeFileSync(join(folder, name), readFileSync(join(source, name)));
    }
    expect(refused).toBeGreaterThan(300);
  });
});
