/**
 * `athanor bench sft|ppo`: the stages after pretraining, run whole on made-up text and timed by
 * their own metrics.
 */
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { engineOptions, integer, text } from './options.ts';

const stageOptions = {
  ...engineOptions,
  model: text('preset', { default: 'nano', placeholder: '<preset>' }),
  vocabSize: integer('vocabulary', { default: 4096, min: 257 }),
  batchSize: integer('sequences in a batch of pretraining and fine-tuning', { default: 8, min: 1 }),
  context: integer('tokens in a sequence', { default: 256, min: 16 }),
};

const rate = (value: number) => `${value.toFixed(0)} tok/s`;

export const sft = defineCommand({
  description:
    'Pretraining, then fine-tuning of the same shape on packed dialogues: tokens per second of the fastest step of each.',
  options: {
    ...stageOptions,
    steps: integer('measured steps of each', { default: 20, min: 1 }),
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
    'PPO with a reward model, a reference and a value model of the same shape: the fastest rollout with its updates. Tokens are\nthose of responses.',
  options: {
    ...stageOptions,
    iterations: integer('measured rollouts, after one that is not', { default: 3, min: 1 }),
    rolloutSize: integer('responses per rollout', { default: 128, min: 1 }),
    minibatch: integer('responses in an update', { default: 32, min: 1 }),
    epochs: integer('passes over each rollout', { default: 4, min: 1 }),
    maxResponseLength: integer('new tokens per response at most', { default: 128, min: 1 }),
    decodeBatchSize: integer('responses decoded at once', { default: 64, min: 1 }),
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
