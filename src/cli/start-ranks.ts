/** Starts a command as several ranks on this machine, for `launch` and `--data-parallel`. */
import { join } from 'node:path';
import type { LaunchOptions, LaunchResult } from '../launch/launch.ts';

type Choices = Pick<LaunchOptions, 'command' | 'ranks' | 'maxRestarts' | 'elastic' | 'out'> & {
  logDir: string | undefined;
};

/** Returns when all ranks have ended well. Rank 0 prints the result of the command. */
export async function startRanks({ logDir, ...choices }: Choices): Promise<LaunchResult> {
  const { command, out } = choices;
  // The folder of a corpus must not be there before it is complete.
  const logs = command[0] === 'data' ? `${out}.ranks` : join(out ?? '.', 'ranks');
  const { launch } = await import('../launch/launch.ts');
  return launch({
    ...choices,
    program: [process.execPath, ...process.execArgv, process.argv[1]!],
    logDir: logDir ?? logs,
    onNote: (text) => process.stderr.write(`${text}\n`),
    onSignal: (listener) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, listener);
    },
  });
}
