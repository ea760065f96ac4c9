/**
 * Several ranks in one process train to the bits of one rank. Only the main rank reports and
 * writes.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../src/base/json.ts';
import { selfCommunicator } from '../../../src/comm/self-communicator.ts';
import type { TokenDataset } from '../../../src/data/shards/token-dataset.ts';
import { TokenLoader } from '../../../src/data/shards/token-loader.ts';
import { TokenBatch } from '../../../src/data/token-batch.ts';
import { Gpt } from '../../../src/nn/gpt.ts';
import { presetConfig } from '../../../src/nn/presets.ts';
import { readMetrics } from '../../../src/report/metrics-log.ts';
import type { TrainEvent } from '../../../src/train/loop/events.ts';
import type { Evaluation, TrainStage } from '../../../src/train/loop/stage.ts';
import { Trainer, type TrainerOptions, type TrainResult } from '../../../src/train/loop/trainer.ts';
import { writeIds } from '../../data/corpus/corpora.ts';
import { ranksInProcess } from '../../helpers/ranks.ts';
import { expectSameBits } from '../../helpers/reference.ts';

const CONTEXT = 16;
let root: string;
let data: TokenDataset;
let vocabulary: number;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'athanor-ranks-'));
  const lengths = Array.from({ length: 60 }, (_, i) => 5 + ((i * 7) % 23));
  data = writeIds(mkdtempSync(join(root, 'data-')), { train: lengths, validation: [5] });
  vocabulary = data.manifest.vocab_size;
});
afterAll(() => {
  data.close();
  rmSync(root, { recursive: true, force: true });
});

/** Storage of the weights. */
let weightType: 'f32' | 'bf16' = 'f32';

/** Next-token prediction with targets left out, so that ranks count differently. */
class Small implements TrainStage<TokenBatch> {
  readonly model = new Gpt(presetConfig('tiny', { vocabSize: vocabulary }), {
    seed: 3,
    ...(weightType === 'bf16' && { dtype: 'bf16', weights: 'bf16' }),
  });
  readonly parameters = this.model.parameters();
  readonly tokensPerBatch: number;
  readonly prefetch = true;
  readonly seen: number[] = [];
  readonly #loader: TokenLoader;
  readonly evaluate?: () => Promise<Evaluation>;

  constructor(batchSize: number, scores?: readonly number[]) {
    this.#loader = new TokenLoader(data, { batchSize, context: CONTEXT, seed: 5 });
    this.tokensPerBatch = batchSize * CONTEXT;
    let evaluations = 0;
    if (scores) this.evaluate = async () => ({ metrics: {}, score: scores[evaluations++ % scores.length]! });
  }

  nextBatch(): TokenBatch {
    const packed = this.#loader.next();
    for (let i = 0; i < packed.tokens.length; i += CONTEXT) this.seen.push(packed.tokens[i]!);
    // A window decides which of its targets count, whoever has it.
    const targets = packed.targets.map((id, i) => {
      const [place, first] = [i % CONTEXT, packed.tokens[i - (i % CONTEXT)]!];
      return place % 5 < first % 5 ? -100 : id;
    });
    return new TokenBatch({ ...packed, targets });
  }

  skipBatch(): void {
    this.#loader.skip();
  }

  lossTokens({ countedTargets }: TokenBatch): number {
    return countedTargets;
  }

  loss({ input, targets }: TokenBatch, scale: number) {
    return this.model.loss(input, targets, { scale }).loss;
  }

