/** `athanor ppo`: an assistant trained on rewards (RLHF). */
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { choice, engineOptions, flag, integer, number, path, text } from './options.ts';
import { loraTargetsOf, rolloutOptions } from './training-options.ts';

export const ppo = defineCommand({
  description:
    'Samples answers to prompts, scores them, and moves the model towards what scores higher, held back by its distance from where\nit started.',
  options: {
    ...engineOptions,
    ...rolloutOptions,
    value: text(
      "what values start from: 'reward' (a copy of the reward model), 'head' (a head on the policy) or a model folder",
      { default: 'reward', placeholder: '<reward|head|folder>' },
    ),
    valueLr: number("the value model's learning rate, as a multiple of the policy's", {
      default: 1,
      min: 0,
      exclusive: true,
    }),
    valueClip: number('values count within this of their old ones (0: any)', { default: 0.2, min: 0 }),
    valueCoef: number('weight of the value loss', { default: 0.1, min: 0, exclusive: true }),
    gamma: number('discount', { default: 1, min: 0, max: 1 }),
    lambda: number('of generalised advantage estimation', { default: 0.95, min: 0, max: 1 }),
    klEstimator: choice('of the KL penalty', ['k1', 'k2', 'k3'], { default: 'k1' }),
    targetKl: number('steer --kl-coef towards this KL of a response, in nats', { min: 0, exclusive: true }),
    klHorizon: number('responses over which the coefficient adapts', {
      default: 10000,
      min: 0,
      exclusive: true,
    }),
    group: integer('responses to each prompt; above 1, each is scored relative to the others', {
      default: 1,
      min: 1,
    }),
    whitenRewards: flag('scale rewards to unit variance'),
    ptx: path('token shards of pretraining text to go on learning from (PPO-ptx)'),
    ptxCoef: number('weight of its mean loss a token', { default: 1, min: 0 }),
    ptxBatch: integer('windows of text in a batch', { default: 4, min: 1 }),
  },
  example: 'ppo --model assistant --reward reward-model --data prompts.jsonl --out ppo',
  async run(options) {
    const { dtype } = await prepareEngine(options);
    const { runPpo } = await import('../train/rl/ppo.ts');
    return runPpo({ ...options, dtype, loraTargets: loraTargetsOf(options.loraTargets) });
  },
  render: (result) =>
    `${result.step} steps, reward ${shown(result.reward)}, KL ${shown(result.kl)} nats a response\nmodel and report in ${result.out}`,
});

function shown(value: unknown): string {
  return typeof value === 'number' ? value.toFixed(3) : '?';
}
