/** `athanor safety check`: reads a safety policy, and says what it finds in a text. */
import { AthanorError } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { type Engine, prepareEngine } from './engine.ts';
import { engineOptions, inGroup, path } from './options.ts';

/** Largest text that is checked. */
const MOST_BYTES = 16 << 20;
/** For a policy without classifiers, whose check needs no engine. */
const NO_ENGINE: Engine = { device: 'cpu', dtype: 'f32', threads: 1 };
const { device, dtype, threads } = engineOptions;

export const check = defineCommand({
  description:
    'Reads a safety policy and says what each category finds in a text. Without a text it checks the policy alone, with the folders of its classifiers.',
  arguments: { '[text]': 'the text to check' },
  options: {
    ...inGroup('Run', {
      safety: path('the policy', { required: true, placeholder: '<file>' }),
      file: path('file with the text to check', { placeholder: '<file>' }),
    }),
    ...inGroup('Engine', { device, dtype, threads }),
  },
  example: 'safety check "Name a colour." --safety policy.yaml',
  async run({ safety, file, ...choice }, { args: [text], given }) {
    if (text !== undefined && file !== undefined) {
      throw new AthanorError('ERR_OPTION', 'a text and --file exclude each other', 'give one of them');
    }
    const { SafetyPolicy } = await import('../safety/policy.ts');
    const { SafetyChecks } = await import('../safety/checks.ts');
    const { readText } = await import('../base/files/read-file.ts');
    const policy = SafetyPolicy.read(safety);
    const content = file === undefined ? text : readText(file, { most: MOST_BYTES });
    const classifiers = [policy.refusalClassifier, ...policy.categories.map(({ classifier }) => classifier)];
    const hasClassifier = classifiers.some((one) => one !== undefined);
    const engine = hasClassifier ? await prepareEngine(choice, given) : NO_ENGINE;
    const checks = await SafetyChecks.start(policy, engine);
    try {
      const [found] = content === undefined ? [] : await checks.moderate([content]);
      const categories = policy.categories.map(({ name, on, action }) => ({
        ...{ name, on: [...on], action },
        ...(found && { flagged: found.categories[name]!, score: found.scores[name]! }),
      }));
      const { size: words } = policy.words;
      return {
        flagged: found?.flagged ?? null,
        words,
        patterns: policy.patterns.patterns.length,
        categories,
      };
    } finally {
      await checks.close();
    }
  },
  render: ({ flagged, words, patterns, categories }) => {
    const outcome = flagged === null ? 'the policy is valid' : flagged ? 'flagged' : 'nothing found';
    const lines = categories.map(({ name, on, action, flagged: isFlagged, score }) => {
      const found =
        score === undefined ? '' : `: ${isFlagged ? 'found' : 'not found'}, score ${score.toFixed(4)}`;
      return `  ${name} (${action} on ${on.join(' and ')})${found}`;
    });
    return [`${outcome}; words and phrases: ${words}, patterns: ${patterns}`, ...lines].join('\n');
  },
});
