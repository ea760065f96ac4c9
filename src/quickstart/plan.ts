/**
 * The parts of the run, and how long each takes on this machine. The speed of a few training steps
 * gives the first estimate; finished parts correct it.
 */
import type { DType } from '../native/binding.ts';
import { measureTrainingSpeed } from './training-speed.ts';

export type PartName = 'task' | 'pretrain' | 'sft' | 'comparisons' | 'reward' | 'ppo';

/** The settings that decide the amount of work of a run. */
export interface RunSize {
  /** Pretraining tokens. */
  tokens: number;
  /** Iterations of PPO. */
  iterations: number;
  /** Questions of each kind to measure the models on. */
  questions: number;
  /** Limits for a run that only shows that everything works. */
  most?: { tuningSteps: number; sampledQuestions: number } | undefined;
}

interface PartWork {
  name: PartName;
  title: string;
  /** Number of pretraining tokens that take the same time. */
  cost: (size: RunSize) => number;
}

/** Steps of a whole run. */
const TUNING_STEPS = { sft: 268, reward: 471 };

/**
 * Measured on two cores: the seconds of each part times the tokens per second of pretraining. The
 * terms per question are the time of the scoreboard.
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
    cost: ({ iterations, questions }) => 25_000 + 16_400 * iterations + 55 * questions,
  },
];

export interface PlannedPart {
  name: PartName;
  title: string;
  /** Expected seconds. */
  seconds: number;
}

export interface RunPlan {
  /** Speed of pretraining the pipeline's model on this machine. */
  tokensPerSecond: number;
  parts: readonly PlannedPart[];
}

/** Takes a second or two, because it trains a model of the pipeline's shape. */
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
