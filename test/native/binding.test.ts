/** Holds the hand-written interfaces of src/native and the addon together: the same names, both ways. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { native } from '../../src/native/addon.ts';

function declaredMembers(source: string): string[] {
  const members: string[] = [];
  for (const [, name, body] of source.matchAll(/export interface (\w+)[^{]*\{\n?((?:.|\n)*?)^\}/gm)) {
    if (!name!.endsWith('Binding')) continue;
    for (const [, member] of body!.matchAll(/^ {2}(\w+)[(:<]/gm)) members.push(member!);
  }
  return members;
}

function bindingSources(): string[] {
  const folder = join(packageRoot, 'src/native');
  const families = readdirSync(join(folder, 'binding')).filter((name) => name.endsWith('.ts'));
  return ['binding.ts', ...families.map((name) => join('binding', name))].map((name) => join(folder, name));
}

describe('the addon and its TypeScript interface', () => {
  const declared = bindingSources().flatMap((path) => declaredMembers(readFileSync(path, 'utf8')));

  it('finds the members of interfaces', () => {
    const source =
      'export interface XBinding {\n  one(a: number): void;\n  /** two( */\n  two: new () => X;\n}\n';
    expect(declaredMembers(source)).toEqual(['one', 'two']);
  });

  it('names each member once', () => {
    expect(declared.filter((name, i) => declared.indexOf(name) !== i)).toEqual([]);
  });

  it('has the same names on both sides', () => {
    expect([...declared].sort()).toEqual(Object.keys(native).sort());
  });

  it('has every family interface in Binding', () => {
    const text = readFileSync(join(packageRoot, 'src/native/binding.ts'), 'utf8');
    const extended = text.match(/export interface Binding\s+extends ([^{]*)/)?.[1] ?? '';
    for (const path of bindingSources()) {
      for (const [, name] of readFileSync(path, 'utf8').matchAll(/export interface (\w+Binding)\b/g)) {
        expect(extended.split(/[\s,]+/)).toContain(name);
      }
    }
  });
});
