import { AthanorError } from '../base/errors.ts';
import { readLaunch } from '../comm/launcher.ts';

/** Throws ERR_OPTION when this process is one of several ranks, which the command cannot share. */
export function requireAlone(command: string): void {
  const size = readLaunch()?.size ?? 1;
  if (size === 1) return;
  throw new AthanorError(
    'ERR_OPTION',
    `athanor ${command} runs in one process, and this is one of ${size}`,
    'start it without a launcher, or launch the training commands themselves',
  );
}
