/** Constraints in a batch: what a random model writes fits, and all else stays as it was. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../src/base/json.ts';
import { Batch } from '../../../src/generate/batch.ts';
import { Constraints } from '../../../src/generate/grammar/constraint.ts';
import type { Rule } from '../../../src/generate/grammar/rule.ts';
import type { BatchRequest, Completion } from '../../../src/generate/sequence.ts';
import type { TokenReport } from '../../../src/generate/token-reports.ts';
import { Gpt } from '../../../src/nn/gpt.ts';
import { presetConfig } from '../../../src/nn/presets.ts';
import type { Tokenizer } from '../../../src/text/tokenizer.ts';
import { chatTokenizer } from '../../helpers/chat-model.ts';
import { randomSchema, validator } from '../../helpers/json-schemas.ts';
import { rng } from '../../helpers/reference.ts';

const ROWS = 340;
let tokenizer: Tokenizer;
let model: Gpt;
let end: number;
let constraints: Constraints;
beforeAll(async () => {
  tokenizer = await chatTokenizer();
  model = new Gpt(presetConfig('tiny', { vocabSize: ROWS, initializerRange: 0.1, contextLength: 512 }), {
    seed: 7,
  });
  end = tokenizer.specialTokens.get('<|end|>')!;
  constraints = new Constraints(tokenizer, { vocabSize: ROWS, stopTokens: [end] });
});
afterAll(() => model.dispose());

const json = (schema: JsonValue): Rule => ({ kind: 'json', schema });

function request(rule: Rule | undefined, options: Partial<BatchRequest> = {}): BatchRequest {
  return {
    ...{ prompt: [1, 2, 3], maxTokens: 240, stopTokens: [end], seed: 1 },
    ...(rule && { constraint: constraints.of(rule) }),
    ...options,
  };
}

interface Result extends Completion {
  reports: TokenReport[];
}

function run(requests: readonly BatchRequest[], slots = 8): Result[] {
  using batch = new Batch(model, { slots, suppressTokens: tokenizer.unusedIds(ROWS) });
  const results: Result[] = [];
  const reports = requests.map((): TokenReport[] => []);
  for (const one of requests) batch.add(one);
  while (batch.size > 0) {
    for (const { id, completion, report } of batch.step()) {
      if (report) reports[id]!.push(report);
      if (completion) results[id] = { ...completion, reports: reports[id]! };
    }
  }
  return results;
}

/** The text without the end token. */
function textOf({ tokens, finish }: Completion): string {
  return tokenizer.decode(finish === 'stop' ? tokens.subarray(0, -1) : tokens);
}

it('a random model writes values that fit, of 20 random schemas and 3 seeds each', () => {
  const requests: BatchRequest[] = [];
  const judges: ((value: unknown) => boolean)[] = [];
  const names: string[] = [];
  for (let n = 0; judges.length < 60; ++n) {
    const schema = randomSchema(rng(n), 2);
    try {
      constraints.of(json(schema));
    } catch {
      continue;
    }
    for (const seed of [1, 2, 3]) {
      // A rule may be in any number of sequences at the same time.
      requests.push(request(json(schema), { seed, stream: n, temperature: seed === 3 ? 0.5 : 1 }));
      judges.push(validator(schema));
      names.push(JSON.stringify(schema));
    }
  }
  let whole = 0;
  run(requests, 16).forEach((completion, i) => {
    if (completion.finish === 'length') return;
    ++whole;
    const text = textOf(completion);
    expect(judges[i]!(JSON.parse(text)), `${names[i]}: ${text}`).toBe(true);
  });
  expect(whole).toBeGreaterThan(45);
});

