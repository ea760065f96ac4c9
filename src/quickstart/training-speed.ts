/** Measures how many tokens per second this machine trains the pipeline's model on. */
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import type { DType } from '../native/binding.ts';
import { Gpt } from '../nn/gpt.ts';
import { presetConfig } from '../nn/presets.ts';
import { AdamW } from '../optim/adamw.ts';
import { ints } from '../scoring/sequences.ts';
import { backward } from '../tensor/autograd.ts';
import { scope } from '../tensor/tensor.ts';
import { BATCH, CONTEXT, MODEL, VOCABULARY } from './shape.ts';

const WARM_UP_STEPS = 1;
const TIMED_STEPS = 3;

/** Trains on random tokens for a few steps and discards the model. */
export async function measureTrainingSpeed({ dtype }: { dtype: DType }): Promise<number> {
  const model = new Gpt(presetConfig(MODEL, { vocabSize: VOCABULARY, contextLength: CONTEXT }), { dtype });
  const optimizer = new AdamW(model.parameters());
  const tokens = BATCH * CONTEXT;
  try {
    let startedAt = performance.now();
    for (let i = 0; i < WARM_UP_STEPS + TIMED_STEPS; ++i) {
      if (i === WARM_UP_STEPS) startedAt = performance.now();
      step(model, optimizer, tokens);
      await yieldToEvents();
    }
    return (TIMED_STEPS * tokens * 1000) / (performance.now() - startedAt);
  } finally {
    optimizer.dispose();
    model.dispose();
  }
}

function step(model: Gpt, optimizer: AdamW, count: number): void {
  const all = Array.from({ length: count }, (_, i) => i);
  scope(() => {
    const input = {
      tokens: ints(all.map((i) => (i * 31) % VOCABULARY)),
      positions: ints(all.map((i) => i % CONTEXT)),
      cuSeqlens: ints(Array.from({ length: count / CONTEXT + 1 }, (_, i) => i * CONTEXT)),
    };
    backward(model.loss(input, ints(all.map((i) => (i * 31 + 31) % VOCABULARY)), { scale: 1 / count }).loss);
  });
  optimizer.gradNorm();
  optimizer.step(0);
  for (const parameter of model.parameters().values()) {
    parameter.grad?.dispose();
    parameter.grad = undefined;
  }
}
