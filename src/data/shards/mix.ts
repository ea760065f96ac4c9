/** In which proportions training reads the sources of a corpus, and how these change on the way. */
import { AthanorError } from '../../base/errors.ts';
import { readYamlFile, type YamlNode } from '../../base/files/yaml-file.ts';
import { nearest } from '../../base/suggest.ts';

/** A part of a run with proportions of its own. */
export type MixPhase = {
  /** The share of the run at which it ends: above 0, and 1 for the last phase. */
  until: number;
  /** By source. Only their proportions count. */
  weights: Record<string, number>;
};

/** How much of a source a run reads: passes through it, or tokens. */
export type SourceAmount = { epochs: number } | { tokens: number };

/**
 * Proportions for the whole run, phases with their own ones, or amounts, which also say how long
 * the run is. Sources that are not named are not read.
 */
export type Mix =
  | { weights: Record<string, number> }
  | { schedule: MixPhase[] }
  | { amounts: Record<string, SourceAmount> };

const KIND = { name: 'a schedule', page: 'docs/corpus.md#mixing' };
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, B: 1e9, T: 1e12 };

/**
 * `web=0.6,books=0.4`: proportions. `web=1epochs,books=300Mtokens`: amounts. Throws ERR_OPTION for
 * any other text.
 */
export function parseMix(text: string): Mix {
  const entries = text.split(',').map((entry): [string, string] => {
    const at = entry.lastIndexOf('=');
    if (at < 1) throw wrong(`expected source=weight in \`mix\` but got ${JSON.stringify(entry)}`);
    return [entry.slice(0, at).trim(), entry.slice(at + 1).trim()];
  });
  const twice = entries.find(([name], i) => entries.findIndex(([other]) => other === name) !== i);
  if (twice) throw wrong(`\`mix\` names ${twice[0]} twice`);
  return mixOfEntries(entries);
}

/** A mix for people, and for parseMix unless it is a schedule. */
export function mixText(mix: Mix): string {
  const list = (table: Record<string, number | string>) =>
    Object.entries(table)
      .map(([name, value]) => `${name}=${value}`)
      .join(',');
  if ('schedule' in mix)
    return mix.schedule.map(({ until, weights }) => `${list(weights)} until ${until}`).join('; ');
  return list('weights' in mix ? mix.weights : amountTexts(mix.amounts));
}

/** Amounts as parseMix and recipes have them. */
export function amountTexts(amounts: Record<string, SourceAmount>): Record<string, string> {
  const texts = Object.entries(amounts).map(([name, amount]) => [
    name,
    'epochs' in amount ? `${amount.epochs}epochs` : `${amount.tokens}tokens`,
  ]);
  return Object.fromEntries(texts) as Record<string, string>;
}

function wrong(problem: string): AthanorError {
  const remedy = 'such as web=0.6,books=0.4, or web=1epochs,books=300Mtokens';
  return new AthanorError('ERR_OPTION', problem, remedy);
}

function mixOfEntries(entries: readonly (readonly [string, string])[]): Mix {
  const amounts = entries.map(([name, value]) => [name, amountOf(name, value)] as const);
  const weights = amounts.flatMap(([name, amount]) => (typeof amount === 'number' ? [[name, amount]] : []));
  if (weights.length === amounts.length) return { weights: checked(Object.fromEntries(weights)) };
  if (weights.length > 0) throw wrong('`mix` has weights and amounts');
  return { amounts: Object.fromEntries(amounts) as Record<string, SourceAmount> };
}

/** A weight, or an amount. */
function amountOf(name: string, value: string): number | SourceAmount {
  const [, digits, unit = '', word] = /^(\d+\.?\d*|\.\d+)([kMBT]?)(epochs?|tokens?)?$/.exec(value) ?? [];
  const number = Number(digits) * UNITS[unit]!;
  const isEpochs = word?.startsWith('epoch') ?? false;
  if (digits === undefined || (unit !== '' && !word?.startsWith('token'))) {
    throw wrong(`\`mix\` has ${JSON.stringify(value)} for ${name}`);
  }
  if (word !== undefined && !(number > 0)) throw wrong(`\`mix\` has no amount above 0 for ${name}`);
  return word === undefined ? number : isEpochs ? { epochs: number } : { tokens: Math.round(number) };
}

