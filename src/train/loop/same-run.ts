/** Ranks that would not train the same run are refused before its first step. */
import { createHash } from 'node:crypto';
import { AthanorError } from '../../base/errors.ts';
import type { JsonValue } from '../../base/json.ts';
import { packageVersion } from '../../base/package-version.ts';
import type { Communicator } from '../../comm/communicator.ts';
import { currentDevice } from '../../native/engine.ts';
import { storableSettings } from './resume-settings.ts';
import type { CommonSettings } from './settings.ts';

const VERSION = 'the version of athanor';

/** What has to be equal on all ranks. */
export interface SameRun<Settings> {
  stage: string;
  out: string;
  resume: boolean;
  settings: Settings;
}

/** Throws ERR_MISMATCH naming the first difference between a rank and the main one. */
export async function requireSameRun<Settings extends CommonSettings>(
  communicator: Communicator,
  { settings, ...place }: SameRun<Settings>,
): Promise<void> {
  if (communicator.size === 1) return;
  const facts = {
    [VERSION]: packageVersion(),
    ...place,
    device: currentDevice(),
    ...storableSettings(settings),
  };
  const texts = await communicator.gatherText(JSON.stringify(facts), 'the settings of all ranks');
  const [main, ...others] = texts.map((text) => JSON.parse(text) as Record<string, unknown>);
  for (const [i, other] of others.entries()) {
    for (const key of new Set([...Object.keys(main!), ...Object.keys(other)])) {
      const [wanted, found] = [main![key], other[key]].map((value) => JSON.stringify(value) ?? 'no value');
      if (wanted === found) continue;
      throw mismatch(
        `${key === VERSION ? key : `\`${key}\``} is ${found} on rank ${i + 1} and ${wanted} on rank 0`,
      );
    }
  }
}

/**
 * Throws ERR_MISMATCH unless all ranks have read the same data.
 * @param state the state of the stage, with the digest of its data
 */
export async function requireSameData(communicator: Communicator, state: JsonValue): Promise<void> {
  if (communicator.size === 1) return;
  const digest = createHash('sha256').update(JSON.stringify(state)).digest('hex');
  const digests = await communicator.gatherText(digest, 'the data of all ranks');
  const other = digests.findIndex((one) => one !== digests[0]);
  if (other > 0) throw mismatch(`rank ${other} has read other data than rank 0`);
}

function mismatch(problem: string): AthanorError {
  return new AthanorError(
    'ERR_MISMATCH',
    problem,
    'start all ranks with the same command, from the same files',
  );
}
