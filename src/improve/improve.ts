/**
 * One round of improvement: feedback becomes rows, the served model is trained on them, gates
 * compare the two, and the new model replaces the served one if none fell. Every step is saved, so
 * a round that was interrupted goes on, and ends with the same model.
 */
import { existsSync, realpathSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { AthanorError, fileError } from '../base/errors.ts';
import { createFolder } from '../base/files/create-folder.ts';
import { readJsonObject } from '../base/files/read-file.ts';
import { replaceFile } from '../base/files/replace-file.ts';
import { withDefaults } from '../base/with-defaults.ts';
import { modelHash } from '../checkpoint/model-hash.ts';
import { copyModel } from '../checkpoint/save-model.ts';
import { FeedbackStore } from '../feedback/store.ts';
import { writeFeedbackRows } from '../feedback/training-rows/write-rows.ts';
import { resolveDtype } from '../native/engine.ts';
import { FolderLock } from '../native/folder-lock.ts';
import type { RunHooks } from '../train/loop/run-stage.ts';
import { requireRows, type StageParts, trainCandidate, trainJudge } from './candidate.ts';
import type { Gate, GateReport } from './gates/gate.ts';
import { jailbreaks } from './gates/jailbreaks.ts';
import { overRefusals } from './gates/over-refusals.ts';
import { quality } from './gates/quality.ts';
import { votes } from './gates/votes.ts';
import { winRate } from './gates/win-rate.ts';
import {
  isLink,
  type LinkChange,
  nothingToTakeBack,
  promote,
  restore,
  setLink,
  takeBack,
} from './promotion.ts';
import { Round } from './round.ts';
import { writeRoundReport } from './round-report.ts';
import { checkImproveSettings, type ImproveSettings, improveDefaults, rowSettings } from './settings.ts';

/** The options of improve(): `out`, and all settings that differ from the defaults. */
export type ImproveOptions = Partial<ImproveSettings> & {
  /** Folder of all rounds, with the history of the link. */
  out: string;
  /** Continue the last round. Its settings are those that it was started with. */
  resume?: boolean;
};

/** What a round came to. */
export interface ImproveReport {
  /** `promoted`; `kept`: a gate fell; `passed`: no gate fell, and `promote` is off. */
  outcome: 'promoted' | 'kept' | 'passed';
  /** Why, in a sentence. */
  reason: string;
  gates: GateReport[];
  /** Folder of the round. */
  round: string;
  /** Folder of the new model. */
  model: string;
  /** The symbolic link to the served model. */
  link: string;
  servedHash: string;
  candidateHash: string;
  /** What became of the feedback, as lines. */
  feedback: string[];
}

/** By the name of their step. */
const gates: Readonly<Record<string, Gate>> = {
  quality,
  'over-refusals': overRefusals,
  jailbreaks,
  votes,
  'win-rate': winRate,
};

/**
 * Runs a round, or goes on with the last one. Throws ERR_OPTION and ERR_ARGUMENT for settings, and
 * when there is nothing to learn from; ERR_STATE when another process works in `out`,
 * ERR_INTERRUPTED when the signal stopped it, and as the stages.
 */
export async function improve(
  { out, resume = false, ...given }: ImproveOptions,
  hooks: RunHooks = {},
): Promise<ImproveReport> {
  const fresh = resume ? undefined : newSettings(given, out);
  const lock = FolderLock.take(out);
  try {
    const round = fresh ? Round.begin(out, fresh) : Round.last(out);
    return await run(round, out, hooks);
  } finally {
    lock.release();
  }
}

/** Takes the last promotion in `out` back. Throws as takeBack. */
export function rollback(out: string): LinkChange {
  if (!existsSync(out)) throw nothingToTakeBack(out);
  return takeBack(out, modelHash);
}

function newSettings(given: Partial<ImproveSettings>, out: string): ImproveSettings {
  const { model, feedback } = given;
  for (const [name, value] of Object.entries({ model, feedback })) {
    if (value === undefined) {
      throw new AthanorError('ERR_OPTION', `\`${name}\` is missing`, 'see athanor improve --help');
    }
    if (existsSync(value)) continue;
    const problem = isLink(value) ? `${value} is a link to what does not exist` : `${value} does not exist`;
    throw new AthanorError('ERR_FILE_MISSING', problem, 'check the path');
  }
  const defaults = { ...improveDefaults, model: resolve(model!), feedback: resolve(feedback!) };
  const settings = withDefaults<ImproveSettings>(defaults, given);
  checkImproveSettings(settings);
  const link = settings.link ?? (isLink(settings.model) ? settings.model : join(out, 'current'));
  return {
    ...settings,
    ...{ model: resolve(settings.model), feedback: resolve(settings.feedback), link: resolve(link) },
    ...(settings.quality !== undefined && { quality: resolve(settings.quality) }),
    dtype: resolveDtype(settings.dtype),
  };
}

type Served = { folder: string; hash: string };

async function run(round: Round, out: string, hooks: RunHooks): Promise<ImproveReport> {
  const { settings } = round;
  const note = (text: string) => hooks.onEvent?.({ type: 'note', text });
  const link = settings.link!;
  // A server can be started with the link from now on. One whose model is gone is set anew.
  const isNewLink = !isLink(link) || !existsSync(link);
  const served = await beginning(round, isNewLink, () =>
    round.step<Served>('served', () => {
      const folder = servedFolder(settings.model);
      const hash = modelHash(folder);
      if (isNewLink) setLink(link, folder);
      return { folder, hash };
    }),
  );
  checkSignal(hooks);
  const parts: StageParts = { round, settings, served: served.folder, hooks };
  const lines = await beginning(round, isNewLink, async () => {
    const rows = await round.step<{ lines: string[] }>('rows', () => makeRows(round, settings));
    for (const line of rows.lines) note(line);
    requireRows(parts, rows.lines);
    return rows.lines;
  });
  const { hash: candidateHash } = await round.step<{ hash: string }>('model', async () => {
    const trained = await trainCandidate(parts);
    const model = round.path('model');
    if (!existsSync(model)) await createFolder(model, (folder) => copyModel(trained, folder));
    return { hash: modelHash(model) };
  });
  const reports = await runGates(parts);
  const verdict = verdictOf(reports, settings, served.hash === candidateHash);
  const report: ImproveReport = {
    ...verdict,
    gates: reports,
    ...{ round: round.folder, model: round.path('model'), link },
    ...{ servedHash: served.hash, candidateHash, feedback: lines },
  };
  writeFiles(round, report, settings);
  await round.step('end', () => {
    if (verdict.outcome === 'promoted') {
      const change = { link, from: served.folder, to: report.model, round: round.name };
      promote(out, { ...change, hash: candidateHash });
    }
    return verdict;
  });
  return report;
}

/** A part of a round before training. One that fails there leaves no folder and no new link. */
async function beginning<T>(round: Round, isNewLink: boolean, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    rmSync(round.folder, { recursive: true, force: true });
    if (isNewLink) restore(round.settings.link!, undefined);
    throw error;
  }
}

