import { afterAll, describe, expect, it, vi } from 'vitest';
import { Batch, type BatchEvent, type BatchOptions } from '../../src/generate/batch.ts';
import { generate } from '../../src/generate/generate.ts';
import type { BatchRequest, Completion } from '../../src/generate/sequence.ts';
import { native } from '../../src/native/addon.ts';
import type { DType } from '../../src/native/binding.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { responseLogProbs } from '../../src/scoring/response-log-probs.ts';
import { packSequences } from '../../src/scoring/sequences.ts';
import { noGrad } from '../../src/tensor/autograd.ts';
import { scope, tensor } from '../../src/tensor/tensor.ts';
import { randomIntegers } from '../helpers/reference.ts';

const prompt = (length: number, seed = length) => randomIntegers(length, 10 + seed, 256);

/** Requests with different settings, except two that share theirs. */
const requests: BatchRequest[] = [
  { prompt: prompt(5), maxTokens: 9, temperature: 0.9, seed: 3 },
  { prompt: prompt(30), maxTokens: 12, temperature: 0 },
  { prompt: prompt(1), maxTokens: 20, temperature: 1.3, topK: 20, seed: 7, stream: 2 },
  { prompt: prompt(17), maxTokens: 7, temperature: 0.9, seed: 3, stream: 5 },
  { prompt: prompt(9), maxTokens: 15, topP: 0.8, repetitionPenalty: 1.4, seed: 4 },
  { prompt: prompt(40), maxTokens: 11, minP: 0.05, repetitionPenalty: 1.2, seed: 2 ** 40 },
];

/** Steps until nothing is left; the completions by id. */
function finish(batch: Batch, seen: BatchEvent[] = []): Map<number, Completion> {
  const done = new Map<number, Completion>();
  while (batch.size > 0) {
    const events = batch.step();
    seen.push(...events);
    for (const { id, completion } of events) if (completion) done.set(id, completion);
  }
  return done;
}

function alone(model: Gpt, request: BatchRequest): Completion {
  using batch = new Batch(model, { slots: 1 });
  batch.add(request);
  return finish(batch).get(0)!;
}

function together(model: Gpt, options: BatchOptions, all = requests): Completion[] {
  using batch = new Batch(model, options);
  for (const request of all) batch.add(request);
  const done = finish(batch);
  return all.map((_, id) => done.get(id)!);
}

/** The log-probabilities of a completion at its temperature, by the evaluation of whole texts. */
function scored(model: Gpt, { prompt, temperature }: BatchRequest, { tokens }: Completion): number[] {
  const text = Int32Array.from([...Array.from(prompt), ...tokens]);
  const sequence = { prompt: 0, tokens: text, promptLength: prompt.length, finished: true };
  return [...responseLogProbs(model, [sequence], temperature || 1)];
}

/** Greedy decoding by whole forward passes, with penalties by their formula. */
function greedily(model: Gpt, request: BatchRequest): number[] {
  const { prompt, maxTokens, frequencyPenalty = 0, presencePenalty = 0, logitBias = {} } = request;
  const text = Array.from(prompt);
  for (let step = 0; step < maxTokens; ++step) {
    const logits = noGrad(() =>
      scope(() => {
        const hidden = model.forward(packSequences([Int32Array.from(text)]));
        return model.logits(hidden, tensor(Int32Array.of(text.length - 1))).toFloats();
      }),
    );
    const drawn = text.slice(prompt.length);
    const changed = Array.from(logits, (logit, token) => {
      const count = drawn.filter((other) => other === token).length;
      const penalty = count * frequencyPenalty + (count > 0 ? presencePenalty : 0);
      return logit + (logitBias[token] ?? 0) - penalty;
    });
    text.push(changed.indexOf(Math.max(...changed)));
  }
  return text.slice(prompt.length);
}

