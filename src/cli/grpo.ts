/** `athanor grpo`: an assistant trained on rewards, each answer weighed against others to its prompt. */
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { choice, engineOptions, integer, number } from './options.ts';
import { loraTargetsOf, rolloutOptions } from './training-options.ts';

export const grpo = defineCommand({
  description: 'As ppo, without a value model: advantages come from the group of answers to the same prompt.',
  options: {
    ...engineOptions,
    ...rolloutOptions,
    group: integer('responses to each prompt', { default: 8, min: 2 }),
    baseline: choice(
      'what a response is weighed against: mean and deviation of its group, its mean, or the mean of the others',
      ['grpo', 'dr-grpo', 'rloo'],
      { default: 'grpo' },
    ),
    epochs: integer('passes over each rollout', { default: 1, min: 1 }),
    klCoef: number('weight of the KL divergence from the starting model, in the loss', {
      default: 0.04,
      min: 0,
    }),
  },
  example: 'grpo --model assistant --reward-fn correct.js --data prompts.jsonl --out grpo',
  async run(options) {
    const { dtype } = await prepareEngine(options);
    const { runGrpo } = await import('../train/rl/grpo.ts');
    return runGrpo({ ...options, dtype, loraTargets: loraTargetsOf(options.loraTargets) });
  },
  render: (result) =>
    `${result.step} steps, reward ${typeof result.reward === 'number' ? result.reward.toFixed(3) : '?'}\nmodel and report in ${result.out}`,
});
