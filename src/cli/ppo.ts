/** `athanor ppo`: an assistant trained on rewards (RLHF). */
import { ppoDefaults as defaults } from '../train/rl/settings.ts';
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { choice, engineOptions, flag, inGroup, integer, number, path, text } from './options.ts';
import { loraTargetsOf, rolloutOptions } from './training-options.ts';
import { runTraining } from './training-run.ts';

export const ppo = defineCommand({
  description:
    'Samples responses to prompts, scores them, and moves the model towards what scores higher. A penalty on the KL divergence keeps the model close to where it started.',
  options: {
    ...rolloutOptions(defaults),
    ...inGroup('Rollout', {
      numGenerations: integer('responses per prompt; above 1, each is scored relative to the others', {
        default: defaults.numGenerations,
        min: 1,
      }),
    }),
    ...inGroup('Model', {
      valueInit: text(
        "what values start from: 'reward' (a copy of the reward model), 'head' (a head on the policy) or a model folder",
        { default: defaults.valueInit, placeholder: '<reward|head|folder>' },
      ),
    }),
    ...inGroup('Reward', {
      whitenRewards: flag('scale rewards to unit variance'),
      klEstimator: choice('estimator of the KL penalty per token', ['k1', 'k2', 'k3'], {
        default: defaults.klEstimator,
      }),
      targetKl: number('KL of a response, in nats, towards which --kl-coef is steered', {
        min: 0,
        exclusive: true,
      }),
      klHorizon: number('responses over which --kl-coef adapts', {
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
      valueClip: number('how far a value may move from its old one in the loss (0: any)', {
        default: defaults.valueClip,
        min: 0,
      }),
      valueCoef: number('weight of the value loss', {
        default: defaults.valueCoef,
        min: 0,
        exclusive: true,
      }),
      ptxData: path('token shards of pretraining text to learn from beside the rollouts (PPO-ptx)'),
      ptxCoef: number('weight of the mean loss per token of that text', {
        default: defaults.ptxCoef,
        min: 0,
      }),
      ptxBatchSize: integer('windows of that text in a batch', { default: defaults.ptxBatchSize, min: 1 }),
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
  async run(options, context) {
    await prepareEngine(options);
    const { ppo: stage } = await import('../train/rl/ppo.ts');
    const loraTargets = loraTargetsOf(options.loraTargets);
    return runTraining((hooks) => stage({ ...options, loraTargets }, hooks), context);
  },
  render: (result) =>
    `${result.step} steps, reward ${shown(result.reward)}, KL ${shown(result.kl)} nats per response\nmodel and report in ${result.out}`,
});

function shown(value: unknown): string {
  return typeof value === 'number' ? value.toFixed(3) : '?';
}