describe('a constraint', () => {
  const schema = { type: 'string', minLength: 2, maxLength: 6 };

  it('lets a character be written by tokens that end in the middle of it', () => {
    const exact = json({ enum: ['é😀'] });
    const [completion] = run([request(exact)]);
    expect(textOf(completion!)).toBe('"é😀"');
    // Of the emoji, this vocabulary has single bytes only.
    expect(completion!.tokens.length).toBe(9);
    const [free] = run([request(json({ type: 'string', pattern: '^[à-ÿ😀-😏]{30}$' }))]);
    expect(textOf(free!)).toMatch(/^"[à-ÿ😀-😏]{30}"$/u);
  });

  it('allows the end exactly where the value is complete', () => {
    const constraint = constraints.of(json({ type: 'integer', minimum: 5, maximum: 120 }));
    const has = (token: number) => ((constraint.allowed[token >> 5]! >> (token & 31)) & 1) === 1;
    const digit = (text: string) => tokenizer.encode(text)[0]!;
    expect([has(end), constraint.isComplete]).toEqual([false, false]);
    constraint.accept(digit('1'));
    expect([has(end), constraint.isComplete, has(digit('3'))]).toEqual([false, false, true]);
    constraint.accept(digit('2'));
    expect([has(end), constraint.isComplete, has(digit('0')), has(digit('1'))]).toEqual([
      true,
      true,
      true,
      false,
    ]);
    constraint.accept(end);
    expect([constraint.isOver, constraint.isComplete]).toEqual([true, true]);
  });

  it('ends by itself without stop tokens, where nothing can follow', () => {
    const endless = new Constraints(tokenizer, { vocabSize: ROWS, stopTokens: [] });
    const rule = json({ type: 'object', properties: { a: { type: 'boolean' } }, required: ['a'] });
    const [completion] = run([request(undefined, { constraint: endless.of(rule), stopTokens: [] })]);
    expect(completion!.finish).toBe('stop');
    expect(typeof JSON.parse(tokenizer.decode(completion!.tokens)).a).toBe('boolean');
  });

  it('never allows control tokens, unless they count as text', () => {
    const rule: Rule = { kind: 'free', marker: '<|user|>', after: { kind: 'text', text: '!' } };
    const user = tokenizer.specialTokens.get('<|user|>')!;
    const has = ({ allowed }: { allowed: Int32Array }) => ((allowed[user >> 5]! >> (user & 31)) & 1) === 1;
    expect(has(constraints.of(rule))).toBe(false);
    const options = { vocabSize: ROWS, stopTokens: [end], textTokens: ['<|user|>'] };
    const constraint = new Constraints(tokenizer, options).of(rule);
    expect(has(constraint)).toBe(true);
    constraint.accept(user);
    const [mark] = tokenizer.encode('!');
    expect([...constraint.allowed].reduce((sum, word) => sum + bits(word), 0)).toBe(1);
    expect((constraint.allowed[mark! >> 5]! >> (mark! & 31)) & 1).toBe(1);
  });

  it('changes the draw alone: log-probabilities are those of the model', () => {
    const [completion] = run([request(json(schema), { topLogProbs: 3 })]);
    const { tokens, reports, logProbs } = completion!;
    // The same tokens as a prompt of the free model have the same log-probabilities.
    const prompt = [1, 2, 3, ...tokens];
    using batch = new Batch(model, { slots: 1 });
    batch.add({ prompt, maxTokens: 1, topLogProbs: 3, reportPrompt: true });
    const [event] = batch.step();
    tokens.forEach((token, i) => {
      const free = event!.prompt![3 + i]!;
      expect(free.token).toBe(token);
      expect(reports[i]!.logProb).toBe(free.logProb);
      expect(reports[i]!.topTokens).toEqual(free.topTokens);
      expect(logProbs[i]).toBe(free.logProb);
    });
  });

  it('draws the same whatever else is in the batch, and others draw as without it', () => {
    const rules = [json(schema), json({ type: 'array', items: { type: 'integer' }, maxItems: 3 }), undefined];
    const make = () =>
      rules.flatMap((rule, i) =>
        [0, 1, 2].map((stream) =>
          request(rule, {
            ...{ stream, seed: 9, maxTokens: 60 },
            ...(i === 1 && { logitBias: { 40: 2 } }),
            ...(stream === 2 && { temperature: 0.7, topK: 5, repetitionPenalty: 1.3 }),
          }),
        ),
      );
    const together = run(make(), 9);
    // Alone, one after another, with grammars that are made anew.
    constraints = new Constraints(tokenizer, { vocabSize: ROWS, stopTokens: [end] });
    const alone = make().map((one) => run([one], 1)[0]!);
    together.forEach((completion, i) => {
      expect(completion.tokens).toEqual(alone[i]!.tokens);
      expect(completion.logProbs).toEqual(alone[i]!.logProbs);
    });
  });

  it('is refused for a tokenizer that cannot write all text', async () => {
    const { Tokenizer: Class } = await import('../../../src/text/tokenizer.ts');
    const poor = Object.create(Class.prototype) as Tokenizer;
    const fields = { vocabSize: 1, specialTokens: new Map(), bytesOf: () => Uint8Array.of(65) };
    for (const [name, value] of Object.entries(fields)) Object.defineProperty(poor, name, { value });
    const make = () => new Constraints(poor, { vocabSize: 1, stopTokens: [] }).of(json(true));
    expect(make).toThrow('the tokenizer has no token for the byte 10');
  });
});

function bits(word: number): number {
  let count = 0;
  for (let rest = word >>> 0; rest > 0; rest >>>= 1) count += rest & 1;
  return count;
}
