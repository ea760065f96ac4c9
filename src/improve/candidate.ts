/** Trains the new model of a round: SFT, then DPO, KTO, or a reward model and PPO. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import type { JsonObject } from '../base/json.ts';
import { readMetrics } from '../report/metrics-log.ts';
import type { RunHooks, StageResult } from '../train/loop/run-stage.ts';
import { dpo } from '../train/preference/dpo.ts';
import { kto } from '../train/preference/kto.ts';
import { reward } from '../train/preference/reward.ts';
import { ppo } from '../train/rl/ppo.ts';
import { sft } from '../train/sft/run.ts';
import { canJudge, judgeSettings } from './judge.ts';
import type { Round } from './round.ts';
import type { ImproveSettings } from './settings.ts';

/** What a stage of a round needs. */
export interface StageParts {
  round: Round;
  settings: ImproveSettings;
  /** Folder of the served model. */
  served: string;
  hooks: RunHooks;
}

/** The stages that a round has, by the name of their step and folder. */
export const stageNames = ['sft', 'dpo', 'kto', 'reward', 'ppo', 'judge'] as const;
type StageName = (typeof stageNames)[number];

/**
 * Throws ERR_ARGUMENT when the rows have nothing for the method.
 * @param lines what became of the feedback
 */
export function requireRows({ round, settings }: StageParts, lines: readonly string[]): void {
  const { method, feedback } = settings;
  const has = (name: string) => existsSync(join(round.path('rows'), name));
  if (has('sft') || (method !== 'sft' && has(rowsOf(method)))) return;
  const wanted = { sft: 'correction', kto: 'correction and no rated answer' };
  const what = wanted[method as keyof typeof wanted] ?? 'correction and no pair';
  throw new AthanorError(
    'ERR_ARGUMENT',
    `${feedback} has no ${what} to learn from after cleaning`,
    `collect more feedback; ${lines.join(', ') || 'the store is empty'}`,
  );
}

/** The folder of the rows that a method learns from, besides corrections. */
function rowsOf(method: ImproveSettings['method']): string {
  return method === 'kto' ? 'unpaired' : 'comparisons';
}

/**
 * Returns the folder of the trained model. Throws ERR_INTERRUPTED when a signal stopped a stage,
 * and as the stages do.
 */
export async function trainCandidate(parts: StageParts): Promise<string> {
  const { round, settings, served } = parts;
  const { method, stages } = settings;
  const data = (name: string) => join(round.path('rows'), name);
  const [hasCorrections, hasVotes] = [existsSync(data('sft')), existsSync(data(rowsOf(method)))];
  let model = served;
  if (hasCorrections) {
    const start = model;
    model = await runStage('sft', parts, (common) =>
      sft({ ...common, ...stages.sft, model: start, data: data('sft') }, parts.hooks),
    );
  }
  if (method === 'sft' || !hasVotes) return model;
  const start = model;
  const comparisons = data(rowsOf(method));
  if (method === 'kto') {
    return runStage('kto', parts, (common) =>
      kto({ ...common, ...stages.kto, model: start, data: comparisons }, parts.hooks),
    );
  }
  if (method === 'dpo') {
    return runStage('dpo', parts, (common) =>
      dpo({ ...common, ...stages.dpo, model: start, data: comparisons }, parts.hooks),
    );
  }
  const judge = await runStage('reward', parts, (common) =>
    reward({ ...common, ...stages.reward, model: start, data: comparisons }, parts.hooks),
  );
  return runStage('ppo', parts, ({ validationSplit: _, ...common }) =>
    ppo({ ...common, ...stages.ppo, model: start, reward: judge, data: data('prompts') }, parts.hooks),
  );
}

/** Trains the judge; undefined where held-out votes are too few. Throws as reward. */
export async function trainJudge(parts: StageParts): Promise<string | undefined> {
  const { round, settings, served } = parts;
  if (!(await canJudge(round.path('rows')))) return undefined;
  const given = settings.stages.judge ?? settings.stages.reward ?? {};
  return runStage('judge', parts, (common) =>
    reward({ ...common, ...judgeSettings(round.path('rows'), given), model: served }, parts.hooks),
  );
}

const RESUME = 'continue the round with `resume`';

/** Runs a stage, or goes on with it, and returns its folder. */
async function runStage(
  name: StageName,
  { round, settings }: StageParts,
  train: (common: {
    out: string;
    resume: boolean;
    dtype: ImproveSettings['dtype'];
    seed: number;
    validationSplit: number;
    keepCheckpoints: number;
  }) => Promise<StageResult>,
): Promise<string> {
  const out = round.path(name);
  const { dtype, seed } = settings;
  await round.step(name, async () => {
    const resume = existsSync(join(out, 'run.json'));
    const common = { out, resume, dtype, seed, validationSplit: 0, keepCheckpoints: 1 };
    const { interrupted, step } = await train(common).catch((error: unknown) => {
      const isStopped = error instanceof AthanorError && error.code === 'ERR_INTERRUPTED';
      throw isStopped ? new AthanorError(error.code, error.message, RESUME, { cause: error }) : error;
    });
    if (interrupted) {
      throw new AthanorError(
        'ERR_INTERRUPTED',
        `stopped in ${name} after step ${step}, which is saved`,
        RESUME,
      );
    }
    return lastFigures(out);
  });
  return out;
}

/** The last step and evaluation of a log, which a resumed run has too. */
function lastFigures(out: string): JsonObject {
  const { records } = readMetrics(out);
  const step = records.findLast(({ event }) => event === undefined);
  const evaluation = records.findLast(({ event }) => event === 'evaluation');
  const figures = Object.entries({ ...step, ...evaluation, step: step?.step ?? 0 });
  const timed = /^seconds$|_seconds$|_per_second$|^share_of_|^event$/;
  return Object.fromEntries(
    figures.filter(
      (entry): entry is [string, number] =>
        typeof entry[1] === 'number' && Number.isFinite(entry[1]) && !timed.test(entry[0]),
    ),
  );
}
