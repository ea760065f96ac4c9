/** `athanor eval`: what a model has learned, by whichever measure there is data for. */

import { AthanorError } from '../base/errors.ts';
import type { DType } from '../native/binding.ts';
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { choice, count, engineOptions, integer, number, type OptionValues, path } from './options.ts';

const options = {
  ...engineOptions,
  model: path('model folder'),
  data: path('folder of token shards'),
  questions: path('rows as for sft, whose last answers are the right ones'),
  comparisons: path('rows as for reward'),
  prompts: path('rows as for ppo'),
  against: path('folder of the model to compare with'),
  reward: path('reward model folder'),
  split: choice('which documents of --data', ['train', 'validation'], { default: 'validation' }),
  batchSize: integer('windows or answers at once', { default: 8, min: 1 }),
  context: integer("tokens in a window (default: the model's context)", { min: 2 }),
  maxTokens: count('tokens of --data to read (default: all), or of an answer (default: 64), at most', {
    min: 1,
  }),
  temperature: number('of answers; 0 takes the likeliest token', { default: 0, min: 0 }),
  onBadLine: choice('what to do with a row that cannot be used', ['skip', 'fail'], { default: 'skip' }),
};

export const evaluate = defineCommand({
  description: `What is measured follows from what is given:
  --model --data                          perplexity and bits per byte; these compare across tokenizers
  --model --questions                     share of right answers
  --reward --comparisons                  share of pairs that a reward model puts in order
  --model --against --questions           win rate over another model, by the right answers
  --model --against --prompts --reward    win rate over another model, by a reward model`,
  options,
  example: 'eval --model run --data run/data',
  async run(given) {
    const measure = measureFor(given);
    const { dtype } = await prepareEngine(given);
    const startedAt = performance.now();
    const { metrics, notes } = await measure({ ...given, dtype });
    for (const note of notes) process.stderr.write(`${note}\n`);
    return { ...metrics, seconds: (performance.now() - startedAt) / 1000 };
  },
  render: (result) =>
    Object.entries(result)
      .filter(([name]) => name !== 'seconds')
      .map(([name, value]) => `${name.replaceAll('_', ' ')}  ${shown(value)}`)
      .join('\n'),
});

type Given = OptionValues<typeof options>;
type Ready = Omit<Given, 'dtype'> & { dtype: DType };
type Measure = (options: Ready) => Promise<{ metrics: Record<string, number>; notes: readonly string[] }>;

/** What is given besides settings, for which there is exactly one measure. */
const inputs = ['model', 'data', 'questions', 'comparisons', 'prompts', 'against', 'reward'] as const;

const measures: Record<string, Measure> = {
  'model data': perplexityOf,
  'model questions': async (given) => {
    const { exactMatch } = await import('../eval/questions.ts');
    return exactMatch(given.model!, given.questions!, answering(given));
  },
  'comparisons reward': async (given) => {
    const { preferenceAccuracy } = await import('../eval/preference-accuracy.ts');
    return preferenceAccuracy(given.reward!, given.comparisons!, given);
  },
  'model questions against': async (given) => {
    const { winRate } = await import('../eval/win-rate.ts');
    return winRate(given.model!, given.against!, { questions: given.questions! }, answering(given));
  },
  'model prompts against reward': async (given) => {
    const { winRate } = await import('../eval/win-rate.ts');
    const judge = { prompts: given.prompts!, reward: given.reward! };
    return winRate(given.model!, given.against!, judge, answering(given));
  },
};

function measureFor(given: Given): Measure {
  const there = inputs.filter((name) => given[name] !== undefined);
  const measure = measures[there.join(' ')];
  if (measure) return measure;
  const flags = there.map((name) => `--${name}`).join(' ') || 'none of its options';
  throw new AthanorError(
    'ERR_OPTION',
    `there is nothing that eval measures from ${flags}`,
    'give --model with --data or --questions, --reward with --comparisons, or see athanor eval --help',
  );
}

function answering(given: Ready) {
  return { ...given, maxTokens: given.maxTokens ?? 64 };
}

async function perplexityOf(given: Ready) {
  const { loadModel } = await import('../checkpoint/gpt-folder.ts');
  const { TokenDataset } = await import('../data/shards/token-dataset.ts');
  const { perplexity } = await import('../eval/perplexity.ts');
  const { Tokenizer } = await import('../text/tokenizer.ts');
  const { model: folder, data } = given as Ready & { model: string; data: string };
  const dataset = TokenDataset.open(data);
  if (Tokenizer.load(folder).fingerprint() !== dataset.manifest.tokenizer_fingerprint) {
    throw new AthanorError(
      'ERR_MISMATCH',
      `the shards in ${data} were made with another tokenizer than that of ${folder}`,
      'prepare the text with: athanor data prepare --tokenizer <model folder>',
    );
  }
  const model = loadModel(folder, { dtype: given.dtype });
  const { contextLength } = model.config;
  const startedAt = performance.now();
  const result = await perplexity(model, dataset, {
    split: given.split,
    batchSize: given.batchSize,
    context: Math.min(given.context ?? contextLength, contextLength),
    maxTokens: given.maxTokens ?? Number.MAX_SAFE_INTEGER,
  });
  const seconds = (performance.now() - startedAt) / 1000;
  model.dispose();
  dataset.close();
  const metrics = {
    val_loss: result.valLoss,
    perplexity: result.perplexity,
    bits_per_byte: result.bitsPerByte,
    tokens: result.tokens,
    tokens_per_second: result.tokens / seconds,
  };
  return { metrics, notes: [] };
}

function shown(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(4);
}
