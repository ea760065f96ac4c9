/** Notes and warnings of commands that are no runs. */
import type { RunConsole } from '../comm/run-context.ts';

export const notesOnStderr: RunConsole = {
  note: (text) => process.stderr.write(`${text}\n`),
  warn: (text) => process.stderr.write(`warning: ${text}\n`),
};
