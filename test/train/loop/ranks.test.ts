/**
 * Two ranks in one process train like one rank with twice the batch. Only the main rank
 * reports and writes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../src/base/json.ts';
import type { Communicator } from '../../../src/comm/communicator.ts';
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
import { expectSameBits, maxError } from '../../helpers/reference.ts';

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

/** Next-token prediction with targets left out, so that ranks count differently. */
class Small implements TrainStage<TokenBatch> {
  readonly model = new Gpt(presetConfig('tiny', { vocabSize: vocabulary }), { seed: 3 });
  readonly parameters = this.model.parameters();
  readonly tokensPerBatch: number;
  readonly prefetch = true;
  readonly seen: number[] = [];
  readonly #loader: TokenLoader;
  readonly evaluate?: () => Promise<Evaluation>;

  constructor(batchSize: number, communicator: Communicator, scores?: readonly number[]) {
    this.#loader = new TokenLoader(data, { batchSize, context: CONTEXT, seed: 5, communicator });
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
  /** Of the last update. */
  gradients: Map<string, Float32Array>;
}

/**
 * Trains at `batchSize` windows a rank. With beta1 = 0 the first moment is the
 * last gradient itself.
 */
async function train(
  communicators: readonly Communicator[],
  batchSize: number,
  options: Partial<TrainerOptions> & { scores?: readonly number[][] } = {},
): Promise<Ran[]> {
  return Promise.all(
    communicators.map(async (communicator, rank) => {
      const events: TrainEvent[] = [];
      const stage = new Small(batchSize, communicator, options.scores?.[rank]);
      const trainer = new Trainer(stage, {
        steps: 6,
        lr: 1e-3,
        gradAccum: 2,
        maxGradNorm: 0,
        optimizer: { beta1: 0 },
        out: join(root, 'run'),
        ...options,
        communicator,
        onEvent: (event) => events.push(event),
      });
      const result = await trainer.run();
      const gradients = new Map<string, Float32Array>();
      if (rank === 0 && trainer.store) {
        using saved = trainer.store.load();
        for (const name of stage.parameters.keys())
          gradients.set(name, saved.tensors.read(`first.${name}`).data as Float32Array);
      }
      trainer.dispose();
      return { stage, result, events, gradients };
    }),
  );
}

const weightsOf = ({ stage }: Ran) => [...stage.parameters].map(([name, p]) => [name, p.toFloats()] as const);

describe('two ranks', () => {
  it('see the windows of one rank with twice the batch, and sum to its loss and gradients', async () => {
    const [one] = await train([selfCommunicator], 4, { steps: 1, out: join(root, 'one') });
    const pair = await train(ranksInProcess(2), 2, { steps: 1, out: join(root, 'pair') });
    const windows = pair.flatMap(({ stage }) => stage.seen);
    expect(windows.sort((a, b) => a - b)).toEqual([...one!.stage.seen].sort((a, b) => a - b));
    expect(pair[0]!.result.tokens).toBe(one!.result.tokens);
    expect(Math.abs(pair[0]!.result.loss - one!.result.loss)).toBeLessThan(1e-6 * one!.result.loss);
    for (const [name, gradient] of one!.gradients) {
      const largest = Math.max(...gradient.map(Math.abs));
      expect(maxError(pair[0]!.gradients.get(name)!, gradient), name).toBeLessThan(2e-6 * largest);
    }
  });

  it('end with the same bits as each other, and nearly those of one rank', async () => {
    const [one] = await train([selfCommunicator], 4, { out: join(root, 'alone') });
    const [first, second] = await train(ranksInProcess(2), 2, { out: join(root, 'both') });
    const [wanted, others] = [new Map(weightsOf(one!)), new Map(weightsOf(second!))];
    for (const [name, weights] of weightsOf(first!)) {
      expectSameBits(weights, others.get(name)!, name);
      // AdamW turns gradients near 0 into full steps of either sign.
      expect(maxError(weights, wanted.get(name)!), name).toBeLessThan(6 * 2 * 1e-3);
    }
    const lossOf = ({ events }: Ran) =>
      events.flatMap((event) => (event.type === 'step' ? [event.loss] : []));
    lossOf(first!).forEach((loss, i) => {
      expect(Math.abs(loss - lossOf(one!)[i]!)).toBeLessThan(1e-3);
    });
  });

  it('report and write on the main rank alone', async () => {
    const out = join(root, 'main');
    const [first, second] = await train(ranksInProcess(2), 2, { out, saveEvery: 3 });
    expect(first!.events.filter(({ type }) => type === 'checkpoint')).toHaveLength(2);
    expect(second!.events).toEqual([]);
    expect(readMetrics(out).records.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('stop together when one of them is asked to, and when the main rank loses patience', async () => {
    const ranks = ranksInProcess(2);
    const stop = new AbortController();
    const asked = await Promise.all(
      ranks.map(async (communicator, rank) => {
        const stage = new Small(2, communicator);
        const trainer = new Trainer(stage, {
          steps: 20,
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
    const options = { steps: 20, evalEvery: 2, patience: 2, scores, out: join(root, 'patience') };
    const ended = await train(ranksInProcess(2), 2, options);
    expect(ended.map(({ result }) => result.step)).toEqual([6, 6]);
  });

  it('agree on the number of steps that a budget of seconds comes to', async () => {
    const ended = await train(ranksInProcess(2), 2, { seconds: 0.5, steps: undefined, out: undefined });
    expect(ended[0]!.result.step).toBe(ended[1]!.result.step);
  });
});
