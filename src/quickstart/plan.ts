/**
 * The parts of the run and how long each takes on this machine. The speed of a few training steps
 * gives the first estimate; the parts that are done correct it.
 */
import type { DType } from '../native/binding.ts';
import { measureTrainingSpeed } from './training-speed.ts';

export type PartName = 'task' | 'pretrain' | 'sft' | 'comparisons' | 'reward' | 'ppo';

/** What decides how much work a run is. */
export interface RunSize {
  /** Pretraining tokens. */
  tokens: number;
  /** PPO's rollouts. */
  rollouts: number;
  /** Questions of each kind that the models are measured on. */
  questions: number;
  /** Bounds that make a run short enough to only see that it works. */
  most?: { tuningSteps: number; sampledQuestions: number } | undefined;
}

interface PartWork {
  name: PartName;
  title: string;
  /** Training tokens of pretraining that take as long. */
  cost: (size: RunSize) => number;
}

/** Of a whole run. */
const TUNING_STEPS = { sft: 268, reward: 470 };

/**
 * Measured on two cores: the seconds of each part times the tokens per second of pretraining. What
 * is per question is the time that the scoreboard takes.
 */
const works: readonly PartWork[] = [
  { name: 'task', title: 'making the task from the World Factbook', cost: () => 10_000 },
  {
    name: 'pretrain',
    title: 'pretraining: the base model reads the Factbook',
    cost: ({ tokens, questions }) => 50_000 + tokens + 40 * questions,
  },
  {
    name: 'sft',
    title: 'supervised fine-tuning: it learns to answer questions',
    cost: ({ most, questions }) => 15_000 + 920 * (most?.tuningSteps ?? TUNING_STEPS.sft) + 40 * questions,
  },
  {
    name: 'comparisons',
    title: 'sampling its answers and comparing them by the rule',
    cost: ({ most }) => 10_000 + 13 * (most?.sampledQuestions ?? 12_900),
  },
  {
    name: 'reward',
    title: 'reward model: it learns which answers are better',
    cost: ({ most, questions }) =>
      30_000 + 1650 * (most?.tuningSteps ?? TUNING_STEPS.reward) + 110 * questions,
  },
  {
    name: 'ppo',
    title: 'PPO: the assistant learns from the reward model',
    cost: ({ rollouts, questions }) => 25_000 + 16_400 * rollouts + 55 * questions,
  },
];

export interface PlannedPart {
  name: PartName;
  title: string;
  /** Expected. */
  seconds: number;
}

export interface RunPlan {
  /** Of training the pipeline's model on this machine. */
  tokensPerSecond: number;
  parts: readonly PlannedPart[];
}

/** Takes a second or two, for it trains a model of the pipeline's shape. */
export async function planRun(size: RunSize, { dtype }: { dtype: DType }): Promise<RunPlan> {
  return planAt(size, await measureTrainingSpeed({ dtype }));
}

/** The plan for a machine of this speed. */
export function planAt(size: RunSize, tokensPerSecond: number): RunPlan {
  const parts = works.map(({ name, title, cost }) => ({
    name,
    title,
    seconds: cost(size) / tokensPerSecond,
  }));
  return { tokensPerSecond, parts };
}

export function plannedSeconds({ parts }: Pick<RunPlan, 'parts'>): number {
  return parts.reduce((sum, { seconds }) => sum + seconds, 0);
}
