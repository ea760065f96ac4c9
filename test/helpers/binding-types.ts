/**
 * The declarations of src/native as plain types, to compare with those that the addon derives from
 * its C++ functions. Reads the regular TypeScript of these files only: interfaces of functions and
 * fields, and aliases of unions.
 */

export interface Signature {
  names: string[];
  /** Canonical texts, see TypeReader. */
  parameters: string[];
  result: string;
}

/** The text without comments. */
function uncommented(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '');
}

/** A member of an interface: `name(a: A): R;`, `name?: T;` or `name: new (..) => T;`. */
interface Member {
  name: string;
  optional: boolean;
  /** From the bracket or after the colon to before the semicolon. */
  text: string;
}

const opening = '([{<';
const closing = ')]}>';

/** Cuts at a separator that is in no bracket and no quotes; `=>` is no bracket. */
function cut(text: string, separator: string): string[] {
  const parts: string[] = [];
  let [depth, start] = [0, 0];
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === "'") i = text.indexOf("'", i + 1);
    else if (opening.includes(c)) depth++;
    else if (closing.includes(c) && !(c === '>' && text[i - 1] === '=')) depth--;
    else if (c === separator && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

function membersOf(body: string): Member[] {
  return cut(body, ';').map((text) => {
    const match = /^(?:readonly )?(\w+)(\?)?\s*(:?)\s*([\s\S]*)$/.exec(text);
    if (!match) throw new Error(`no member of an interface: ${text}`);
    return { name: match[1]!, optional: match[2] === '?', text: match[4]! };
  });
}

/** Declarations of some files: their interfaces and aliases. */
export class Declarations {
  readonly #interfaces = new Map<string, Member[]>();
  readonly #aliases = new Map<string, string>();
  /** What a binding constructs: these interfaces stay names. */
  readonly #classes = new Set<string>();

  constructor(sources: readonly string[]) {
    for (const source of sources.map(uncommented)) {
      for (const [, name, body] of source.matchAll(/^export interface (\w+)[^{]*\{([\s\S]*?)^\}/gm)) {
        this.#interfaces.set(name!, membersOf(body!));
      }
      for (const [, name, text] of source.matchAll(/^export type (\w+) =([^;]*);/gm)) {
        this.#aliases.set(name!, text!.trim());
      }
    }
    for (const names of this.bindings().values()) {
      for (const name of names) if (this.#interfaces.has(name)) this.#classes.add(name);
    }
  }

  /** Interfaces whose name ends in Binding, and their members' names. */
  bindings(): Map<string, string[]> {
    const found = [...this.#interfaces].filter(([name]) => name.endsWith('Binding'));
    return new Map(found.map(([name, members]) => [name, members.map((member) => member.name)]));
  }

  /** The functions of those interfaces, constructors as `Class` and methods as `Class.method`. */
  signatures(): Map<string, Signature> {
    const all = new Map<string, Signature>();
    for (const name of this.bindings().keys()) {
      for (const member of this.#interfaces.get(name)!) {
        const text = member.text.replace(/^new\s*(\([\s\S]*\))\s*=>/, '$1:');
        all.set(member.name, this.#signature(text));
      }
    }
    for (const name of this.#classes) {
      for (const method of this.#interfaces.get(name)!) {
        all.set(`${name}.${method.name}`, this.#signature(method.text));
      }
    }
    return all;
  }

  #signature(text: string): Signature {
    const end = cut(text, ':')[0]!.length;
    const list = cut(text.slice(1, end - 1), ',').map((parameter) => {
      const [, name, optional, type] = /^(\w+)(\??):\s*([\s\S]*)$/.exec(parameter)!;
      return { name: name!, type: this.canonical(optional ? `${type} | undefined` : type!) };
    });
    const result = this.canonical(text.slice(text.indexOf(':', end) + 1));
    return { names: list.map(({ name }) => name), parameters: list.map(({ type }) => type), result };
  }

  /**
   * One text for each type: names are replaced by their declarations, members of unions are in
   * order of the alphabet, and `readonly` and brackets that change nothing are gone. A class stays
   * a name.
   */
  canonical(text: string): string {
    const type = text.trim().replace(/^readonly\s+/, '');
    const union = cut(type, '|');
    if (union.length > 1) {
      const members = union.flatMap((member) => cut(this.canonical(member), '|'));
      return [...new Set(members)].sort().join(' | ');
    }
    if (type.endsWith('[]')) return `(${this.canonical(type.slice(0, -2))})[]`;
    const inner = type.slice(1, -1);
    if (type.startsWith('(')) return this.canonical(inner);
    if (type.startsWith('['))
      return `[${cut(inner, ',')
        .map((part) => this.canonical(part))
        .join(', ')}]`;
    if (type.startsWith('{')) return this.#object(membersOf(inner));
    const alias = this.#aliases.get(type);
    if (alias !== undefined) return this.canonical(alias);
    const members = this.#classes.has(type) ? undefined : this.#interfaces.get(type);
    return members ? this.#object(members) : type;
  }

  #object(members: readonly Member[]): string {
    const fields = members.map(({ name, optional, text }) => {
      return `${name}: ${this.canonical(optional ? `${text} | undefined` : text)}`;
    });
    return `{ ${fields.sort().join('; ')} }`;
  }
}

/** The differences between declared and bound functions, one line each. */
export function differences(
  declared: ReadonlyMap<string, Signature>,
  bound: ReadonlyMap<string, Signature>,
): string[] {
  const found: string[] = [];
  for (const name of [...new Set([...declared.keys(), ...bound.keys()])].sort()) {
    const [there, here] = [declared.get(name), bound.get(name)];
    if (!there || !here) {
      found.push(`${name} is ${there ? 'declared but not bound' : 'bound but not declared'}`);
      continue;
    }
    if (there.parameters.length !== here.parameters.length) {
      found.push(
        `${name} is declared with ${there.parameters.length} parameters and has ${here.parameters.length}`,
      );
      continue;
    }
    here.parameters.forEach((type, i) => {
      const [mine, theirs] = [here.names[i], there.names[i]];
      if (mine !== theirs) found.push(`${name}, parameter ${i + 1}: declared as ${theirs}, bound as ${mine}`);
      const other = there.parameters[i]!;
      if (other !== type) found.push(`${name}, parameter ${i + 1}: declared ${other}, bound ${type}`);
    });
    if (there.result !== here.result) {
      found.push(`${name}, result: declared ${there.result}, bound ${here.result}`);
    }
  }
  return found;
}