  state(): JsonValue {
    return { ...this.#loader.state() };
  }

  restore(state: JsonValue): void {
    this.#loader.restore(state);
  }
}

interface Ran {
  stage: Small;
  result: TrainResult;
  events: TrainEvent[];
}

/** Batches of an update. Five do not divide among 2, 3 or 4 ranks. */
const BATCHES = 5;

interface RanOptions extends Partial<TrainerOptions> {
  scores?: readonly number[][];
  /** Continue from the checkpoint in `out`. */
  resume?: boolean;
  /** The step at which the main rank is asked to stop. */
  stopAt?: number;
}

async function train(size: number, options: RanOptions = {}): Promise<Ran[]> {
  const communicators = size === 1 ? [selfCommunicator] : ranksInProcess(size);
  return Promise.all(
    communicators.map(async (communicator, rank) => {
      const events: TrainEvent[] = [];
      const { scores, resume, stopAt, ...given } = options;
      const stop = new AbortController();
      const stage = new Small(2, scores?.[rank]);
      const trainer = new Trainer(stage, {
        steps: 6,
        lr: 1e-3,
        gradAccum: BATCHES,
        maxGradNorm: 0.5,
        ...given,
        communicator,
        signal: stop.signal,
        onEvent: (event) => {
          events.push(event);
          if (event.type === 'step' && event.step === stopAt) stop.abort();
        },
      });
      if (resume) trainer.resume();
      const result = await trainer.run();
      trainer.dispose();
      return { stage, result, events };
    }),
  );
}

const weightsOf = ({ stage }: Ran) => [...stage.parameters].map(([name, p]) => [name, p.toFloats()] as const);

/** What a run leaves behind that has to be equal: the checkpoint, and the metrics without times. */
function leftIn(out: string, step: number): unknown {
  const folder = join(out, 'checkpoints', `step-${String(step).padStart(8, '0')}`);
  const tensors = createHash('sha256').update(readFileSync(join(folder, 'training.safetensors')));
  const state = JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8'));
  const records = readMetrics(out).records.map((record) => ({
    ...record,
    ...{ tokens_per_second: 0, flops_per_second: 0, seconds: 0 },
  }));
  return { tensors: tensors.digest('hex'), state: { ...state, seconds: 0 }, records };
}

let folders = 0;
const folder = () => join(root, `run-${folders++}`);

describe('the bits of a run', () => {
  let wanted: unknown;
  let one: Ran;
  beforeAll(async () => {
    const out = folder();
    [one] = (await train(1, { out })) as [Ran];
    wanted = leftIn(out, 6);
  });

  it.each([
    [2, 1],
    [3, 1],
    [4, 1],
    [5, 1],
    [2, 0],
    [4, 0],
    [2, 2],
    [3, 2],
    [4, 2],
    [5, 2],
  ] as const)('are the same on %i ranks with `zero` %i', async (size, zero) => {
    const out = folder();
    const ranks = await train(size, { out, zero });
    expect(leftIn(out, 6)).toEqual(wanted);
    const weights = new Map(weightsOf(one));
    for (const rank of ranks) {
      for (const [name, found] of weightsOf(rank)) expectSameBits(found, weights.get(name)!, name);
      expect(rank.result).toMatchObject({ tokens: one.result.tokens, loss: one.result.loss });
    }
    const windows = ranks.flatMap(({ stage }) => stage.seen);
    expect(windows.sort((a, b) => a - b)).toEqual([...one.stage.seen].sort((a, b) => a - b));
  });

  it.each([
    [4, 1, 3, 1],
    [1, 1, 4, 0],
    [3, 0, 2, 1],
    [5, 1, 1, 1],
    [3, 2, 2, 1],
    [1, 1, 4, 2],
  ] as const)(
    'are the same when %i ranks with `zero` %i stop and %i with %i go on',
    async (before, zeroBefore, after, zeroAfter) => {
      const out = folder();
      await train(before, { out, zero: zeroBefore, stopAt: 3 });
      await train(after, { out, zero: zeroAfter, resume: true });
      expect(leftIn(out, 6)).toEqual(wanted);
    },
  );

  it('of weights in bf16, which are rounded stochastically, are the same on 3 ranks', async () => {
    const [alone, shared] = [folder(), folder()];
    weightType = 'bf16';
    try {
      await train(1, { out: alone, steps: 3 });
      await train(3, { out: shared, steps: 3 });
    } finally {
      weightType = 'f32';
    }
    expect(leftIn(shared, 3)).toEqual(leftIn(alone, 3));
  });

  it('do not depend on which updates the guard skips', async () => {
    const [alone, shared] = [folder(), folder()];
    const options = { steps: 12, onSpike: 'skip', spikeThreshold: 0.01, spikeWindow: 4 } as const;
    await train(1, { ...options, out: alone });
    await train(2, { ...options, out: shared });
    expect(leftIn(shared, 12)).toEqual(leftIn(alone, 12));
    expect(JSON.stringify(leftIn(alone, 12))).toContain('the update is skipped');
  });
});

describe('several ranks', () => {
  it('report and write on the main rank alone', async () => {
    const out = folder();
    const [first, second] = await train(2, { out, saveEvery: 3 });
    expect(first!.events.filter(({ type }) => type === 'checkpoint')).toHaveLength(2);
    expect(second!.events).toEqual([]);
    expect(readMetrics(out).records.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('say how the state is shared out, and what each holds', async () => {
    const notes = async (zero: number) => {
      const [{ events }] = (await train(2, { steps: 1, zero })) as [Ran];
      return events.flatMap((event) => (event.type === 'note' ? [event.text] : []));
    };
    const weights = [...new Small(2).parameters.values()].reduce((sum, { size }) => sum + size, 0);
    const gib = ((4 * weights) / 2 ** 30).toFixed(4);
    const all = ((8 * weights) / 2 ** 30).toFixed(4);
    const [sharded] = await notes(1);
    expect(sharded).toContain(
      `2 ranks, ZeRO-1; each holds, in GiB: trained weights ${gib}, gradients ${gib}, `,
    );
    expect(Number(/([\d.]+) of the optimizer's/.exec(sharded!)![1])).toBeLessThan(0.7 * Number(all));
    expect(sharded).toContain(`of the optimizer's ${all}`);
    const [second] = await notes(2);
    expect(second).toMatch(
      /^2 ranks, ZeRO-2; each holds, in GiB: trained weights [\d.]+, gradients [\d.]+ of/,
    );
    const [, here, whole] = /gradients ([\d.]+) of ([\d.]+)/.exec(second!)!;
    expect(whole).toBe(gib);
    expect(Number(here)).toBeGreaterThan(0.5 * Number(gib));
    expect((await notes(0))[0]).toContain(
      `2 ranks, nothing is sharded; each holds, in GiB: trained weights ${gib}`,
    );
  });

  it('are refused where there are more of them than batches', async () => {
    await expect(train(2, { gradAccum: 1 })).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: 'an update has 1 batch, too few for 2 ranks',
      remedy: 'give `gradAccum` 2 or more, or start fewer ranks',
    });
  });

  it('stop together when one of them is asked to, and when the main rank loses patience', async () => {
    const stop = new AbortController();
    const asked = await Promise.all(
      ranksInProcess(2).map(async (communicator, rank) => {
        const trainer = new Trainer(new Small(2), {
          steps: 20,
          gradAccum: 2,
          communicator,
          ...(rank === 1 && { signal: stop.signal }),
          onEvent: (event) => event.type === 'step' && event.step === 3 && stop.abort(),
        });
        const { step, interrupted } = await trainer.run();
        trainer.dispose();
        return { step, interrupted };
      }),
    );
    expect(new Set(asked.map(({ step }) => step)).size).toBe(1);
    expect(asked[0]).toMatchObject({ interrupted: true });
    expect([3, 4]).toContain(asked[0]!.step);
    const scores = [[1], [5, 4, 3, 2, 1]];
    const ended = await train(2, { steps: 20, evalEvery: 2, patience: 2, scores, out: folder() });
    expect(ended.map(({ result }) => result.step)).toEqual([6, 6]);
  });

  it('save and fail together when one of them cannot make its batches', async () => {
    const out = folder();
    const results = await Promise.allSettled(
      ranksInProcess(2).map(async (communicator, rank) => {
        const stage = new Small(2);
        const { nextBatch } = stage;
        let made = 0;
        stage.nextBatch = () => {
          made += 1;
          if (rank === 1 && made > 2) throw new Error('no more');
          return nextBatch.call(stage);
        };
        const trainer = new Trainer(stage, { steps: 20, gradAccum: 2, communicator, out });
        await trainer.run().finally(() => trainer.dispose());
      }),
    );
    expect(results.map((result) => String((result as PromiseRejectedResult).reason))).toEqual([
      expect.stringMatching(/another rank could not make its batches/),
      'Error: no more',
    ]);
    const [again] = await train(1, { out: folder(), steps: 2, gradAccum: 2, schedule: 'constant' });
    expect(again!.result.step).toBe(2);
    expect(JSON.stringify(leftIn(out, 2))).toContain('"cursor":8');
  });

  it('agree on the number of steps that a budget of seconds comes to', async () => {
    const ended = await train(2, { seconds: 0.5, steps: undefined });
    expect(ended[0]!.result.step).toBe(ended[1]!.result.step);
  });
});
