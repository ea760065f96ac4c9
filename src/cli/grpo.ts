/**
 * `athanor grpo`: trains an assistant on rewards, without a value model. Each response is compared
 * with the other responses to its prompt.
 */
import { grpoDefaults as defaults } from '../train/rl/settings.ts';
import { defineCommand } from './command.ts';
import { choice, engineOptions, inGroup, integer } from './options.ts';
import { rolloutOptions } from './training-options.ts';
import { idleText, runTraining } from './training-run.ts';

export const grpo = defineCommand({
  description:
    'Like ppo, but without a value model: the advantage of a response comes from its group, the responses to the same prompt.',
  options: {
    ...rolloutOptions(defaults),
    ...inGroup('Rollout', {
      numGenerations: integer('responses per prompt', { default: defaults.numGenerations, min: 2 }),
    }),
    ...inGroup('Loss', {
      baseline: choice(
        'baseline of a response: mean and deviation of its group (grpo), mean of its group (dr-grpo), or mean of the others (rloo)',
        ['grpo', 'dr-grpo', 'rloo'],
        { default: defaults.baseline },
      ),
      loss: choice(
        'how token losses are averaged: over all tokens of the update (dapo), within each response first (grpo), as if all had --max-response-length tokens (dr-grpo), or within each batch first (bnpo)',
        ['dapo', 'grpo', 'dr-grpo', 'bnpo'],
        { default: defaults.loss },
      ),
      importanceSamplingLevel: choice(
        'one ratio per token, or one per response (sequence: GSPO)',
        ['token', 'sequence'],
        { default: defaults.importanceSamplingLevel },
      ),
    }),
    ...engineOptions,
  },
  example: 'grpo --model assistant --reward-fn correct.js --data prompts.jsonl --out grpo',
  run: (options, context) =>
    runTraining('grpo', async () => (await import('../train/rl/grpo.ts')).grpo, options, context),
  render: (result) => {
    const { step, reward, out } = result;
    const figures = typeof reward === 'number' ? `, reward ${reward.toFixed(3)}` : '';
    return `${step} steps${figures}${idleText(result)}\nmodel and report in ${out}`;
  },
});
