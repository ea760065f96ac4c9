/** The beginning of a run, new or resumed: its settings, checked, and its record in the folder. */
import { resolve } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import { modelConfigOf } from '../../checkpoint/gpt-folder.ts';
import { resolveDtype } from '../../native/engine.ts';
import { checkPaths } from './check-settings.ts';
import { type ResumedSettings, resumedSettings, storableSettings } from './resume-settings.ts';
import { type RunFile, readRun, requireNoRun } from './run-file.ts';
import { refuseInputAsOutput } from './run-inputs.ts';
import type { StageKind } from './run-stage.ts';
import type { CommonSettings } from './settings.ts';

/** A run in its folder: its record, its settings and what a resumed run changes in them. */
export interface BegunRun<Settings> extends ResumedSettings<Settings> {
  file: RunFile;
}

/** The settings of a new run in `out`, checked before any data is read. */
export function newSettings<Settings extends CommonSettings, Batch>(
  { name, defaults, rules, check, inputs }: StageKind<Settings, Batch>,
  given: Partial<Settings>,
  out: string,
): Settings {
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const settings = { ...defaults, ...known } as Partial<Settings>;
  for (const key of ['data', 'model'] as const) {
    if (settings[key] === undefined) {
      throw new AthanorError('ERR_OPTION', `\`${key}\` is missing`, `see athanor ${name} --help`);
    }
  }
  const complete = { ...settings, dtype: resolveDtype(settings.dtype ?? 'auto') } as Settings;
  checkPrecision(complete);
  refuseInputAsOutput(out, inputs(complete, { out }));
  check(complete, { out, resume: false, model: undefined });
  checkPaths(complete, rules);
  if (!rules.model.isName?.(complete.model)) {
    check(complete, { out, resume: false, model: modelConfigOf(complete.model, 'any-model') });
  }
  return complete;
}

function checkPrecision({ paramDtype, dtype }: CommonSettings): void {
  if (paramDtype !== 'bf16' || dtype === 'bf16') return;
  throw new AthanorError(
    'ERR_OPTION',
    `\`paramDtype\` bf16 needs activations in bf16, but \`dtype\` is ${dtype}`,
    'choose `dtype` bf16, or leave `paramDtype` out',
  );
}

/** A new run, not yet written. Throws ERR_ARGUMENT when the folder holds a run already. */
export function begun<Settings extends CommonSettings, Batch>(
  { name }: StageKind<Settings, Batch>,
  settings: Settings,
  out: string,
): BegunRun<Settings> {
  const began = { cwd: process.cwd(), out: resolve(out) };
  requireNoRun(out);
  const file = { stage: name, settings: storableSettings(settings), began };
  return { file, settings, changes: [] };
}

/** The settings of the run to continue, with the changes that were asked for. */
export function resumed<Settings extends CommonSettings, Batch>(
  { name, rules, defaults, check }: StageKind<Settings, Batch>,
  given: Partial<Settings>,
  out: string,
): BegunRun<Settings> {
  const file = readRun(out, name);
  const { settings, changes } = resumedSettings(file, given, { out, rules, defaults });
  checkPrecision(settings);
  check(settings, { out, resume: true, model: undefined });
  const moved = changes.filter(({ kind }) => kind === 'place').map(({ key, to }) => [key, to]);
  checkPaths(Object.fromEntries(moved) as Partial<Settings>, rules);
  return { file, settings, changes };
}
