/**
 * Training, generation and the four stages with device cuda: compared with the CPU, with a second
 * run, and across a change of device. Part of vitest.cuda.config.ts, on a GPU or emulated.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Batch, type BatchOptions } from '../../src/generate/batch.ts';
import { generate } from '../../src/generate/generate.ts';
import { KvCache } from '../../src/generate/kv-cache.ts';
import type { Completion } from '../../src/generate/sequence.ts';
import { native } from '../../src/native/addon.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { AdamW } from '../../src/optim/adamw.ts';
import { backward, noGrad } from '../../src/tensor/autograd.ts';
import { linearLogProb } from '../../src/tensor/ops/loss.ts';
import { scope, tensor } from '../../src/tensor/tensor.ts';
import { athanor } from '../helpers/cli.ts';
import { collectGarbage } from '../helpers/garbage.ts';
import { expectSameRun, newestStep, resume, runWhole, signalWhen } from '../helpers/killed-run.ts';
import { expectSameBits, maxError, values } from '../helpers/reference.ts';
import { type RlModels, writeRlModels } from '../helpers/rl-models.ts';
import { jsonl, logged } from '../helpers/stages.ts';
import { inputOf, ints, tokenBatch } from '../helpers/token-batch.ts';

/** A head of 64: the size that Hopper's own path takes. */
const oneHead = { heads: 1, kvHeads: 1, headDim: 64 };
/**
 * Of losses near 5: bf16 has 8 bits, and rounds each activation of both devices in its own order.
 */
const TOLERANCE = 2 ** -6;
const isEmulated = /emulating/.test(native.cudaStatus()[1]);
/** A GPU takes milliseconds a step: a signal needs time to come before the last. */
const [STEPS, ROLLOUTS] = isEmulated ? [6, 2] : [300, 40];

function on<T>(device: 'cpu' | 'cuda', run: () => T): T {
  native.setDevice(device);
  try {
    return run();
  } finally {
    native.setDevice('cuda');
  }
}

