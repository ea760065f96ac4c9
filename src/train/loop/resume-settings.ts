/**
 * The settings of a resumed run: those that it began with, and the changes that were asked for.
 * A setting that is not given, or that has the value of before, changes nothing.
 */
import { existsSync } from 'node:fs';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { AthanorError } from '../../base/errors.ts';
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { RunFile, RunPlace } from './run-file.ts';
import type { ResumeKind, SettingRule, SettingRules } from './setting-rules.ts';

/** A setting that a resumed run has another value of. */
export interface SettingChange {
  key: string;
  kind: ResumeKind;
  from: unknown;
  to: unknown;
}

export interface ResumedSettings<Settings> {
  settings: Settings;
  changes: SettingChange[];
}

/** Stands in run.json for a setting that is a function of the caller's program. */
const FUNCTION = '[function]';

/** Settings that replace a number of epochs or iterations. */
const lengthUnits = ['steps', 'tokens', 'time'] as const;

/** Settings as run.json holds them. */
export function storableSettings(settings: object): JsonObject {
  const stored = Object.entries(settings).map(([key, value]) => [key, storable(value)]);
  return Object.fromEntries(stored.filter(([, value]) => value !== undefined)) as JsonObject;
}

function storable(value: unknown): JsonValue {
  return typeof value === 'function' ? FUNCTION : (value as JsonValue);
}

export interface ResumeContext<Settings> {
  /** The folder of the run. */
  out: string;
  rules: SettingRules<Settings>;
  defaults: Partial<Settings>;
}

/**
 * Throws ERR_FILE_DAMAGED for a saved value that no run has; ERR_OPTION for a setting that a
 * resumed run may not change, with the reason, and for a function that is missing.
 */
export function resumedSettings<Settings>(
  run: RunFile,
  given: Partial<Settings>,
  { out, rules, defaults }: ResumeContext<Settings>,
): ResumedSettings<Settings> {
  const known = new Map<string, SettingRule>(Object.entries(rules) as [string, SettingRule][]);
  const stored = Object.entries(run.settings).filter(([key]) => known.has(key));
  for (const [key, value] of stored) requireRight(key, value, known.get(key)!, out);
  // A setting that is newer than the run takes its default.
  const saved = new Map<string, unknown>([...Object.entries(defaults), ...stored]);
  for (const [key, value] of saved) {
    if (known.get(key)!.path) saved.set(key, located(value, known.get(key)!, run.began, out));
  }
  // Beside a number of steps, the epochs that the run has by default did not count until now.
  const unitOf = (settings: ReadonlyMap<string, unknown>) =>
    lengthUnits.find((unit) => settings.get(unit) !== undefined);
  const unit = unitOf(new Map(Object.entries(given))) ? undefined : unitOf(saved);
  const changes: SettingChange[] = [];
  for (const [key, to] of Object.entries(given)) {
    const rule = known.get(key);
    const from = saved.get(key) ?? run.derived?.[key];
    if (!rule || to === undefined || (key === 'dtype' && to === 'auto')) continue;
    if (unit && rule.resume === 'length') {
      changes.push({ key, kind: 'length', from: `\`${unit}\` ${saved.get(unit)}`, to });
    } else if (!isSame(rule, from, to)) {
      changes.push({ key, kind: kindOf(rule, from, to), from, to });
    }
  }
  refuseFixed(changes, known);
  apply(saved, changes);
  for (const [key, value] of Object.entries(given)) if (typeof value === 'function') saved.set(key, value);
  for (const [key, value] of saved) {
    if (value !== FUNCTION) continue;
    throw new AthanorError(
      'ERR_OPTION',
      `the run was started with a function of the program as \`${key}\``,
      'resume it from that program, with the function',
    );
  }
  return { settings: Object.fromEntries(saved) as Settings, changes };
}

function requireRight(key: string, value: unknown, { expects }: SettingRule, out: string): void {
  if (value === FUNCTION || expects.accepts(value)) return;
  throw new AthanorError(
    'ERR_FILE_DAMAGED',
    `the setting ${key} in ${join(out, 'run.json')} is ${JSON.stringify(value)?.slice(0, 80)}, not ${expects.text}`,
    'put the file back, or start a new run in another `out`',
  );
}

function isSame({ path, isName }: SettingRule, from: unknown, to: unknown): boolean {
  if (typeof to === 'function') return from === FUNCTION;
  if (!path || typeof from !== 'string' || typeof to !== 'string') return isDeepStrictEqual(from, to);
  return from === to || (!isName?.(from) && !isName?.(to) && resolve(from) === resolve(to));
}

/** A path cannot become a name or nothing, nor the reverse: the contents would differ. */
function kindOf({ resume, isName }: SettingRule, from: unknown, to: unknown): ResumeKind {
  if (resume !== 'place') return resume;
  if (from === FUNCTION || typeof to === 'function') return 'bits';
  return typeof from === 'string' && !isName?.(from) && !isName?.(to as string) ? 'place' : 'fixed';
}

function refuseFixed(changes: readonly SettingChange[], rules: ReadonlyMap<string, SettingRule>): void {
  const refused = changes.filter(({ kind }) => kind === 'fixed');
  if (refused.length === 0) return;
  const reasons = refused.map(({ key, from, to }) => {
    const why = rules.get(key)!.why ?? 'the run needs the same contents';
    return `\`${key}\` from ${shownSetting(from)} to ${shownSetting(to)} (${why})`;
  });
  throw new AthanorError(
    'ERR_OPTION',
    `a resumed run cannot change ${reasons.join(', nor ')}`,
    'leave it out to continue the run, or start a new run in another `out`',
  );
}

/** A new length replaces the old one, also where the two are counted in other units. */
function apply(settings: Map<string, unknown>, changes: readonly SettingChange[]): void {
  if (changes.some(({ kind }) => kind === 'length')) {
    for (const unit of lengthUnits) settings.delete(unit);
  }
  for (const { key, to } of changes) settings.set(key, to);
}

/**
 * A saved path as it can be opened now: as it was given if it is absolute, else from the folder
 * where the run began, or at the same place relative to the run's own folder, which may have moved.
 */
function located(value: unknown, rule: SettingRule, began: RunPlace | undefined, out: string): unknown {
  if (typeof value !== 'string' || value === FUNCTION || rule.isName?.(value) || !began) return value;
  const first = resolve(began.cwd, value);
  const moved = join(resolve(out), relative(began.out, first));
  const found = [first, moved].find((path) => existsSync(path)) ?? first;
  // A path that still means the same is shown as it was given.
  return !isAbsolute(value) && resolve(value) === found ? value : found;
}

/** A value as messages show it. */
export function shownSetting(value: unknown): string {
  if (value === undefined) return 'the default';
  if (typeof value === 'function' || value === FUNCTION) return 'a function';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
