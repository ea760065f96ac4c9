/** `athanor launch`: a training command as several ranks on this machine. */
import { existsSync, readFileSync } from 'node:fs';
import { AthanorError } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { flag, inGroup, integer, MOST_PROCESSES, path } from './options.ts';
import { requireAlone } from './require-alone.ts';
import { startRanks } from './start-ranks.ts';

/** The commands that ranks share. */
const shared = [
  ...['pretrain', 'sft', 'reward', 'dpo', 'kto', 'ppo', 'grpo', 'safety train'],
  'data prepare',
];

export const launch = defineCommand({
  arguments: { '<command...>': 'a training command or data prepare, with its options, after --' },
  description:
    'Starts one process per rank. The ranks share the batches of each update, so --grad-accum of the ' +
    'command is at least the number of ranks. The result does not depend on that number. Rank 0 ' +
    'reports; the others write logs. When a rank dies, all are stopped.',
  options: {
    ...inGroup('Run', {
      ranks: integer('number of processes', { letter: 'n', required: true, min: 1, max: MOST_PROCESSES }),
      maxRestarts: integer('how often a run that failed goes on from its last checkpoint', {
        default: 0,
        min: 0,
      }),
      elastic: flag('go on without a rank that died'),
      logDir: path('folder for the logs of all ranks but the first (default: ranks in --out of the command)'),
    }),
  },
  example: 'launch -n 2 -- pretrain --data corpus.txt --out run --steps 1000 --grad-accum 2',
  async run({ ranks, maxRestarts, elastic, logDir }, { args, json, mute }) {
    requireAlone('launch');
    const isShared = shared.some((command) => command.split(' ').every((word, i) => args[i] === word));
    if (!isShared) {
      throw new AthanorError(
        'ERR_OPTION',
        `"${args[0]}" is not a command that ranks share`,
        `launch one of these: ${shared.join(', ')}`,
      );
    }
    if (elastic && maxRestarts === 0) {
      const problem = '--elastic has no effect without --max-restarts';
      throw new AthanorError('ERR_OPTION', problem, 'say how often a run may go on');
    }
    // Rank 0 prints the result of the command.
    mute();
    const out = givenValue('--out', args) ?? (await configuredOut(givenValue('--config', args)));
    const command = json && !args.includes('--json') ? [...args, '--json'] : args;
    return { ...(await startRanks({ command, ranks, maxRestarts, elastic, out, logDir })) };
  },
});

/** The folder that a config file names. What else is in the file, the command checks. */
async function configuredOut(file: string | undefined): Promise<string | undefined> {
  if (file === undefined || !existsSync(file)) return undefined;
  const { parse } = await import('yaml');
  try {
    const { out } = parse(readFileSync(file, 'utf8')) as { out?: unknown };
    return typeof out === 'string' ? out : undefined;
  } catch {
    return undefined;
  }
}

/** The value of an option among the words of a command. */
function givenValue(option: string, words: readonly string[]): string | undefined {
  const joined = words.find((word) => word.startsWith(`${option}=`));
  if (joined) return joined.slice(option.length + 1);
  const at = words.indexOf(option);
  return at < 0 ? undefined : words[at + 1];
}