describe.each(['tiny', 'llama-tiny'])('%s', (preset) => {
  const shape = presetConfig(preset, { ...oneHead, layers: 1, vocabSize: 67 });
  const config = preset === 'tiny' ? shape : { ...shape, heads: 2, hiddenSize: 128, kvHeads: 1 };

  /** Loss and gradient norm of steps over five batches in turn. */
  const train = (count = 50): number[][] => {
    const model = new Gpt(config, { dtype: 'bf16', seed: 5 });
    const optimizer = new AdamW(model.parameters());
    const batches = Array.from({ length: 5 }, (_, i) =>
      tokenBatch([9 - i, 1, 6 + i], config.vocabSize, 3 + 2 * i),
    );
    const steps = Array.from({ length: count }, (_, step) => {
      const made = batches[step % batches.length]!;
      const loss = scope(() => {
        const value = model.loss(inputOf(made), ints(made.targets), { scale: 1 / made.n }).loss;
        backward(value);
        return value.item();
      });
      const norm = optimizer.gradNorm();
      // At 1e-3 roundings grow over fifty steps until two runs part, whatever made them.
      optimizer.step(3e-4, Math.min(1, 1 / norm));
      model.zeroGrad();
      return [loss, norm];
    });
    model.dispose();
    return steps;
  };

  it('learns for fifty steps as on the CPU, and in the same bits each time', () => {
    const [cpu, cuda] = [on('cpu', () => train()), train()];
    for (const part of [0, 1]) {
      const [wanted, got] = [cpu, cuda].map((steps) => steps.map((step) => step[part]!));
      const relative = got!.map((value, i) => value / wanted![i]!);
      expect(maxError(relative, new Array(50).fill(1)), `${part}`).toBeLessThan(TOLERANCE);
    }
    expect(cpu[49]![0]).toBeLessThan(0.8 * cpu[4]![0]!);
    expect(train(3)).toEqual(cuda.slice(0, 3));
  });

  const sequence = (ids: Int32Array, first = 0) => ({
    tokens: tensor(ids.subarray(first)),
    positions: ints(Array.from({ length: ids.length - first }, (_, i) => first + i)),
    cuSeqlens: ints([0, ids.length - first]),
  });

  it.each([
    ['all ids', []],
    ['even ids only', Array.from({ length: config.vocabSize / 2 }, (_, i) => 2 * i + 1)],
  ])('generates %s through the cache with what its full pass says', async (_, suppressTokens) => {
    const model = new Gpt({ ...config, initializerRange: 0.2 }, { dtype: 'bf16', seed: 5 });
    const prompts = [5, 1, 17].map((length) => tokenBatch([length], config.vocabSize).ids);
    const options = { maxTokens: 9, seed: 3, batchSize: 2, suppressTokens };
    const completions = await generate(model, prompts, options);
    completions.forEach(({ tokens, logProbs }, i) => {
      expect([...tokens].filter((id) => suppressTokens.includes(id))).toEqual([]);
      const ids = Int32Array.from([...prompts[i]!, ...tokens]);
      const whole = noGrad(() =>
        scope(() => {
          const hidden = model.forward(sequence(ids.subarray(0, -1)));
          const { logProbs: all } = linearLogProb(hidden, model.headWeight, tensor(ids.subarray(1)));
          return all.toFloats().subarray(prompts[i]!.length - 1);
        }),
      );
      // Own products give a row the same bits in any batch; cuBLASLt's algorithm may change with
      // the number of rows.
      if (isEmulated) expect(logProbs).toEqual(whole);
      else expect(maxError(logProbs, whole)).toBeLessThan(0.1);
    });
    model.dispose();
  });

  it('generates the same whether a step is recorded or not, and gives back what it took', async () => {
    const model = new Gpt({ ...config, initializerRange: 0.2 }, { dtype: 'bf16', seed: 5 });
    const prompts = [5, 1, 17, 3].map((length) => tokenBatch([length], config.vocabSize).ids);
    const launches = vi.spyOn(native, 'launchGraph');
    const run = async (graphs: string) => {
      vi.stubEnv('ATHANOR_CUDA_GRAPHS', graphs);
      // Two sequences, then one, after a prompt has come between steps of two.
      const made = await generate(model, prompts, { maxTokens: 12, seed: 3, batchSize: 2, minP: 0.01 });
      await collectGarbage();
      return { made, launched: launches.mock.calls.length, bytes: native.memoryStats()[0] };
    };
    const plain = await run('none');
    expect(plain.launched).toBe(0);
    const recorded = await run('');
    expect(recorded.launched).toBeGreaterThan(8);
    expect(recorded.made).toEqual(plain.made);
    if (isEmulated) expect(recorded.bytes).toBe(plain.bytes);
    vi.unstubAllEnvs();
    launches.mockRestore();
    model.dispose();
  });

  it('draws for requests of several settings what it draws for each alone', () => {
    const model = new Gpt({ ...config, initializerRange: 0.2 }, { dtype: 'bf16', seed: 5 });
    const requests = [5, 1, 17, 3].map((length, stream) => ({
      prompt: tokenBatch([length], config.vocabSize).ids,
      maxTokens: 10,
      temperature: stream % 2 === 0 ? 0.8 : 1.2,
      stream,
    }));
    const run = (all: typeof requests, options: BatchOptions) => {
      using batch = new Batch(model, options);
      for (const request of all) batch.add(request);
      const done: Completion[] = [];
      while (batch.size > 0) {
        for (const { id, completion } of batch.step()) if (completion) done[id] = completion;
      }
      return done;
    };
    const together = run(requests, { slots: 4, prefillTokens: 8 });
    const alone = requests.flatMap((request) => run([request], { slots: 1 }));
    expect(together.map(({ tokens }) => tokens.length)).toEqual([10, 10, 10, 10]);
    if (isEmulated) expect(together).toEqual(alone);
    model.dispose();
  });

  it('has the logits of the full pass through the cache', () => {
    const model = new Gpt({ ...config, initializerRange: 0.2 }, { dtype: 'bf16', seed: 5 });
    const { ids } = tokenBatch([30], config.vocabSize);
    noGrad(() =>
      scope(() => {
        const whole = model.logits(model.forward(sequence(ids)));
        const cache = new KvCache(model, 2, ids.length);
        for (const [past, end] of [
          [0, 7],
          [7, 8],
          [8, 9],
          [9, 12],
          [12, 30],
        ] as const) {
          const views = cache.view(ints([1]), ints([past]));
          const part = model.logits(model.forward(sequence(ids.subarray(0, end), past), views));
          const wanted = native.slice(whole.handle, past, end);
          if (isEmulated) expectSameBits(part.handle, wanted, `from ${past}`);
          else expect(maxError(part.toFloats(), values(wanted))).toBeLessThan(0.1);
        }
        cache.dispose();
      }),
    );
    model.dispose();
  });
});

