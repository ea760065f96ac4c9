/** Checks the settings of a new run before any data is read. */

import { statSync } from 'node:fs';
import { AthanorError, fileError } from '../../base/errors.ts';
import { nearest } from '../../base/suggest.ts';
import { modelConfigOf } from '../../checkpoint/gpt-folder.ts';
import { filesOfPattern, isPattern } from '../../data/corpus/files-below.ts';
import { readManifest } from '../../data/shards/manifest.ts';
import type { SettingRule, SettingRules } from './setting-rules.ts';

/** Throws ERR_OPTION for an unknown setting, and for a value that a setting does not take. */
export function checkValues<Settings>(given: Partial<Settings>, rules: SettingRules<Settings>): void {
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const rule = (rules as Record<string, SettingRule>)[key];
    if (!Object.hasOwn(rules, key) || rule === undefined) throw unknownSetting(key, Object.keys(rules));
    if (rule.expects.accepts(value)) continue;
    const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
    throw new AthanorError('ERR_OPTION', `\`${key}\` expects ${rule.expects.text} but got ${shown}`);
  }
}

function unknownSetting(key: string, known: readonly string[]): AthanorError {
  const close = nearest(key, known);
  return new AthanorError(
    'ERR_OPTION',
    `there is no setting ${key}`,
    close ? `did you mean \`${close}\`?` : `the settings are: ${known.join(', ')}`,
  );
}

/**
 * Looks whether the files and folders that settings name are there. Of models it reads the
 * descriptions. Throws ERR_FILE_MISSING and the errors of opening a model.
 */
export function checkPaths<Settings>(settings: Partial<Settings>, rules: SettingRules<Settings>): void {
  for (const [key, rule] of Object.entries(rules) as [string, SettingRule][]) {
    const value = (settings as Record<string, unknown>)[key];
    if (!rule.path || typeof value !== 'string' || rule.isName?.(value)) continue;
    if (rule.path === 'shards') readManifest(value);
    else if (rule.path === 'file') checkExists(value);
    else modelConfigOf(value, rule.path);
  }
}

function checkExists(path: string): void {
  // Rows may be named by a pattern.
  if (isPattern(path) && filesOfPattern(path).length > 0) return;
  try {
    statSync(path);
  } catch (error) {
    throw fileError(error, path);
  }
}