describe.each(['tiny', 'llama-tiny'])('%s', (preset) => {
  const models: Record<string, Gpt> = {
    f32: new Gpt(presetConfig(preset), { seed: 1 }),
    bf16: new Gpt(presetConfig(preset), { dtype: 'bf16', seed: 1 }),
  };
  afterAll(() => {
    for (const model of Object.values(models)) model.dispose();
  });

  it.each(['f32', 'bf16'] as DType[])(
    'R8: a request draws the same alone and among others of other settings, bit for bit (%s)',
    (dtype) => {
      const model = models[dtype]!;
      const single = requests.map((request) => alone(model, request));
      expect(single.map(({ tokens }) => tokens.length)).toEqual(requests.map(({ maxTokens }) => maxTokens));
      for (const slots of [6, 4, 2]) expect(together(model, { slots })).toEqual(single);
      expect(together(model, { slots: 6 }, [...requests].reverse()).reverse()).toEqual(single);
    },
  );

  it.each(['f32', 'bf16'] as DType[])('a prompt gives the same bits in parts as whole (%s)', (dtype) => {
    const whole = together(models[dtype]!, { slots: 4 });
    for (const prefillTokens of [1, 3, 16, 64]) {
      expect(together(models[dtype]!, { slots: 4, prefillTokens })).toEqual(whole);
    }
  });

  it('a budget for prompts lets decoding go on, the oldest prompt first', () => {
    using batch = new Batch(models.f32!, { slots: 3, prefillTokens: 8 });
    const decoding = batch.add({ prompt: prompt(1), maxTokens: 20 });
    batch.step();
    const long = batch.add({ prompt: prompt(30), maxTokens: 1, temperature: 0 });
    // Its settings are those of the first request, so its row comes before that of the long prompt.
    const short = batch.add({ prompt: prompt(7), maxTokens: 1, stream: 1 });
    const drawn = Array.from({ length: 5 }, () => batch.step().map(({ id }) => id));
    expect(drawn).toEqual([[decoding], [decoding], [decoding], [decoding, long], [decoding, short]]);
  });

  it('takes requests while others run, and keeps what has no slot waiting', () => {
    const model = models.f32!;
    const single = requests.map((request) => alone(model, request));
    using batch = new Batch(model, { slots: 2 });
    expect([batch.size, batch.waiting, batch.step()]).toEqual([0, 0, []]);
    const seen: BatchEvent[] = [];
    for (const [i, request] of requests.entries()) {
      expect(batch.add(request)).toBe(i);
      const steps = i === 2 ? 0 : 1;
      for (let step = 0; step < steps; ++step) seen.push(...batch.step());
    }
    expect([batch.size, batch.waiting]).toEqual([6, 4]);
    finish(batch, seen);
    expect([batch.size, batch.waiting]).toEqual([0, 0]);
    for (const [id, wanted] of single.entries()) {
      const own = seen.filter((event) => event.id === id);
      expect(Int32Array.from(own, ({ token }) => token)).toEqual(wanted.tokens);
      expect(Float32Array.from(own, ({ logProb }) => logProb)).toEqual(wanted.logProbs);
      expect(own.map(({ completion }) => completion)).toEqual([
        ...new Array(own.length - 1).fill(undefined),
        wanted,
      ]);
    }
  });

  it('cancels running and waiting requests: the slot goes on, and nobody else notices', () => {
    const model = models.f32!;
    const single = requests.map((request) => alone(model, request));
    // With a budget of 8 the second request is still reading its prompt when it is cancelled.
    using batch = new Batch(model, { slots: 3, prefillTokens: 8 });
    for (const request of requests) batch.add(request);
    const early: BatchEvent[] = [];
    for (let step = 0; step < 3; ++step) early.push(...batch.step());
    const drawn = early.filter(({ id }) => id === 0).length;
    expect(drawn).toBeGreaterThan(1);
    expect(batch.cancel(0)).toEqual({
      tokens: single[0]!.tokens.slice(0, drawn),
      logProbs: single[0]!.logProbs.slice(0, drawn),
      finish: 'aborted',
    });
    const nothing = { tokens: new Int32Array(0), logProbs: new Float32Array(0), finish: 'aborted' };
    expect(batch.cancel(1)).toEqual(nothing);
    expect([batch.size, batch.waiting]).toEqual([4, 3]);
    expect(batch.cancel(4)).toEqual(nothing);
    expect([batch.size, batch.waiting]).toEqual([3, 2]);
    batch.step();
    expect(batch.waiting).toBe(0);
    for (const gone of [0, 1, 4, 99]) expect(batch.cancel(gone)).toBeUndefined();
    const done = finish(batch);
    expect([...done.keys()].sort()).toEqual([2, 3, 5]);
    for (const [id, completion] of done) expect(completion).toEqual(single[id]);
    expect(batch.cancel(5)).toBeUndefined();
  });

  it('reads only what no free slot has cached, where prefixes are reused, and draws the same', () => {
    const model = models.f32!;
    const first: BatchRequest = { prompt: prompt(30), maxTokens: 4, temperature: 0 };
    const { tokens } = alone(model, first);
    const talk = [...(first.prompt as Int32Array), ...tokens];
    // How many steps of at most 4 tokens each takes after the first, alone in its batch.
    const later: [ArrayLike<number>, number, number][] = [
      [[...talk, 1, 2, 3, 4, 5, 6], 2, 10], // 33 are cached: all but the last of the answer
      [first.prompt, 1, 8], // all but the last token, from which the draw comes
      [talk.slice(0, 20).concat(talk.slice(0, 9)), 3, 8],
      [prompt(9), 3, 3],
    ];
    for (const [next, steps, stepsAnew] of later) {
      const request = { prompt: next, maxTokens: 1, seed: 5 };
      for (const reusePrefixes of [true, false]) {
        using batch = new Batch(model, { slots: 2, prefillTokens: 4, reusePrefixes });
        batch.add(first);
        finish(batch);
        batch.add(request);
        let taken = 0;
        for (let events: BatchEvent[] = []; batch.size > 0; ++taken) {
          events = batch.step();
          if (events.length > 0) expect(events[0]!.completion).toEqual(alone(model, request));
        }
        expect(taken).toBe(reusePrefixes ? steps : stepsAnew);
      }
    }
    const all = [...requests, ...requests];
    const options = { slots: 3, prefillTokens: 8 };
    expect(together(model, { ...options, reusePrefixes: true }, all)).toEqual(together(model, options, all));
  });

  it('reads a beginning that prompts share once, also when they come together', () => {
    const long = presetConfig(preset, { contextLength: 512 });
    const model = new Gpt(long, { seed: 2 });
    const system = [...prompt(200)];
    const all: BatchRequest[] = [1, 2, 3, 4, 5].map((i) => ({
      ...{ prompt: [...system, ...prompt(3 + i)], maxTokens: 4 + i, temperature: 0.9, seed: i },
    }));
    // Begins like the others for too few tokens to wait for them.
    all.push({ prompt: [...system.slice(0, 20), ...prompt(60)], maxTokens: 3, seed: 9 });
    const single = all.map((request) => alone(model, request));
    let count = 0;
    const forward = model.forward.bind(model);
    vi.spyOn(model, 'forward').mockImplementation((input, cache) => {
      count += input.tokens.size;
      return forward(input, cache);
    });
    const read = (reusePrefixes: boolean, work: (batch: Batch) => void) => {
      count = 0;
      using batch = new Batch(model, { slots: 6, prefillTokens: 50, reusePrefixes });
      work(batch);
      return count;
    };
    const atOnce = (batch: Batch) => {
      const ids = all.map((request) => batch.add(request));
      const done = finish(batch);
      ids.forEach((id, i) => {
        expect(done.get(id)).toEqual(single[i]);
      });
    };
    const apart = read(false, atOnce);
    expect(apart - read(true, atOnce)).toBe(4 * 200);
    // One that is running gives its beginning away; where it is cancelled, the next one reads.
    const saved = (cancel: boolean) =>
      read(true, (batch) => {
        const first = batch.add(all[0]!);
        batch.step();
        const second = batch.add(all[1]!);
        batch.step();
        if (cancel) batch.cancel(first);
        const done = finish(batch);
        expect(done.get(second)).toEqual(single[1]);
        if (!cancel) expect(done.get(first)).toEqual(single[0]);
      });
    const both = [all[0]!, all[1]!].map(({ prompt, maxTokens }) => prompt.length + maxTokens - 1);
    expect(saved(false)).toBe(both[0]! + both[1]! - 200);
    expect(saved(true)).toBe(both[1]!); // the second one goes on from what the first has read
    model.dispose();
  });

  it('penalties and biases change the draw of their own request only, and no log-probability', () => {
    const model = models.f32!;
    const plain = { prompt: prompt(12), maxTokens: 24, temperature: 0.8, seed: 5 };
    const greedy = { prompt: prompt(12), maxTokens: 24, temperature: 0 };
    const all: BatchRequest[] = [
      plain,
      { ...plain, logitBias: { 3: 100 } },
      { ...greedy, frequencyPenalty: 2 },
      { ...greedy, presencePenalty: 1000 },
      { ...greedy, presencePenalty: 0.5, frequencyPenalty: -0.25, logitBias: { 7: 1.5, 9: -100 } },
      { ...plain, logitBias: { 3: 0 }, frequencyPenalty: 0 },
    ];
    const single = all.map((request) => alone(model, request));
    expect(together(model, { slots: 6 }, all)).toEqual(single);
    expect(new Set(single[1]!.tokens)).toEqual(new Set([3]));
    expect(new Set(single[3]!.tokens).size).toBe(24); // no token twice
    expect(single[5]).toEqual(single[0]);
    for (const [i, request] of all.entries()) {
      expect([...single[i]!.logProbs]).toEqual(scored(model, request, single[i]!));
      if (request.temperature === 0) expect([...single[i]!.tokens]).toEqual(greedily(model, request));
    }
  });

  it.each(['f32', 'bf16'] as DType[])(
    'reports have the bits of an evaluation, in any company and however the prompt was cut (%s)',
    (dtype) => {
      const model = models[dtype]!;
      const asked: BatchRequest = { ...requests[1]!, temperature: 0.7, topLogProbs: 3, reportPrompt: true };
      const others = [requests[0]!, { ...requests[3]!, topLogProbs: 0 }, requests[5]!];
      for (const options of [{ slots: 1 }, { slots: 4, prefillTokens: 7, reusePrefixes: true }]) {
        using batch = new Batch(model, options);
        batch.add({ prompt: asked.prompt, maxTokens: 2 }); // leaves its prefix in a slot
        finish(batch);
        const ids = [asked, ...others].map((request) => batch.add(request));
        const seen: BatchEvent[] = [];
        const done = finish(batch, seen);
        const mine = seen.filter(({ id }) => id === ids[0]);
        const { tokens } = done.get(ids[0]!)!;
        const text = [...Array.from(asked.prompt), ...tokens];
        const wanted = responseLogProbs(
          model,
          [{ prompt: 0, tokens: Int32Array.from(text), promptLength: 1, finished: true }],
          1,
        );
        const reports = [...mine[0]!.prompt!, ...mine.map(({ report }) => report!)];
        expect(reports[0]).toBeUndefined();
        expect(reports.slice(1).map((report) => report!.token)).toEqual(text.slice(1));
        expect(reports.slice(1).map((report) => report!.logProb)).toEqual([...wanted]);
        for (const report of reports.slice(1)) {
          const { token, logProb, topTokens, topLogProbs } = report!;
          expect(topTokens.length).toBe(3);
          expect([...topLogProbs]).toEqual([...topLogProbs].sort((a, b) => b - a));
          if (topTokens.includes(token)) expect(topLogProbs[topTokens.indexOf(token)]).toBe(logProb);
          else expect(logProb).toBeLessThanOrEqual(topLogProbs[2]!);
        }
        const other = seen.filter(({ id }) => id === ids[2]);
        expect(other.every(({ report }) => report?.topTokens.length === 0)).toBe(true);
        expect(seen.filter(({ id }) => id === ids[1]).every(({ report }) => report === undefined)).toBe(true);
        expect(done.get(ids[1]!)).toEqual(alone(model, others[0]!));
      }
    },
  );

  it('ends at stop tokens, at maxTokens and where the slot is full', () => {
    const model = models.f32!;
    const free = alone(model, requests[2]!);
    const stop = free.tokens[4]!;
    const stopped = alone(model, { ...requests[2]!, stopTokens: [stop] });
    expect(stopped).toMatchObject({ finish: 'stop' });
    expect(stopped.tokens).toEqual(free.tokens.slice(0, free.tokens.indexOf(stop) + 1));
    expect(free.finish).toBe('length');
    const [full] = together(model, { slots: 1, slotTokens: 12 }, [
      { ...requests[2]!, maxTokens: Number.POSITIVE_INFINITY },
    ]);
    expect(full).toMatchObject({ finish: 'length', tokens: free.tokens.slice(0, 11) });
  });
});