function servedFolder(model: string): string {
  try {
    return realpathSync(model);
  } catch (error) {
    throw fileError(error, model);
  }
}

/** Rows that an interrupted call has written stay. */
async function makeRows(round: Round, settings: ImproveSettings): Promise<{ lines: string[] }> {
  const folder = round.path('rows');
  if (!existsSync(folder)) {
    const store = FeedbackStore.open(settings.feedback, { readOnly: true });
    try {
      await writeFeedbackRows(store, folder, rowSettings(settings));
    } finally {
      store.close();
    }
  }
  return { lines: readJsonObject(join(folder, 'funnel.json')).lines as string[] };
}

async function runGates(parts: StageParts): Promise<GateReport[]> {
  const { round, settings, served, hooks } = parts;
  const judge = await trainJudge(parts);
  const console = { note: () => {}, warn: (text: string) => hooks.onEvent?.({ type: 'warning', text }) };
  const reports: GateReport[] = [];
  for (const [name, gate] of Object.entries(gates)) {
    checkSignal(hooks);
    const report = await round.step<GateReport>(`gate ${name}`, () =>
      gate({
        ...{ served, candidate: round.path('model'), rows: round.path('rows'), judge },
        ...{ settings, dtype: resolveDtype(settings.dtype), console },
      }),
    );
    reports.push(report);
  }
  return reports;
}

function checkSignal({ signal }: RunHooks): void {
  if (!signal?.aborted) return;
  throw new AthanorError('ERR_INTERRUPTED', 'stopped between two steps', 'continue the round with `resume`');
}

function verdictOf(
  reports: readonly GateReport[],
  { promote: isWanted }: ImproveSettings,
  isSame: boolean,
): Pick<ImproveReport, 'outcome' | 'reason'> {
  const named = (status: GateReport['status']) =>
    reports.filter((report) => report.status === status).map(({ name }) => name);
  const fallen = named('fell');
  if (fallen.length > 0) return { outcome: 'kept', reason: `${fallen.join(', ')} fell` };
  if (isSame) return { outcome: 'kept', reason: 'training did not change the model' };
  if (!reports.some(({ name, status }) => GAINS.includes(name) && status === 'passed')) {
    return {
      outcome: 'kept',
      reason: `nothing shows that it is better: ${named('unmeasured').join(', ')} unmeasured`,
    };
  }
  if (!isWanted) return { outcome: 'passed', reason: 'no gate fell' };
  return { outcome: 'promoted', reason: 'no gate fell' };
}

/** Gates that can show a gain. At least one of them must have been measured. */
const GAINS = ['quality', 'votes', 'win-rate'];

function writeFiles(round: Round, report: ImproveReport, settings: ImproveSettings): void {
  const { outcome, reason, feedback } = report;
  replaceFile(round.path('report.json'), `${JSON.stringify(report, undefined, 2)}\n`);
  writeRoundReport(round, {
    title: `Round ${round.name}`,
    outcome: `${outcome}: ${reason}`,
    gates: report.gates,
    funnel: feedback,
    config: {
      ...{ method: settings.method, model: settings.model, seed: settings.seed, dtype: settings.dtype },
      ...{ served: report.servedHash.slice(0, 12), new: report.candidateHash.slice(0, 12) },
    },
  });
}
