/** `athanor eval`: measures a model. The inputs that are given decide the measure. */
import { AthanorError } from '../base/errors.ts';
import type { RunConsole } from '../comm/run-context.ts';
import { MIN_TEMPERATURE } from '../generate/sampling-range.ts';
import type { DType } from '../native/binding.ts';
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { notesOnStderr } from './notes.ts';
import {
  choice,
  count,
  engineOptions,
  inGroup,
  integer,
  model,
  number,
  type OptionValues,
  path,
} from './options.ts';

const options = {
  ...inGroup('Model', {
    model: model('folder of the model to measure'),
    against: model('folder of the model to compare with'),
    reward: model('folder of the reward model'),
  }),
  ...inGroup('Data', {
    data: path('folder of token shards'),
    questions: path('rows as for sft, or prompt and answer; the last answer of each is the right one'),
    comparisons: path('rows as for reward'),
    prompts: path('rows as for ppo'),
    split: choice('split of --data to measure on', ['train', 'validation'], { default: 'validation' }),
    context: integer("tokens per window of --data (default: the model's context)", { min: 2 }),
    onBadLine: choice('what to do with a row that cannot be used', ['skip', 'fail'], { default: 'skip' }),
  }),
  ...inGroup('Evaluation', {
    batchSize: integer('windows or answers per batch', { default: 8, min: 1 }),
    maxTokens: count('most tokens to read of --data (default: all) or to write per answer (default: 64)', {
      min: 1,
    }),
    temperature: number('temperature of answers; 0 always takes the likeliest token', {
      default: 0,
      min: MIN_TEMPERATURE,
      orZero: true,
    }),
  }),
  ...engineOptions,
};

export const evaluate = defineCommand({
  description: `The options that are given decide what is measured:
  --model --data                          perplexity, bits per byte (comparable between tokenizers)
  --model --questions                     share of right answers
  --reward --comparisons                  share of pairs that a reward model orders rightly
  --model --against --questions           win rate against a model, judged by the right answers
  --model --against --prompts --reward    win rate against a model, judged by a reward model`,
  options,
  example: 'eval --model run --data run/data',
  async run(given) {
    const measure = measureFor(given);
    const { dtype } = await prepareEngine(given);
    const startedAt = performance.now();
    const metrics = await measure({ ...given, dtype, console: notesOnStderr });
    return { ...metrics, seconds: (performance.now() - startedAt) / 1000 };
  },
  render: (result) =>
    Object.entries(result)
      .filter(([name]) => name !== 'seconds')
      .map(([name, value]) => `${name.replaceAll('_', ' ')}  ${shown(value)}`)
      .join('\n'),
});

type Given = OptionValues<typeof options>;
type Ready = Omit<Given, 'dtype'> & { dtype: DType; console: RunConsole };
type Measure = (options: Ready) => Promise<Record<string, number>>;

/** The inputs. Each set of given inputs that `measures` names has one measure. */
const inputs = ['model', 'data', 'questions', 'comparisons', 'prompts', 'against', 'reward'] as const;

const measures: Record<string, Measure> = {
  'model data': perplexityOf,
  'model questions': async (given) => {
    const { questionAccuracy } = await import('../eval/questions.ts');
    return questionAccuracy(given.model!, given.questions!, answering(given));
  },
  'comparisons reward': async (given) => {
    const { preferenceAccuracy } = await import('../eval/preference-accuracy.ts');
    return preferenceAccuracy(given.reward!, given.comparisons!, ofRows(given));
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
  const flags = there.map((name) => `--${name}`).join(' ') || 'a command line without inputs';
  throw new AthanorError(
    'ERR_OPTION',
    `eval has no measure for ${flags}`,
    'give --model with --data or --questions, --reward with --comparisons, or see athanor eval --help',
  );
}

/** The split is that of shards, and rows have none. */
function ofRows({ split: _, ...given }: Ready) {
  return given;
}

function answering(given: Ready) {
  return { ...ofRows(given), maxTokens: given.maxTokens ?? 64 };
}

async function perplexityOf(given: Ready) {
  const { folderPerplexity } = await import('../eval/perplexity.ts');
  const { maxTokens = Number.MAX_SAFE_INTEGER } = given;
  return folderPerplexity(given.model!, given.data!, { ...given, maxTokens });
}

function shown(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(4);
}
