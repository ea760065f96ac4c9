/** `athanor feedback stats|list|export|import|delete`. */
import { AthanorError } from '../base/errors.ts';
import type { JsonObject } from '../base/json.ts';
import type { RecordKind } from '../feedback/lines.ts';
import type { FeedbackStore, OpenOptions, RecordCounts } from '../feedback/store.ts';
import { defineCommand } from './command.ts';
import { choice, inGroup, integer, path, text } from './options.ts';

const storeArgument = { '<file>': 'the SQLite file that serve --feedback wrote' };
const KINDS = ['feedback', 'comparison', 'answer', 'safety_event', 'deletion'] as const;

/** A server may use the same file meanwhile. */
async function withStore<T>(
  file: string,
  body: (store: FeedbackStore) => T | Promise<T>,
  options: OpenOptions = { readOnly: true },
): Promise<T> {
  const { FeedbackStore } = await import('../feedback/store.ts');
  const store = FeedbackStore.open(file, options);
  try {
    return await body(store);
  } finally {
    store.close();
  }
}

export const stats = defineCommand({
  description: 'Reads the whole file and says if a part of it is damaged.',
  arguments: storeArgument,
  options: {},
  example: 'feedback stats feedback.db',
  run: (_, { args: [file] }) =>
    withStore(file!, (store) => {
      store.check();
      const { safetyEvents, overRefusals, oldest, newest, ...counts } = store.stats();
      const times = { oldest: isoTime(oldest), newest: isoTime(newest) };
      return { ...counts, safety_events: safetyEvents, over_refusals: overRefusals, ...times };
    }),
  render: (result) =>
    [
      `${result.answers} answers of ${result.users} named users` +
        (result.oldest === null ? '' : `, from ${result.oldest} to ${result.newest}`),
      `${result.feedback} ratings and corrections: ${result.liked} good, ${result.disliked} bad, ` +
        `${result.corrections} corrected`,
      `${result.comparisons} comparisons`,
      `${result.safety_events} safety events: ${result.jailbreaks} jailbreaks, ` +
        `${result.over_refusals} over-refusals`,
      `${(result.bytes / 1e6).toFixed(1)} MB, not damaged`,
    ].join('\n'),
});

function isoTime(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}

export const list = defineCommand({
  description: 'Shows one kind of records, the newest last. With --json they have all their fields.',
  arguments: storeArgument,
  options: inGroup('Run', {
    kind: choice('kind of records', KINDS, { default: 'feedback' }),
    user: text('only those of this user', { placeholder: '<name>' }),
    limit: integer('most records to show', { default: 20, min: 1 }),
  }),
  example: 'feedback list feedback.db --kind comparison',
  run: ({ kind, user, limit }, { args: [file] }) =>
    withStore(file!, async (store) => {
      const { recordJson } = await import('../feedback/lines.ts');
      const records: JsonObject[] = [];
      let found = 0;
      for (const one of store.snapshot()) {
        if (
          one.kind !== kind ||
          (user !== undefined && !('user' in one.record && one.record.user === user))
        ) {
          continue;
        }
        ++found;
        records.push(recordJson(one));
        if (records.length > limit) records.shift();
      }
      return { found, records };
    }),
  render: ({ found, records }) => {
    const lines = records.map(recordLine);
    if (found > records.length) lines.unshift(`the last ${records.length} of ${found}:`);
    return found === 0 ? 'none' : lines.join('\n');
  },
});

/** One line of a table; long texts are cut. */
function recordLine({ kind, created_at, deleted_at, ...fields }: JsonObject): string {
  const shown = Object.entries(fields).flatMap(([name, value]) => {
    const isEmpty = value === null || (Array.isArray(value) && value.length === 0);
    if (isEmpty || /^(prompt_ids|answer_ids|log_probs|sampling|\w+_hash|messages)$/.test(name)) return [];
    const written = JSON.stringify(value);
    return [`${name}=${written.length > 60 ? `${written.slice(0, 57)}...` : written}`];
  });
  return [isoTime(Number(created_at ?? deleted_at)), kind as RecordKind, ...shown].join('  ');
}

export const exportStore = defineCommand({
  description:
    'The file has one record per line, as they are at one moment. Nobody but its owner may read it. Records of users who were deleted are not in it.',
  arguments: storeArgument,
  options: inGroup('Run', { out: path('file to write; one of that name is replaced', { required: true }) }),
  example: 'feedback export feedback.db --out feedback.jsonl',
  run: ({ out }, { args: [file] }) =>
    withStore(file!, async (store) => {
      const { exportFeedback } = await import('../feedback/transfer.ts');
      return { ...exportFeedback(store, out), out };
    }),
  render: ({ out, ...counts }) => `${kindsText(counts)} written to ${out}`,
});

function kindsText(counts: Readonly<Record<RecordKind, number>>): string {
  const { answer, feedback, comparison, safety_event, deletion } = counts;
  return `${answer} answers, ${feedback} ratings and corrections, ${comparison} comparisons, ${safety_event} safety events and ${deletion} deletions`;
}

export const importStore = defineCommand({
  description:
    'Makes the store if it is not there. Records that it has already stay as they are, and those of users who were deleted do not come back. The whole export is checked first.',
  arguments: { ...storeArgument, '<export>': 'a file of athanor feedback export' },
  options: {},
  example: 'feedback import feedback.db feedback.jsonl',
  async run(_, { args: [file, from] }) {
    const { addExport, checkExport } = await import('../feedback/transfer.ts');
    // Before there is a store: what cannot be imported leaves no file.
    await checkExport(from!);
    const { added, present, left_out } = await withStore(file!, (store) => addExport(store, from!), {
      create: true,
    });
    return { added, present, left_out };
  },
  render: ({ added, present, left_out }) =>
    `${kindsText(added)} added; ${present} records were there already, ${left_out} of deleted users or without an answer were left out`,
});

export const remove = defineCommand({
  description:
    'Deletes the answers that were made for a user, what anybody said of them, and what the user said; or all that is older than so many days. What was deleted is overwritten. Copies and earlier exports are yours to delete.',
  arguments: storeArgument,
  options: inGroup('Run', {
    user: text('name of the user, as requests gave it', { placeholder: '<name>' }),
    olderThanDays: integer('delete all that is older', { min: 0 }),
  }),
  example: 'feedback delete feedback.db --user ann',
  async run({ user, olderThanDays }, { args: [file] }) {
    if ((user === undefined) === (olderThanDays === undefined)) {
      const remedy = 'give one of them';
      throw new AthanorError('ERR_OPTION', 'delete needs either --user or --older-than-days', remedy);
    }
    const counts: RecordCounts = await withStore(
      file!,
      (store) =>
        user === undefined ? store.prune(Date.now() - olderThanDays! * 86_400_000) : store.deleteUser(user),
      { create: false },
    );
    const { answers, feedback, comparisons, safetyEvents: safety_events } = counts;
    return { answers, feedback, comparisons, safety_events };
  },
  render: ({ answers, feedback, comparisons, safety_events }) =>
    `deleted ${answers} answers, ${feedback} ratings and corrections, ${comparisons} comparisons and ${safety_events} safety events`,
});
