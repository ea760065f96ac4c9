/** `athanor pretrain`: trains a base model on token shards, or on text that it prepares first. */
import { AthanorError } from '../base/errors.ts';
import type { MixPhase } from '../data/shards/mix.ts';
import { pretrainDefaults as defaults, MAX_VOCABULARY } from '../train/pretrain/settings.ts';
import { defineCommand } from './command.ts';
import { count, duration, engineOptions, flag, inGroup, integer, number, path, text } from './options.ts';
import { sampleOptions, trainingOptions } from './training-options.ts';
import { lossText, runTraining } from './training-run.ts';

export const pretrain = defineCommand({
  description:
    'Give exactly one of --steps, --tokens and --time. Ctrl-C finishes the step, saves and exits; --resume continues the run bit for bit.',
  options: {
    ...inGroup('Run', {
      data: path(
        'folder of token shards, or text that is prepared first: a file, a folder or a packaged corpus such as state-of-the-union (required for a new run)',
      ),
      model: text('preset (tiny, nano, gpt2, llama-160m, ...) or the folder of a model to start from', {
        default: defaults.model,
        placeholder: '<preset|folder>',
      }),
      tokens: count('number of training tokens', { min: 1 }),
      time: duration('train for about this long', { min: 1 }),
    }),
    ...trainingOptions(defaults),
    ...inGroup('Data', {
      batchSize: integer('sequences per batch', { default: defaults.batchSize, min: 1 }),
      context: integer("tokens per sequence (default: the model's context)", { min: 2 }),
      vocabSize: integer('vocabulary of the tokenizer, which is trained when --data is text', {
        default: defaults.vocabSize,
        min: 257,
        max: MAX_VOCABULARY,
      }),
      documentMask: flag('let tokens attend only to their own document', {
        default: defaults.documentMask,
        negated: 'let tokens attend across documents',
      }),
    }),
    ...inGroup('Data', {
      mix: text(
        'proportions in which the sources of shards are read, such as web=0.6,books=0.4; amounts such as web=1epochs,books=300Mtokens, which also say how long to train; or natural (default: the mix of their recipe)',
        { placeholder: '<list>' },
      ),
      mixSchedule: path('YAML file of proportions that change during the run', { placeholder: '<file>' }),
    }),
    ...inGroup('Optimizer', {
      beta2: number("AdamW's second beta", { default: defaults.beta2, min: 0, below: 1 }),
    }),
    ...inGroup('Evaluation', {
      evalTokens: count('largest number of validation tokens per evaluation', {
        default: defaults.evalTokens,
        min: 1,
      }),
    }),
    ...sampleOptions('text that samples continue', defaults),
    ...engineOptions,
  },
  example: 'pretrain --data corpus.txt --out run --time 5m',
  async run({ mixSchedule, ...options }, context) {
    const { given } = context;
    const phases = mixSchedule === undefined ? undefined : await phasesOf(mixSchedule, given);
    const mixed = { ...options, mix: phases ?? options.mix };
    return runTraining('pretrain', async () => (await import('../train/pretrain/run.ts')).pretrain, mixed, {
      ...context,
      given: phases ? new Set([...given, 'mix']) : given,
    });
  },
  render: (result) => {
    const loss = result.val_loss === null ? '' : `, validation loss ${result.val_loss.toFixed(3)}`;
    return `${result.step} steps, ${result.tokens} tokens${lossText(result.loss)}${loss}\nmodel and report in ${result.out}`;
  },
});

async function phasesOf(file: string, given: ReadonlySet<string>): Promise<MixPhase[]> {
  if (given.has('mix')) {
    const what = '`mix` and `mixSchedule` both say how the sources are read';
    throw new AthanorError('ERR_OPTION', what, 'give one of them');
  }
  const { readMixSchedule } = await import('../data/shards/mix.ts');
  return readMixSchedule(file);
}
