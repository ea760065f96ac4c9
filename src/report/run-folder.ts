/** What a run's folder says about the run, beside its metrics log. */
import { basename, join, resolve } from 'node:path';
import { ifThere, largest, readJsonObject, readText } from '../base/files/read-file.ts';
import type { JsonObject, JsonValue } from '../base/json.ts';
import { readFigure } from './figures.ts';
import { rememberedJson } from './html-page.ts';
import type { ReportOptions } from './sections/section.ts';

/** The stage and the settings that the run was started with. */
export interface RunSettings {
  stage: string;
  settings: JsonObject;
}

/** From `run.json`; undefined where there is none that can be read. */
export function readSettings(folder: string): RunSettings | undefined {
  try {
    const { stage, settings } = readJsonObject(join(folder, 'run.json'));
    if (typeof stage !== 'string' || !isObject(settings)) return undefined;
    return { stage, settings };
  } catch {
    return undefined;
  }
}

/**
 * The options that the folder's report was last written with. Where no page remembers them, those
 * that `run.json` gives; without both, the folder's name is the title.
 */
export function rememberedOptions(folder: string): ReportOptions {
  const path = join(folder, 'report.html');
  const page = ifThere(() => readText(path, { most: largest.page }));
  const remembered = page === undefined ? undefined : rememberedJson(page);
  if (!isOptions(remembered)) return plainOptions(folder);
  const { refreshSeconds: _, figures, ...options } = remembered;
  return Array.isArray(figures)
    ? { ...options, figures: figures.flatMap((figure) => readFigure(figure) ?? []) }
    : options;
}

/** What `run.json` says, without an earlier report. */
export function plainOptions(folder: string): ReportOptions {
  const run = readSettings(folder);
  const title = basename(resolve(folder));
  return run
    ? { title, subtitle: run.stage, config: namedSettings(run.settings), environment: {} }
    : { title, environment: {} };
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isOptions(value: unknown): value is ReportOptions {
  return typeof value === 'object' && value !== null && 'title' in value;
}

/** Settings with the snake_case names of reports; those that are unset are left out. */
export function namedSettings(settings: JsonObject): Record<string, JsonValue> {
  const named = Object.entries(settings).map(([key, value]) => [
    key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  return Object.fromEntries(named);
}
