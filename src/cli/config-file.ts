/**
 * `--config FILE`: a flat YAML map whose keys are a command's options. Each value keeps its source
 * text and goes through the option's own parser. So `steps: 10k` and `--steps 10k` have the same
 * meaning and the same errors.
 */
import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  Parser,
  type Scalar,
} from 'yaml';
import { AthanorError } from '../base/errors.ts';
import { readText } from '../base/files/read-file.ts';
import { newNameOf } from '../base/renamed-options.ts';
import { nearest } from '../base/suggest.ts';
import { type OptionSpec, type OptionSpecs, optionName, sharedOptions } from './options.ts';

/** One option of the file: its values as text, and their place for error messages. */
export interface ConfigEntry {
  readonly texts: readonly string[];
  readonly where: string;
}

// A config file is a page of text. A longer file is the wrong one and could fill the memory.
const maxBytes = 1 << 16;
// A list of values is three levels deep. Far more would overflow the stack in the YAML library.
const maxDepth = 16;

function readConfigText(file: string): string {
  return readText(file, {
    most: maxBytes,
    fail: (problem, remedy = 'name a YAML file', cause) =>
      new AthanorError('ERR_CONFIG', `${file}: ${problem}`, remedy, { cause }),
  });
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

/**
 * Whether the syntax tree is deeper than any config. It is a loop because the composer recurses.
 */
function tooDeep(tokens: readonly CST.Token[]): boolean {
  let level: readonly CST.Token[] = tokens;
  for (let depth = 0; depth < maxDepth && level.length > 0; depth++) {
    level = level.flatMap((token) => {
      if (token.type === 'document') return token.value ? [token.value] : [];
      const items = 'items' in token ? token.items : [];
      return items.flatMap(({ key, value }) => [key, value].filter((part) => part != null));
    });
  }
  return level.length > 0;
}

/** Reads one config file against the options of one command. */
class ConfigReader {
  private readonly lines = new LineCounter();
  private readonly keyOfName: ReadonlyMap<string, string>;

  constructor(
    private readonly file: string,
    private readonly options: OptionSpecs,
  ) {
    this.keyOfName = new Map(Object.keys(options).map((key) => [optionName(key), key]));
  }

  read(): Map<string, ConfigEntry> {
    const document = this.parse();
    const root = document?.contents ?? null;
    const entries = new Map<string, ConfigEntry>();
    if (root === null || (isScalar(root) && root.value === null)) return entries;
    if (!isMap(root)) {
      const message = `expected "option: value" lines but got ${describe(root)}`;
      return this.fail(this.lineOf(root), message, 'e.g. steps: 500');
    }
    for (const pair of root.items) {
      const name = pair.key as Scalar;
      const line = this.lineOf(name);
      const key = this.optionKey(String(name.value), line);
      if (entries.has(key)) this.fail(line, `"${name.value}" is given twice`, 'keep one of the two');
      const texts = this.valueTexts(document!, pair.value as Node | null, key, line);
      entries.set(key, { texts, where: `${this.file} line ${line}: "${optionName(key)}"` });
    }
    return entries;
  }

  private lineOf(node: Node): number {
    return node.range ? this.lines.linePos(node.range[0]).line : 1;
  }

  private fail(line: number, message: string, remedy?: string, cause?: unknown): never {
    throw new AthanorError('ERR_CONFIG', `${this.file} line ${line}: ${message}`, remedy, { cause });
  }

  private parse(): Document.Parsed | undefined {
    const text = readConfigText(this.file);
    const tokens = [...new Parser(this.lines.addNewLine).parse(text)];
    if (tooDeep(tokens)) {
      const remedy = 'write one "option: value" per line';
      throw new AthanorError('ERR_CONFIG', `${this.file} is nested too deeply for a config file`, remedy);
    }
    const composer = new Composer({ prettyErrors: false, stringKeys: true });
    const [document, second] = composer.compose(tokens, true, text.length);
    const broken = document?.errors[0] ?? document?.warnings[0];
    if (broken) this.fail(this.lines.linePos(broken.pos[0]).line, broken.message, 'correct the YAML', broken);
    if (second) {
      const { line } = this.lines.linePos(second.range[0]);
      this.fail(line, 'a second document begins', 'keep one of the two');
    }
    return document as Document.Parsed | undefined;
  }

  private optionKey(name: string, line: number): string {
    const key = this.keyOfName.get(name.replaceAll('_', '-'));
    if (key !== undefined) return key;
    if (Object.hasOwn(sharedOptions, name)) {
      this.fail(line, `"${name}" cannot be set in a config file`, `give --${name} on the command line`);
    }
    const renamed = newNameOf(name.replaceAll('_', '-'), this.keyOfName.keys());
    if (renamed) this.fail(line, `unknown option "${name}"`, `its new name is "${renamed}"`);
    const close = nearest(name, this.keyOfName.keys());
    const all = [...this.keyOfName.keys()].sort().join(', ');
    const remedy = close ? `did you mean "${close}"?` : `the options are: ${all}`;
    return this.fail(line, `unknown option "${name}"`, remedy);
  }

  private valueTexts(document: Document.Parsed, value: Node | null, key: string, line: number): string[] {
    const option = this.options[key]!;
    const resolve = (node: unknown): Node | null => {
      if (!isAlias(node)) return node as Node | null;
      const { source } = node;
      return node.resolve(document) ?? this.fail(this.lineOf(node), `*${source} has no &${source} before it`);
    };
    const text = (node: Node | null, at: number): string =>
      acceptScalar(node, option) ??
      this.fail(at, `"${optionName(key)}" expects ${option.expected} but got ${describe(node)}`);

    const node = resolve(value);
    if (option.kind !== 'list' || !isSeq(node)) return [text(node, line)];
    return node.items.map(resolve).map((item) => text(item, item ? this.lineOf(item) : line));
  }
}

/**
 * Reads a config file against the options of one command; returns the given values by option key.
 * Throws ERR_CONFIG with the file and the line, ERR_FILE_MISSING or ERR_IO.
 */
export function readConfig(file: string, options: OptionSpecs): Map<string, ConfigEntry> {
  return new ConfigReader(file, options).read();
}
