/**
 * `--config FILE`: a flat YAML map whose keys are a command's options. Values keep their source text and go through the
 * option's own parser, so `steps: 10k` and `--steps 10k` mean the same and fail with the same words.
 */
import { readFileSync } from 'node:fs';
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type Scalar } from 'yaml';
import { AthanorError, fileError } from '../native/errors.ts';
import { nearest } from '../native/suggest.ts';
import { type OptionSpec, type OptionSpecs, optionName, sharedOptions } from './options.ts';

/** One option as the file gives it: its values as text, and where they stand, for error messages. */
export interface ConfigEntry {
  readonly texts: readonly string[];
  readonly where: string;
}

// A config file is a page of text; more is the wrong file, and would be read into memory whole.
const maxBytes = 1 << 20;

function readText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw fileError(error, file);
  }
  if (bytes.length > maxBytes) {
    throw new AthanorError(
      'ERR_CONFIG',
      `${file} is ${bytes.length} bytes, too long for a config file`,
      'name a YAML file',
    );
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const remedy = 'save it as UTF-8, or name a YAML file';
    throw new AthanorError('ERR_CONFIG', `${file} is not UTF-8 text`, remedy, { cause });
  }
}

function describe(node: Node | null): string {
  if (isMap(node)) return 'a map';
  if (isSeq(node)) return 'a list';
  if (!isScalar(node) || node.value === null) return 'nothing';
  if (typeof node.value === 'boolean') return String(node.value);
  return JSON.stringify(scalarText(node).slice(0, 60));
}

function scalarText(node: Scalar): string {
  return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
}

/** The text of a scalar whose YAML type suits the option, or undefined. */
function acceptScalar(node: Node | null, option: OptionSpec<unknown>): string | undefined {
  if (!isScalar(node)) return undefined;
  const type = typeof node.value;
  if (option.kind === 'flag') return type === 'boolean' ? String(node.value) : undefined;
  if (type === 'string' || type === 'number' || type === 'bigint') return scalarText(node);
  return undefined;
}

/** Reads the file against the options of one command. Throws ERR_CONFIG with the file and the line. */
export function readConfig(file: string, options: OptionSpecs): Map<string, ConfigEntry> {
  const lines = new LineCounter();
  const document = parseDocument(readText(file), {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
  });
  const lineOf = (node: { range?: readonly [number, number, number] | null }) =>
    node.range ? lines.linePos(node.range[0]).line : 1;
  const fail = (line: number, message: string, remedy?: string, cause?: unknown): never => {
    throw new AthanorError('ERR_CONFIG', `${file} line ${line}: ${message}`, remedy, { cause });
  };

  const broken = document.errors[0] ?? document.warnings[0];
  if (broken) fail(lines.linePos(broken.pos[0]).line, broken.message, 'correct the YAML', broken);
  const root = document.contents;
  if (root === null) return new Map();
  if (!isMap(root)) {
    return fail(lineOf(root), `expected "option: value" lines but got ${describe(root)}`, 'e.g. steps: 500');
  }

  const keyOfName = new Map(Object.keys(options).map((key) => [optionName(key), key]));
  const entries = new Map<string, ConfigEntry>();
  for (const { key, value } of root.items) {
    const keyNode = key as Node;
    const line = lineOf(keyNode);
    if (!isScalar(keyNode)) return fail(line, `expected an option's name but got ${describe(keyNode)}`);
    const given = String(keyNode.value);
    const optionKey = keyOfName.get(given.replaceAll('_', '-'));
    if (optionKey === undefined) {
      if (Object.hasOwn(sharedOptions, given)) {
        return fail(line, `"${given}" cannot be set in a config file`, `give --${given} on the command line`);
      }
      const close = nearest(given, keyOfName.keys());
      const all = [...keyOfName.keys()].sort().join(', ');
      return fail(
        line,
        `unknown option "${given}"`,
        close ? `did you mean "${close}"?` : `the options are: ${all}`,
      );
    }
    if (entries.has(optionKey)) return fail(line, `"${given}" is given twice`, 'keep one of the two');

    const option = options[optionKey]!;
    const resolve = (node: unknown) =>
      (isAlias(node) ? (node.resolve(document) ?? null) : node) as Node | null;
    const node = resolve(value);
    const items = option.kind === 'list' && isSeq(node) ? node.items.map(resolve) : [node];
    const texts = items.map((item) => {
      const text = acceptScalar(item, option);
      const at = value && lineOf(value as Node) !== 1 && isSeq(node) && item ? lineOf(item) : line;
      return text ?? fail(at, `"${given}" expects ${option.expected} but got ${describe(item)}`);
    });
    entries.set(optionKey, { texts, where: `${file} line ${line}: "${given}"` });
  }
  return entries;
}
