/** `athanor ppo`: trains an assistant on rewards (RLHF). */
import { ppoDefaults as defaults } from '../train/rl/settings.ts';
import { defineCommand } from './command.ts';
import { choice, engineOptions, flag, inGroup, integer, number, path, text } from './options.ts';
import { rolloutOptions } from './training-options.ts';
import { idleText, runTraining } from './training-run.ts';

export const ppo = defineCommand({
  description:
    'Samples responses to prompts, scores them, and trains the model towards higher scores. A penalty on the KL divergence keeps the model close to its start. Rows are prompt; or messages, whose last answer is left out.',
  options: {
    ...rolloutOptions(defaults),
    ...inGroup('Rollout', {
      numGenerations: integer(
        'responses per prompt; above 1, scores are taken relative to those of the same prompt',
        {
          default: defaults.numGenerations,
          min: 1,
        },
      ),
    }),
    ...inGroup('Model', {
      valueInit: text(
        'start of the value model: reward (a copy of the reward model), head (a head on the policy) or a model folder',
        { default: defaults.valueInit, placeholder: '<source>' },
      ),
    }),
    ...inGroup('Reward', {
      whitenRewards: flag('scale rewards to unit variance'),
      klEstimator: choice('estimator of the KL divergence per token', ['k1', 'k2', 'k3'], {
        default: defaults.klEstimator,
      }),
      targetKl: number('target KL per response, in nats; --kl-coef is adapted to reach it', {
        min: 0,
        exclusive: true,
      }),
      klHorizon: number('responses over which --kl-coef adapts; a longer horizon adapts it more slowly', {
        default: defaults.klHorizon,
        min: 0,
        exclusive: true,
      }),
    }),
    ...inGroup('Loss', {
      gamma: number('discount per token', { default: defaults.gamma, min: 0, max: 1 }),
      lambda: number('lambda of generalised advantage estimation', {
        default: defaults.lambda,
        min: 0,
        max: 1,
      }),
      valueClip: number('largest distance of a value from the old value in the loss (0: no limit)', {
        default: defaults.valueClip,
        min: 0,
      }),
      valueCoef: number('weight of the value loss', {
        default: defaults.valueCoef,
        min: 0,
        exclusive: true,
      }),
      ptxData: path('token shards of pretraining text to mix into the updates (PPO-ptx)'),
      ptxCoef: number('weight of the mean loss per token of the pretraining text', {
        default: defaults.ptxCoef,
        min: 0,
      }),
      ptxBatchSize: integer('windows of pretraining text per batch', {
        default: defaults.ptxBatchSize,
        min: 1,
      }),
    }),
    ...inGroup('Optimizer', {
      valueLrScale: number("the value model's learning rate as a multiple of the policy's", {
        default: defaults.valueLrScale,
        min: 0,
        exclusive: true,
      }),
    }),
    ...engineOptions,
  },
  example: 'ppo --model assistant --reward reward-model --data prompts.jsonl --out ppo',
  run: (options, context) =>
    runTraining('ppo', async () => (await import('../train/rl/ppo.ts')).ppo, options, context),
  render: (result) => {
    const { step, reward, kl, out } = result;
    const has = typeof reward === 'number' && typeof kl === 'number';
    const figures = has ? `, reward ${reward.toFixed(3)}, KL ${kl.toFixed(3)} nats per response` : '';
    return `${step} steps${figures}${idleText(result)}\nmodel and report in ${out}`;
  },
});