describe('a batch', () => {
  const model = new Gpt(presetConfig('tiny'), { seed: 1 });
  afterAll(() => model.dispose());

  it('refuses what cannot run, by name, and runs the others', () => {
    using batch = new Batch(model, { slots: 2, slotTokens: 20 });
    const good = { prompt: [1, 2, 3], maxTokens: 3 };
    const refused = (request: Partial<BatchRequest>) => expect(() => batch.add({ ...good, ...request }));
    batch.add(good);
    refused({ prompt: [] }).toThrow('request 1 is empty');
    refused({ prompt: new Int32Array(20) }).toThrow(
      'request 1 has 20 tokens and a slot of the batch holds 20',
    );
    refused({ prompt: [3, 256], name: 'chat-7' }).toThrow('chat-7 has the token id 256 at position 1');
    refused({ prompt: [-1] }).toThrow('request 1 has the token id -1 at position 0');
    refused({ maxTokens: 0 }).toThrow('request 1 asks for 0 new tokens');
    refused({ maxTokens: Number.NaN }).toThrow('request 1 asks for NaN new tokens');
    const settings = { temperature: 1e-9, topK: -1, topP: -0.1, minP: 2, repetitionPenalty: 0, seed: 0.5 };
    for (const [name, value] of Object.entries(settings)) {
      refused({ [name]: value }).toThrow(`request 1 has the ${name} ${value}; it must be`);
    }
    refused({ logitBias: { 256: 1 } }).toThrow('request 1 has the logitBias 1 for the token 256');
    refused({ logitBias: { 3: Number.NaN } }).toThrow('request 1 has the logitBias NaN for the token 3');
    refused({ topLogProbs: 257 }).toThrow('request 1 has the topLogProbs 257; it must be');
    refused({ reportPrompt: true }).toThrow('request 1 has the topLogProbs undefined');
    const penalties = ['repetitionPenalty', 'frequencyPenalty', 'presencePenalty'];
    for (const name of ['temperature', 'topP', 'minP', ...penalties]) {
      refused({ [name]: Number.NaN }).toThrow(`request 1 has the ${name} NaN`);
    }
    expect(batch.size).toBe(1);
    expect(batch.add(good)).toBe(1);
    expect(finish(batch).size).toBe(2);
  });

  it('asks the engine once for rows of the same settings, wherever they came in', () => {
    using batch = new Batch(model, { slots: 5 });
    const [hot, greedy] = [{ temperature: 1.2 }, { temperature: 0 }];
    for (const [stream, settings] of [hot, greedy, hot, { ...hot, seed: 1 }, greedy].entries()) {
      batch.add({ prompt: prompt(3), maxTokens: 4, stream, ...settings });
    }
    const rows: number[] = [];
    const { sample } = native;
    const spy = vi.spyOn(native, 'sample').mockImplementation((inputs) => {
      rows.push(native.shapeOf(inputs.logits)[0]!);
      return sample(inputs);
    });
    batch.step();
    expect(rows).toEqual([2, 2, 1]);
    spy.mockRestore();
  });

  it('refuses sizes that make no sense', () => {
    const made = (options: BatchOptions) => () => new Batch(model, options);
    expect(made({ slots: 0 })).toThrow('`slots` is 0, which is no positive integer');
    expect(made({ slots: 1, slotTokens: 1.5 })).toThrow('`slotTokens` is 1.5');
    expect(made({ slots: 1, prefillTokens: -1 })).toThrow('`prefillTokens` is -1');
    expect(made({ slots: 1, slotTokens: 65 })).toThrow("exceeds the model's context of 64");
  });

  it('does not see what its caller does to a prompt later', async () => {
    const ids = prompt(5);
    const [wanted] = await generate(model, [ids], { maxTokens: 4, seed: 1 });
    using batch = new Batch(model, { slots: 1 });
    batch.add({ prompt: ids, maxTokens: 4, seed: 1 });
    ids.fill(0);
    expect(finish(batch).get(0)).toEqual(wanted);
  });

  it('a step that fails moves nothing: it can be repeated', () => {
    const single = requests.slice(0, 3).map((request) => alone(model, request));
    using batch = new Batch(model, { slots: 3, prefillTokens: 16 });
    for (const request of requests.slice(0, 3)) batch.add(request);
    const done = new Map<number, Completion>();
    for (let step = 0; batch.size > 0; ++step) {
      if (step % 2 === 0) {
        const spy = vi.spyOn(native, 'sample').mockImplementation(() => {
          throw new Error('no memory');
        });
        expect(() => batch.step()).toThrow('no memory');
        spy.mockRestore();
      }
      for (const { id, completion } of batch.step()) if (completion) done.set(id, completion);
    }
    expect([0, 1, 2].map((id) => done.get(id))).toEqual(single);
  });

  it('leaves no memory behind, whether it is done or not', () => {
    native.setNumThreads(1); // a worker has buffers of its own from its first task on
    const run = (steps: number) => {
      const batch = new Batch(model, { slots: 3, prefillTokens: 16 });
      for (const request of requests) batch.add(request);
      for (let step = 0; step < steps; ++step) batch.step();
      batch.cancel(1);
      batch.step();
      batch.dispose();
    };
    run(100);
    const before = native.memoryStats()[0];
    for (const steps of [0, 1, 4, 9, 100]) run(steps);
    // Less is fine: the garbage collector may have found something older.
    expect(native.memoryStats()[0]).toBeLessThanOrEqual(before);
    native.setNumThreads(0);
  });
});
