/** What a resumed run changes: said to the user, kept in run.json, shown in the report. */
import { resolve } from 'node:path';
import type { JsonObject } from '../../base/json.ts';
import type { BegunRun } from './begin-run.ts';
import { type SettingChange, shownSetting, storableSettings } from './resume-settings.ts';
import { updateRun } from './run-file.ts';
import type { CommonSettings } from './settings.ts';

/** What a resumed run does in another way than before, for the user. */
export function changeTexts(changes: readonly SettingChange[]): { notes: string[]; warnings: string[] } {
  const shown = ({ key, from, to }: SettingChange) =>
    `\`${key}\` ${shownSetting(to)} (before: ${shownSetting(from)})`;
  const of = (...kinds: readonly string[]) => changes.filter(({ kind }) => kinds.includes(kind)).map(shown);
  const [quiet, differing] = [of('free', 'length', 'place'), of('bits')];
  const warning = `resumed with ${differing.join(', ')}: from here on the bits differ from those of the uninterrupted run`;
  return {
    notes: quiet.length > 0 ? [`resumed with ${quiet.join(', ')}`] : [],
    warnings: differing.length > 0 ? [warning] : [],
  };
}

/** What earlier resumptions and this one changed, for the report. */
export function historyOf<Settings>({ file, changes }: BegunRun<Settings>, step: number): string[] {
  const earlier = (file.changes ?? []).flatMap((change) =>
    Object.entries(change.settings).map(([key, values]) => {
      const [from, to] = values as string[];
      return `from step ${change.step} on: ${key} ${to} (before: ${from})`;
    }),
  );
  const now = changes.map(
    ({ key, from, to }) => `from step ${step} on: ${key} ${shownSetting(to)} (before: ${shownSetting(from)})`,
  );
  return [...earlier, ...now];
}

/** Records the values of settings that were not given. */
export function recordDerived<Settings>(
  { file }: BegunRun<Settings>,
  derived: JsonObject,
  out: string,
): void {
  file.derived = derived;
  updateRun(out, file);
}

/** Records the changes of a resumed run, so that the next one continues with them. */
export function recordChanges<Settings extends CommonSettings>(
  { file, settings, changes }: BegunRun<Settings>,
  step: number,
  out: string,
): void {
  if (changes.length === 0) return;
  const pairs = changes.map(({ key, from, to }) => [key, [from, to].map(shownSetting)]);
  updateRun(out, {
    ...file,
    settings: storableSettings(settings),
    began: { cwd: process.cwd(), out: resolve(out) },
    changes: [...(file.changes ?? []), { step, settings: Object.fromEntries(pairs) }],
  });
}
