/** `athanor improve`: a round from feedback to a new served model, and the way back. */
import { AthanorError } from '../base/errors.ts';
import type { ImproveReport } from '../improve/improve.ts';
import { HELD_OUT, type ImproveSettings, type ImproveStages, improveDefaults } from '../improve/settings.ts';
import { type CommandContext, type CommandResult, defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { feedbackRowOptions, rowSettingsOf } from './feedback-row-options.ts';
import {
  choice,
  engineOptions,
  flag,
  inGroup,
  integer,
  list,
  number,
  type OptionValues,
  optionName,
  path,
  sharedOptions,
  text,
} from './options.ts';
import { requireAlone } from './require-alone.ts';

const share = { min: 0, max: 1 };

const options = {
  ...inGroup('Run', {
    out: path('folder of all rounds, with the history of the link', { required: true }),
    resume: flag('continue the last round in --out, with its own settings'),
    model: path('the served model: a folder, or a symbolic link to one (required for a new round)'),
    feedback: path('file of the feedback store (required for a new round)', { placeholder: '<file>' }),
    link: path('symbolic link to set (default: --model if it is one, else "current" in --out)'),
    promote: flag('set the link when no gate fell', {
      default: improveDefaults.promote,
      negated: 'measure only, and leave the link as it is',
    }),
    method: choice(
      'what learns from votes; kto from each rating, sft from corrections alone',
      ['dpo', 'kto', 'ppo', 'sft'],
      {
        default: improveDefaults.method,
      },
    ),
    stages: path('JSON file with settings of the stages: {"sft": {...}, "dpo": {...}, "reward": {...}}', {
      placeholder: '<file>',
    }),
  }),
  ...feedbackRowOptions(HELD_OUT),
  ...inGroup('Evaluation', {
    quality: path(
      'rows as for sft that measure quality (default: held-out corrections, else better answers)',
    ),
    qualityTolerance: number(
      'largest rise of bits per byte on them, as a share (default: 0.1; 0.5 for answers of the model itself)',
      { min: 0 },
    ),
    refusalTolerance: number('largest rise of the share of harmless prompts that are refused', {
      default: improveDefaults.refusalTolerance,
      ...share,
    }),
    jailbreakTolerance: number('largest rise of the share of harmful prompts that are not refused', {
      default: improveDefaults.jailbreakTolerance,
      ...share,
    }),
    votesTolerance: number(
      'how far below one half the agreement with held-out votes may lie (default: 0)',
      share,
    ),
    winTolerance: number(
      'how far below one half the win rate may lie (default: as --votes-tolerance)',
      share,
    ),
    refusals: list(text('text that begins a refusal, besides the common ones')),
    gatePrompts: integer('most prompts that a gate asks', { default: improveDefaults.gatePrompts, min: 1 }),
    gateAnswers: integer('answers to each prompt, for the win rate', {
      default: improveDefaults.gateAnswers,
      min: 1,
    }),
    maxTokens: integer('most new tokens per answer', { default: improveDefaults.maxTokens, min: 1 }),
    batchSize: integer('answers to decode at the same time', { default: improveDefaults.batchSize, min: 1 }),
  }),
  ...engineOptions,
};

export const improve = defineCommand({
  description: `One round: feedback becomes rows, the served model is trained on them, gates compare the new model with the served one on feedback that was held out, and the link to the served model is set to the new one if no gate fell.
  athanor improve --model LINK --feedback FILE --out DIR
  athanor improve rollback --out DIR     set the link back to the model from before`,
  arguments: { '[action]': 'rollback: take the last promotion back' },
  options,
  example: 'improve --model improve/current --feedback feedback.db --out improve',
  async run(given, context): Promise<CommandResult> {
    requireAlone('improve');
    const [action] = context.args;
    if (action === undefined) return round(given, context);
    if (action !== 'rollback') {
      throw new AthanorError(
        'ERR_OPTION',
        `improve has no action ${JSON.stringify(action)}`,
        'it has rollback',
      );
    }
    const { rollback } = await import('../improve/improve.ts');
    return rollback(given.out);
  },
  render: (result) =>
    'gates' in result
      ? `${result.table}\n${result.outcome}: ${result.reason}\nreport in ${result.round}`
      : `${result.link} shows ${result.to} again`,
});

async function round(given: OptionValues<typeof options>, context: CommandContext): Promise<CommandResult> {
  const { spell } = context;
  const { dtype } = await prepareEngine({ ...given, resume: false }, context.given);
  const { improve: run } = await import('../improve/improve.ts');
  const { gateLines } = await import('../improve/gate-lines.ts');
  const { terminalProgress } = await import('../train/loop/terminal-progress.ts');
  const { Interrupt } = await import('./interrupt.ts');
  const progress = terminalProgress({ spell });
  const interrupt = new Interrupt((signal) =>
    progress({ type: 'warning', text: `${signal}: finishing the step, then saving` }),
  );
  try {
    const { out, resume } = given;
    if (resume) refuseSettings(context.given);
    const settings = resume ? {} : { ...(await settingsOf(given)), dtype };
    const report = await run({ ...settings, out, resume }, { signal: interrupt.signal, onEvent: progress });
    return { ...recordOf(report), table: gateLines(report.gates).join('\n') };
  } finally {
    interrupt.dispose();
  }
}

/** Throws ERR_OPTION for settings beside --resume, which would have no effect. */
function refuseSettings(given: ReadonlySet<string>): void {
  const known = ['out', 'resume', 'device', 'threads', ...Object.keys(sharedOptions)];
  const stray = [...given].find((key) => !known.includes(key));
  if (stray === undefined) return;
  throw new AthanorError(
    'ERR_OPTION',
    `a resumed round has its own settings, and --${optionName(stray)} is given`,
    'leave it out, or delete the folder of the round and start a new one',
  );
}

async function settingsOf(given: OptionValues<typeof options>): Promise<Partial<ImproveSettings>> {
  const { device: _, threads: __, stages, out: ___, resume: ____, ...others } = given;
  const rows = rowSettingsOf(given);
  const settings = Object.fromEntries(Object.entries(others).filter(([key]) => !(key in rows)));
  const { readJsonObject } = await import('../base/files/read-file.ts');
  const ofStages: ImproveStages = stages === undefined ? {} : readJsonObject(stages);
  return { ...settings, stages: ofStages, rows };
}

function recordOf({ gates, ...report }: ImproveReport): CommandResult {
  const { servedHash, candidateHash, ...rest } = report;
  return { ...rest, served_hash: servedHash, candidate_hash: candidateHash, gates };
}
