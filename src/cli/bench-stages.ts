/** `athanor bench sft|ppo`: runs stages after pretraining on made-up text, and times them. */
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { engineOptions, inGroup, integer, text } from './options.ts';

const stageOptions = {
  ...inGroup('Model', {
    model: text('preset of the model', { default: 'nano', placeholder: '<preset>' }),
    vocabSize: integer('size of the vocabulary', { default: 4096, min: 257 }),
  }),
  ...inGroup('Data', {
    batchSize: integer('sequences per batch of pretraining and fine-tuning', { default: 8, min: 1 }),
    context: integer('tokens per sequence', { default: 256, min: 16 }),
  }),
  ...engineOptions,
};

const rate = (value: number) => `${value.toFixed(0)} tok/s`;

export const sft = defineCommand({
  description:
    'Times pretraining, then fine-tuning of the same model on packed dialogues, and shows the tokens per second of the fastest step of each.',
  options: {
    ...inGroup('Run', { steps: integer('steps to time of each', { default: 20, min: 1 }) }),
    ...stageOptions,
  },
  example: 'bench sft --dtype bf16',
  async run(options) {
    const { dtype, threads } = await prepareEngine(options);
    const { benchSft } = await import('../bench/stage-bench.ts');
    const result = await benchSft({ ...options, dtype });
    return {
      model: options.model,
      dtype,
      threads,
      batch_size: options.batchSize,
      tokens_per_second: result.tokensPerSecond,
      pretrain_tokens_per_second: result.pretrainTokensPerSecond,
      ratio_to_pretraining: result.tokensPerSecond / result.pretrainTokensPerSecond,
    };
  },
  render: (r) =>
    `${r.model} ${r.dtype}, ${r.threads} threads: fine-tuning ${rate(r.tokens_per_second)}, pretraining ${rate(r.pretrain_tokens_per_second)}, ratio ${r.ratio_to_pretraining.toFixed(2)}`,
});

export const ppo = defineCommand({
  description:
    'Times PPO with a reward model, a reference and a value model of the same shape, and shows the fastest iteration. Only the tokens of responses are counted.',
  options: {
    ...inGroup('Run', {
      iterations: integer('iterations to time, after one that is not timed', { default: 3, min: 1 }),
    }),
    ...stageOptions,
    ...inGroup('Rollout', {
      rolloutSize: integer('responses per rollout', { default: 128, min: 1 }),
      maxResponseLength: integer('largest number of new tokens per response', { default: 128, min: 1 }),
      decodeBatchSize: integer('responses to decode at the same time', { default: 64, min: 1 }),
    }),
    ...inGroup('Loss', {
      minibatch: integer('responses per update', { default: 32, min: 1 }),
      epochs: integer('passes over each rollout', { default: 4, min: 1 }),
    }),
  },
  example: 'bench ppo --dtype bf16 --decode-batch-size 64',
  async run(options) {
    const { dtype, threads } = await prepareEngine(options);
    const { benchPpo } = await import('../bench/stage-bench.ts');
    const result = await benchPpo({ ...options, dtype, steps: 1 });
    return {
      model: options.model,
      dtype,
      threads,
      rollout_size: options.rolloutSize,
      decode_batch_size: options.decodeBatchSize,
      response_length: result.responseLength,
      seconds: result.seconds,
      tokens_per_second: result.tokensPerSecond,
      rollout_tokens_per_second: result.generationTokensPerSecond,
      update_tokens_per_second: result.updateTokensPerSecond,
      generation_share: result.generationSeconds / result.seconds,
      scoring_share: result.scoringSeconds / result.seconds,
      update_share: result.updateSeconds / result.seconds,
    };
  },
  render: (r) => {
    const percent = (share: number) => `${(share * 100).toFixed(0)} %`;
    return [
      `${r.model} ${r.dtype}, ${r.threads} threads, ${r.rollout_size} responses of ${r.response_length.toFixed(0)} tokens: ${rate(r.tokens_per_second)} in all`,
      `generation ${percent(r.generation_share)} (${rate(r.rollout_tokens_per_second)}, ${r.decode_batch_size} at once), scoring ${percent(r.scoring_share)}, updates ${percent(r.update_share)} (${rate(r.update_tokens_per_second)})`,
    ].join('\n');
  },
});
