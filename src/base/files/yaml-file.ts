/**
 * A YAML file as nodes that know their place: every error names file, line and key. YAML 1.2
 * contains JSON, so one reader serves both.
 */
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type Scalar, visit } from 'yaml';
import { AthanorError } from '../errors.ts';
import { nearest } from '../suggest.ts';
import { readText } from './read-file.ts';

const MOST_BYTES = 4 << 20;
const MOST_DEPTH = 8;

/** What a file is for, in messages. */
export interface YamlKind {
  /** Such as "a policy". */
  name: string;
  /** Such as docs/safety.md. */
  page: string;
}

/**
 * Throws ERR_CONFIG for a file that is not YAML, and as readText.
 * @param onText hears of the text that was read
 */
export function readYamlFile(file: string, kind: YamlKind, onText?: (text: string) => void): YamlNode {
  const fail = (problem: string, remedy = 'name a YAML or JSON file', cause?: unknown) =>
    new AthanorError('ERR_CONFIG', `${file}: ${problem}`, remedy, { cause });
  const text = readText(file, { most: MOST_BYTES, fail });
  onText?.(text);
  return parseYaml(file, text, kind);
}

/**
 * The nodes of a YAML text. Throws ERR_CONFIG.
 * @param file its name in messages
 */
export function parseYaml(file: string, text: string, kind: YamlKind): YamlNode {
  const fail = (remedy: string, cause?: unknown) =>
    new AthanorError('ERR_CONFIG', `${file}: it is nested too deeply for ${kind.name}`, remedy, { cause });
  const lines = new LineCounter();
  if (nesting(text) > MOST_DEPTH) throw fail(`see ${kind.page}`);
  const document = parsed(text, lines, fail);
  const broken = document.errors[0] ?? document.warnings[0];
  if (broken) {
    const { line } = lines.linePos(broken.pos[0]);
    throw new AthanorError('ERR_CONFIG', `${file} line ${line}: ${broken.message}`, 'correct the YAML');
  }
  const root = new YamlNode(file, lines, document.contents, '');
  visit(document, {
    Alias: (_, { source }) => root.fail(`it has the alias *${source}`, 'write the value itself'),
  });
  return root;
}

function parsed(text: string, lines: LineCounter, fail: (remedy: string, cause: unknown) => AthanorError) {
  try {
    return parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  } catch (error) {
    // The parser goes into nested lists by recursion.
    if (error instanceof RangeError) throw fail('name a YAML or JSON file', error);
    throw error;
  }
}

/** How deep the brackets or the lines of a text are nested, at most. */
function nesting(text: string): number {
  let [depth, most] = [0, 0];
  for (const character of text.replace(/"(?:\\.|[^"\\])*"|'[^']*'/g, '')) {
    if (character === '[' || character === '{') most = Math.max(most, ++depth);
    else if (character === ']' || character === '}') depth = Math.max(0, depth - 1);
  }
  return most;
}

interface Range {
  min?: number;
  max?: number;
  whole?: boolean;
}

/** A value of the file. Its methods throw ERR_CONFIG that names the place. */
export class YamlNode {
  readonly #file: string;
  readonly #lines: LineCounter;
  readonly #node: Node | null;
  /** Such as `categories.spam.words`. */
  readonly #key: string;
  /** Where a value would be that is left out. */
  readonly #line: number;

  constructor(file: string, lines: LineCounter, node: Node | null, key: string, line = 1) {
    this.#file = file;
    this.#lines = lines;
    this.#node = node;
    this.#key = key;
    this.#line = node?.range ? lines.linePos(node.range[0]).line : line;
  }

  error(problem: string, remedy?: string): AthanorError {
    const key = this.#key === '' ? '' : ` "${this.#key}":`;
    return new AthanorError('ERR_CONFIG', `${this.#file} line ${this.#line}:${key} ${problem}`, remedy);
  }

  fail(problem: string, remedy?: string): never {
    throw this.error(problem, remedy);
  }

  /** The nodes of a map with these keys alone. */
  fields(known: readonly string[]): Map<string, YamlNode> {
    const fields = new Map(this.#pairs());
    for (const [name, node] of fields) {
      if (known.includes(name)) continue;
      const close = nearest(name, known);
      node.fail(
        'there is no such key',
        close ? `did you mean "${close}"?` : `the keys are: ${known.join(', ')}`,
      );
    }
    return fields;
  }

  /** The nodes of a map with any keys. */
  entries(): [string, YamlNode][] {
    return this.#pairs();
  }

  #pairs(): [string, YamlNode][] {
    const node = this.#node;
    if (!isMap(node)) return this.fail(`expected a map but got ${this.kind}`);
    return node.items.map((pair) => {
      const key = pair.key as Scalar;
      const name = String(key.value);
      const line = key.range ? this.#lines.linePos(key.range[0]).line : this.#line;
      const path = this.#key === '' ? name : `${this.#key}.${name}`;
      return [name, new YamlNode(this.#file, this.#lines, pair.value as Node | null, path, line)];
    });
  }

  /** The nodes of a list, or of one value that stands for a list of one. */
  items(): YamlNode[] {
    const node = this.#node;
    if (isScalar(node) && node.value !== null) return [this];
    if (!isSeq(node)) return this.fail(`expected a list but got ${this.kind}`);
    return node.items.map(
      (item, i) =>
        new YamlNode(this.#file, this.#lines, item as Node | null, `${this.#key}[${i}]`, this.#line),
    );
  }

  /** A text that is not empty. */
  text(): string {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    if (typeof value !== 'string')
      return this.fail(`expected a text but got ${this.kind}`, 'put it in quotes');
    return value.trim() === '' ? this.fail('it is empty') : value;
  }

  word<const W extends string>(words: readonly W[]): W {
    const text = this.text();
    return (
      words.find((word) => word === text) ?? this.fail(`expected ${words.join(' or ')} but got "${text}"`)
    );
  }

  number({ min = -Infinity, max = Infinity, whole = false }: Range): number {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    const isRight =
      typeof value === 'number' && value >= min && value <= max && (!whole || Number.isSafeInteger(value));
    if (isRight) return value;
    const range = max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`;
    return this.fail(`expected a ${whole ? 'whole ' : ''}number ${range} but got ${this.kind}`);
  }

  /** true or false, or on and off. */
  flag(): boolean {
    const value = this.scalar();
    if (typeof value === 'boolean') return value;
    if (value === 'on' || value === 'off') return value === 'on';
    return this.fail(`expected true or false but got ${this.kind}`);
  }

  /** A text, a number, true or false; undefined for a map, a list or nothing. */
  scalar(): string | number | boolean | undefined {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
      ? value
      : undefined;
  }

  get isMap(): boolean {
    return isMap(this.#node);
  }

  get isList(): boolean {
    return isSeq(this.#node);
  }

  /** The value for messages. */
  get kind(): string {
    const node = this.#node;
    if (isMap(node)) return 'a map';
    if (isSeq(node)) return 'a list';
    if (!isScalar(node) || node.value === null) return 'nothing';
    return JSON.stringify(node.value)?.slice(0, 60) ?? 'a value';
  }
}
