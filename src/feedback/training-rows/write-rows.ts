/** Writes the rows of a feedback store into a folder. */
import { dirname, join } from 'node:path';
import { createFolder } from '../../base/files/create-folder.ts';
import { makeFolders } from '../../base/files/make-folders.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import type { JsonObject } from '../../base/json.ts';
import { withDefaults } from '../../base/with-defaults.ts';
import { feedbackRows } from './feedback-rows.ts';
import type { Funnel } from './funnel.ts';
import { checkRowSettings, type FeedbackRowSettings, feedbackRowDefaults } from './settings.ts';
import type { FeedbackSource } from './source.ts';

/** The outcome of writeFeedbackRows. */
export interface FeedbackRowsReport {
  /** What was read, dropped and why, and written, as in `funnel.json`. */
  funnel: JsonObject;
  /** The same as lines for people. */
  lines: string[];
  /** Folder of the rows. */
  out: string;
}

export interface FeedbackRowHooks {
  /** Whether each of some corrections is harmful, such as by the checks of a policy. */
  moderate?: (texts: readonly string[]) => Promise<readonly boolean[]>;
}

/**
 * Cleans feedback and writes it as rows: corrections and safety rows for `sft`, comparisons for
 * `reward` and `dpo`, ratings with labels, prompts, and prompts that test safety. Each row has the
 * ids of its records in `origin`. The folder appears complete or not at all. Throws ERR_ARGUMENT
 * for settings out of range and when `out` exists, and ERR_IO.
 */
export async function writeFeedbackRows(
  source: FeedbackSource,
  out: string,
  settings: Partial<FeedbackRowSettings> = {},
  { moderate }: FeedbackRowHooks = {},
): Promise<FeedbackRowsReport> {
  const complete = withDefaults(feedbackRowDefaults, settings);
  checkRowSettings(complete);
  const harmful = moderate ? await harmfulCorrections(source, moderate) : undefined;
  const { files, funnel } = feedbackRows(source, complete, harmful);
  await createFolder(out, async (folder) => writeFiles(folder, files, funnel, complete));
  return { funnel: funnel.record(), lines: funnel.lines(), out };
}

async function harmfulCorrections(
  source: FeedbackSource,
  moderate: NonNullable<FeedbackRowHooks['moderate']>,
): Promise<Set<string>> {
  const texts = new Set<string>();
  for (const { correction } of source.feedback()) if (correction !== null) texts.add(correction);
  const list = [...texts];
  const flags = await moderate(list);
  return new Set(list.filter((_, i) => flags[i]));
}

function writeFiles(
  folder: string,
  files: Record<string, JsonObject[]>,
  funnel: Funnel,
  settings: FeedbackRowSettings,
): void {
  for (const [name, rows] of Object.entries(files)) {
    const path = join(folder, name);
    makeFolders(dirname(path));
    replaceFile(path, lines(rows));
  }
  const record = {
    settings: { ...settings, trust: [...settings.trust] },
    ...funnel.record(),
    lines: funnel.lines(),
  };
  replaceFile(join(folder, 'funnel.json'), `${JSON.stringify(record, undefined, 2)}\n`);
}

function* lines(rows: readonly JsonObject[]): Generator<string> {
  for (const row of rows) yield `${JSON.stringify(row)}\n`;
}