describe('commands', () => {
  let root: string;
  let models: RlModels;
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'athanor-cuda-'));
    native.setDevice('cpu');
    models = await writeRlModels(root, { ...oneHead, layers: 1 });
    native.setDevice('cuda');
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  const common = () => ['--model', models.model, '--dtype', 'bf16', '--warmup-steps', '0', '--lr', '1e-3'];
  const words = (i: number) => ['red', 'a blue one', 'hello then', 'brief'][i % 4]!;
  const stages: Record<string, () => string[]> = {
    pretrain: () => [
      ...['pretrain', '--data', models.text, ...common(), '--batch-size', '2', '--context', '32'],
      ...['--steps', String(STEPS), '--eval-tokens', '64', '--sample-tokens', '4'],
    ],
    sft: () => {
      const rows = Array.from({ length: 16 }, (_, i) => ({
        prompt: `${words(i)} ${i}?`,
        completion: words(i + 1),
      }));
      const data = jsonl(root, 'instructions.jsonl', rows);
      return [
        ...[
          'sft',
          '--data',
          data,
          ...common(),
          '--batch-size',
          '2',
          '--context',
          '32',
          '--steps',
          String(STEPS),
        ],
        ...['--neftune-alpha', '5', '--sample-tokens', '4', '--validation-split', '0.1'],
      ];
    },
    reward: () => {
      const rows = Array.from({ length: 16 }, (_, i) => ({
        prompt: `${words(i)} ${i}?`,
        completions: [words(i + 1), words(i + 2), words(i + 3)],
      }));
      const data = jsonl(root, 'rankings.jsonl', rows);
      return [
        'reward',
        '--data',
        data,
        ...common(),
        '--batch-size',
        '2',
        '--steps',
        String(STEPS),
        '--validation-split',
        '0.1',
      ];
    },
    ppo: () => [
      ...['ppo', '--data', models.data, '--reward', models.reward, ...common(), '--rollout-size', '4'],
      ...[
        '--batch-size',
        '2',
        '--epochs',
        '1',
        '--iterations',
        String(ROLLOUTS),
        '--max-response-length',
        '5',
        '--max-prompt-length',
        '40',
      ],
      ...[
        '--eval-prompts',
        '1',
        '--ptx-data',
        models.text,
        '--ptx-batch-size',
        '1',
        '--entropy-coef',
        '0.01',
      ],
    ],
  };
  const whole = (stage: string) => join(root, `${stage}-whole`);

  it.each(Object.keys(stages))(
    '%s, stopped by SIGTERM and resumed, ends with the same bits',
    async (stage) => {
      const command = [...stages[stage]!(), '--device', 'cuda'];
      await runWhole(command, whole(stage));
      const out = join(root, `${stage}-stopped`);
      const first = await signalWhen(command, out, (records) => records.length > 0, { signal: 'SIGTERM' });
      expect(first.code, first.stderr).toBe(0);
      expect(newestStep(out)).toBeLessThan(newestStep(whole(stage))!);
      await resume(stage, out, ['--device', 'cuda']);
      expectSameRun(out, whole(stage));
    },
  );

  it('ppo begins with ratios of 1, to the last bit', ({ skip }) => {
    skip(!isEmulated, "cuBLASLt's algorithm may change with the number of rows");
    const deviations = logged(whole('ppo'), 'ratio_max_deviation');
    expect(deviations).toEqual(new Array(deviations.length).fill(0));
    expect(deviations.length).toBeGreaterThan(1);
  });

  it.each([
    ['cuda', 'cpu'],
    ['cpu', 'cuda'],
  ])('a run begun on %s goes on on %s', async (from, to) => {
    const out = join(root, `from-${from}`);
    const command = [...stages.pretrain!(), '--device', from];
    await signalWhen(command, out, (records) => records.length > 0, { signal: 'SIGTERM' });
    const stopped = newestStep(out)!;
    expect(stopped).toBeLessThan(STEPS);
    await resume('pretrain', out, ['--device', to]);
    const [got, wanted] = [logged(out, 'loss'), logged(whole('pretrain'), 'loss')];
    expect(got).toHaveLength(STEPS);
    // Not further than ten steps after the change: roundings add up.
    const end = Math.min(STEPS, stopped + 10);
    const relative = got.slice(0, end).map((loss, i) => loss / wanted[i]!);
    expect(maxError(relative, new Array(end).fill(1))).toBeLessThan(TOLERANCE);
    // The run that changed device is no copy of the one that did not.
    const weights = (folder: string) => readFileSync(join(folder, 'model.safetensors'));
    expect(weights(out).equals(weights(whole('pretrain')))).toBe(false);
  });

  it('a run in f32, which attention on a GPU refuses, goes on on the CPU and says why', async () => {
    const out = join(root, 'f32');
    const command = [...stages.pretrain!(), '--device', 'cpu', '--dtype', 'f32'];
    await signalWhen(command, out, (records) => records.length > 0, { signal: 'SIGTERM' });
    const goOn = (device: string) => athanor('pretrain', '--out', out, '--resume', '--device', device);
    const refused = await goOn('cuda');
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/--device cuda for a run in f32: attention on a GPU takes bf16/);
    const { code, stderr } = await goOn('auto');
    expect(stderr).toMatch(/running on the CPU: attention on a GPU takes bf16 and not f32/);
    expect(code, stderr).toBe(0);
    expect(newestStep(out)).toBe(STEPS);
  });
});
