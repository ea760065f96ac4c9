/**
 * GRPO with a reward function: teaches a model to answer with as many letters "a" as it can. The
 * reward is a function of prompt and response; no reward model is needed.
 * Run it with: npm run example grpo-reward-function
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Gpt, grpo, presetConfig, type RewardFunction, saveModel, Tokenizer } from 'athanor';

const folder = mkdtempSync(join(tmpdir(), 'athanor-example-'));
const prompts = join(folder, 'prompts.jsonl');
writeFileSync(prompts, ['say a', 'say b', 'say c'].map((prompt) => JSON.stringify({ prompt })).join('\n'));
const base = join(folder, 'base');
const tokenizer = await Tokenizer.train(['say a b c'], { vocabSize: 280 });
tokenizer.save(base);
const model = new Gpt(presetConfig('tiny', { vocabSize: tokenizer.vocabSize, contextLength: 64 }));
await saveModel(base, model, { tokenizer: base });

/** Share of the response that is the letter "a". */
const rewardFn: RewardFunction = (_prompt, response) =>
  [...response].filter((letter) => letter === 'a').length / Math.max(1, response.length);

const rewards: number[] = [];
await grpo(
  {
    model: base,
    data: prompts,
    out: join(folder, 'tuned'),
    rewardFn,
    iterations: 30,
    rolloutSize: 32,
    numGenerations: 8,
    maxPromptLength: 32,
    maxResponseLength: 8,
    missingEos: 'none',
    evalPrompts: 0,
    klCoef: 0,
    lr: 2e-2,
  },
  { onEvent: (event) => event.type === 'step' && rewards.push(event.metrics.reward!) },
);
console.log(`reward ${rewards[0]!.toFixed(3)} -> ${rewards.at(-1)!.toFixed(3)}`);