function areWeights(values: readonly unknown[]): boolean {
  return values.every((weight) => Number.isFinite(weight) && Number(weight) >= 0) && values.some(Boolean);
}

function checked(weights: Record<string, number>): Record<string, number> {
  if (areWeights(Object.values(weights))) return weights;
  throw wrong('the weights of `mix` are not numbers of at least 0, one of them above 0');
}

/** The mix of a recipe: a map of weights or amounts, or a list of phases. Throws ERR_CONFIG. */
export function mixOf(node: YamlNode): Mix {
  if (node.isList) return { schedule: scheduleOf(node) };
  return located(node, () => mixOfEntries(node.entries().map(([name, value]) => [name, scalarOf(value)])));
}

const scalarOf = (node: YamlNode) =>
  String(node.scalar() ?? node.fail(`expected a weight but got ${node.kind}`));

/** Errors of values as errors of their place. */
function located<T>(node: YamlNode, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof AthanorError && error.code === 'ERR_OPTION') node.fail(error.message, error.remedy);
    throw error;
  }
}

/** Reads a file with a list of phases. Throws ERR_CONFIG that names the place, and as readText. */
export function readMixSchedule(file: string): MixPhase[] {
  const root = readYamlFile(file, KIND);
  return root.isList ? scheduleOf(root) : root.fail(`expected a list of phases but got ${root.kind}`);
}

function scheduleOf(list: YamlNode): MixPhase[] {
  const phases = list.items().map((node) => {
    const fields = node.fields(['until', 'weights']);
    const weights = fields.get('weights') ?? node.fail('"weights" is missing', 'give each source a weight');
    const pairs = weights.entries().map(([name, value]) => [name, value.number({ min: 0 })] as const);
    return {
      until: fields.get('until')?.number({ min: 0, max: 1 }) ?? 1,
      weights: located(weights, () => checked(Object.fromEntries(pairs))),
    };
  });
  return located(list, () => checkedSchedule(phases));
}

/** Throws ERR_OPTION for phases that are not in order, or do not reach the end of the run. */
export function checkedSchedule(phases: readonly MixPhase[]): MixPhase[] {
  for (const [i, { until, weights }] of phases.entries()) {
    checked(weights);
    if (until > (phases[i - 1]?.until ?? 0)) continue;
    throw new AthanorError('ERR_OPTION', `phase ${i + 1} ends at ${until}, not after the one before`);
  }
  if (phases.at(-1)?.until === 1) return [...phases];
  throw new AthanorError('ERR_OPTION', 'the last phase does not end at 1', 'leave its `until` out');
}

/** Throws ERR_OPTION for a mix with a source that is not one of these. */
export function checkMixSources(mix: Mix, sources: readonly string[]): void {
  const tables = 'schedule' in mix ? mix.schedule.map(({ weights }) => weights) : [Object.values(mix)[0]!];
  for (const name of tables.flatMap((table) => Object.keys(table))) {
    if (sources.includes(name)) continue;
    const meant = nearest(name, sources);
    const remedy = meant ? `did you mean ${meant}?` : `the sources are ${sources.join(', ')}`;
    throw new AthanorError('ERR_OPTION', `\`mix\` names ${name}, which is no source of the corpus`, remedy);
  }
}

/** Whether a value of a file or of a library call is a mix. */
export function isMix(value: unknown): value is Mix {
  if (!isTable(value)) return false;
  const isWeights = (weights: unknown) => isTable(weights) && areWeights(Object.values(weights));
  if ('weights' in value) return isWeights(value.weights);
  if ('schedule' in value) return isSchedule(value.schedule);
  const isAmount = (amount: unknown) =>
    isTable(amount) && [amount.epochs, amount.tokens].some((n) => typeof n === 'number' && n > 0);
  return isTable(value.amounts) && Object.values(value.amounts).every(isAmount);
}

/** Whether a value is a list of phases to the end of a run. */
export function isSchedule(value: unknown): value is MixPhase[] {
  if (!Array.isArray(value)) return false;
  try {
    checkedSchedule(value as MixPhase[]);
    return true;
  } catch {
    return false;
  }
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
